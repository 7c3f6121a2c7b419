"""Services where there is no systemd: each under a small supervisor that starts it again.

`python -m hub_config.machine.background NAME` holds `run/NAME.lock` for as long as it lives, so
whether a service is supervised is never guessed from a number. The service writes into its log
itself and outlives its supervisor; the next supervisor ends such an orphan before it starts its
own. A service that keeps ending is started again after 1, 2, 4 ... 30 s.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.machine import processes
from hub_config.machine.apt import find_program
from hub_config.machine.services import NAMES, SERVICES, Service, clean_environment
from hub_config.settings import Settings, load_settings

LOG_BYTES = 10_000_000
_GRACE = 15.0
_LONGEST_PAUSE = 30.0
_STEADY = 60.0


class Supervisor:
    """Runs one service until told to stop."""

    def __init__(self, settings: Settings, name: str, words: list[str]) -> None:
        self.settings = settings
        self.name = name
        self.words = words
        self.stopping = threading.Event()
        self.log = log_path(settings, name)

    def run(self) -> int:
        """Hold the lock and keep the service running; 1 where another supervisor has the lock."""
        lock = _locked(self.settings, self.name)
        if lock is None:
            return 1
        with lock:
            _end_orphan(self.settings, self.name)
            pause = 1.0
            while not self.stopping.is_set():
                began = time.monotonic()
                status = self._once()
                if self.stopping.is_set():
                    break
                pause = 1.0 if time.monotonic() - began > _STEADY else pause
                self._note(f"ended with status {status}; starting again in {pause:.0f} s")
                self.stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            _record(self.settings, self.name).unlink(missing_ok=True)
        return 0

    def _once(self) -> int:
        with self.log.open("ab") as output:
            child = subprocess.Popen(
                self.words,
                cwd=self.settings.state,
                env=clean_environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child_identity = processes.identity(child.pid)
        record = {"child": child_identity, "supervisor": processes.identity(os.getpid())}
        _write(_record(self.settings, self.name), json.dumps(record))
        while child.poll() is None:
            if self.stopping.wait(0.5):
                child.terminate()
                try:
                    child.wait(_GRACE)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
            rotate(self.log)
        return child.returncode

    def _note(self, text: str) -> None:
        with self.log.open("a") as output:
            output.write(f"{clock.to_iso(clock.now())} radlab: {self.name} {text}\n")


def command(settings: Settings, service: Service) -> list[str]:
    """The words that start the service as its user, with no way to more rights."""
    words = [sys.executable, "-P", "-m", "hub_config.machine.serve", service.name]
    if service.as_root:
        return words
    user = pwd.getpwnam(settings.system_user)
    rights = "-all,+net_bind_service" if service.name == "proxy" else "-all"
    become = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]
    bounds = [f"--bounding-set={rights}", f"--inh-caps={rights}", f"--ambient-caps={rights}"]
    setpriv = find_program("setpriv") or "setpriv"
    return [setpriv, *become, *bounds, "--no-new-privs", *words]


def rotate(log: Path, most: int = LOG_BYTES) -> None:
    """Keep one older file of a log that grew past `most` bytes.

    The service has the file open for appending: it is copied and emptied, not renamed.
    """
    if log.exists() and log.stat().st_size > most:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


class Background:
    """Starts, stops and looks at supervised services; root only."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def prepare(self) -> bool:
        """Nothing is to be written beforehand."""
        return False

    def retire(self) -> None:
        """Nothing is to be undone: no reboot starts these supervisors."""

    def running(self, name: str) -> bool:
        """Whether a supervisor lives; the service may be starting."""
        return _lock_is_held(self.settings, name)

    def start(self, name: str) -> None:
        """Start the service's supervisor, which outlives this process."""
        log = log_path(self.settings, name)
        with log.open("ab") as output:
            subprocess.Popen(
                [sys.executable, "-P", "-m", "hub_config.machine.background", name],
                cwd="/",
                env=clean_environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 20
        while not self.running(name) and time.monotonic() < deadline:
            time.sleep(0.05)

    def stop(self, name: str) -> None:
        """Stop the service and its supervisor, the service by force after 15 s."""
        record = _read(self.settings, name)
        if self.running(name) and record:
            processes.end(record["supervisor"], _GRACE + 5)
        _end_orphan(self.settings, name)
        _record(self.settings, name).unlink(missing_ok=True)

    def log(self, name: str, follow: bool, lines: int) -> list[str]:
        """The words that show the service's log."""
        follows = ["-F"] if follow else []
        return ["tail", "-n", str(lines), *follows, str(log_path(self.settings, name))]


def log_path(settings: Settings, name: str) -> Path:
    """Where a supervised service writes."""
    return settings.path("log", f"{name}.log")


def _record(settings: Settings, name: str) -> Path:
    return settings.path("run", f"{name}.json")


def _read(settings: Settings, name: str) -> dict[str, processes.Identity]:
    try:
        return dict(json.loads(_record(settings, name).read_text()))
    except (OSError, ValueError):
        return {}


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".tmp")
    draft.write_text(text)
    draft.replace(path)


def _locked(settings: Settings, name: str) -> IO[str] | None:
    file = settings.path("run", f"{name}.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _lock_is_held(settings: Settings, name: str) -> bool:
    try:
        file = _locked(settings, name)
    except OSError:
        return False
    if file is None:
        return True
    file.close()
    return False


def _end_orphan(settings: Settings, name: str) -> None:
    record = _read(settings, name)
    if "child" in record:
        processes.end(record["child"], _GRACE)


def main(name: str) -> int:
    """Supervise one service until SIGTERM."""
    known = {service.name: service for service in SERVICES}
    if name not in known:
        print(f"There is no service '{name}'; there are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    try:
        settings = load_settings()
        supervisor = Supervisor(settings, name, command(settings, known[name]))
    except (RadLabError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stopping.set())
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
