"""The Docker Engine: reached by its address; started here only where no systemd does it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import requests
from docker import DockerClient
from docker.errors import DockerException

from hub_config.errors import Unready
from hub_config.machine import apt, processes
from hub_config.machine.progress import Say, tail
from hub_config.network.bridges import LABEL
from hub_config.settings import Settings

SOCKET = "unix:///var/run/docker.sock"
_START_SECONDS = 90


class NoEngine(Unready):
    """The Docker Engine does not answer, or cannot be started."""

    code = "no_engine"


def connect(settings: Settings, timeout: int = 60) -> DockerClient:
    """A client of the engine that the settings name; NoEngine where it does not answer."""
    try:
        client = DockerClient(base_url=settings.engine, timeout=timeout)
        client.ping()
    except (DockerException, requests.RequestException) as error:
        raise NoEngine(
            "No Docker Engine answers at {engine}.",
            given=settings.engine,
            do=_what_to_do(settings),
            engine=settings.engine,
        ) from error
    return client


def _what_to_do(settings: Settings) -> str:
    if settings.engine != SOCKET:
        return "Start it, or correct `engine` in settings.yaml."
    if apt.find_program("dockerd") is None:
        return "`./radlab up` installs it; by hand: apt-get install docker.io"
    if has_systemd():
        return "Start it: systemctl start docker"
    return "Start it: `./radlab up`"


def has_systemd() -> bool:
    """Whether systemd runs this machine."""
    return Path("/run/systemd/system").is_dir()


def answers(settings: Settings) -> bool:
    """Whether the engine answers now."""
    try:
        connect(settings, timeout=5).close()
    except NoEngine:
        return False
    return True


def ensure_running(settings: Settings, say: Say = lambda line: None) -> None:
    """Start the engine of this machine where it does not run; NoEngine where that fails."""
    if answers(settings):
        return
    if settings.engine != SOCKET or apt.find_program("dockerd") is None:
        connect(settings)
    say("starting the Docker Engine")
    if has_systemd():
        subprocess.run(["systemctl", "enable", "--now", "docker"], check=False)
        _wait(settings, None)
    else:
        _start_by_hand(settings)


def _start_by_hand(settings: Settings) -> None:
    log = _log(settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    settings.path("run").mkdir(parents=True, exist_ok=True)
    program = apt.find_program("dockerd") or "dockerd"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [program],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # Ours to stop again; one that somebody else started never is.
    _record(settings).write_text(json.dumps(processes.identity(process.pid)))
    _wait(settings, process)


def _wait(settings: Settings, process: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers(settings):
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            _record(settings).unlink(missing_ok=True)
            if answers(settings):  # somebody else's start won the race
                return
            said = _log(settings).read_text(errors="replace") if process is not None else ""
            raise NoEngine(
                "The Docker Engine did not start.\n{log}\n",
                do="Its log says why: {where}",
                log=tail(said, 6),
                where=_log(settings) if process is not None else "journalctl -u docker",
            )
        time.sleep(0.2)


def stop_if_ours(settings: Settings) -> bool:
    """Stop the engine that `up` started by hand; False where it was not ours, or is in use."""
    try:
        identity = json.loads(_record(settings).read_text())
    except (OSError, ValueError):
        return False
    if not processes.lives(identity):
        _record(settings).unlink(missing_ok=True)
        return False
    if answers(settings):
        client = connect(settings)
        if client.containers.list(ignore_removed=True) or client.networks.list(
            filters={"label": LABEL}
        ):
            return False  # somebody's containers run in it, or another RadLab relies on it
    os.kill(identity["pid"], signal.SIGTERM)
    processes.wait_gone(identity, 30)
    _record(settings).unlink(missing_ok=True)
    return True


def _log(settings: Settings) -> Path:
    return settings.path("log", "dockerd.log")


def _record(settings: Settings) -> Path:
    return settings.path("run", "dockerd.json")
