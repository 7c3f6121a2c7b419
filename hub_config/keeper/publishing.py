"""Publishes what instructors ask for in the portal, one module after the other.

The portal reaches no Docker, and what it may write is as little as can be; so a request waits in
the database, and the keeper carries it out with the command that an administrator would type:
`radlab course publish`, in a process of its own. What that says is kept while it runs, for the
page that shows it. A keeper that ends in between does it again after its start: to publish the
same twice does no harm.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from hub_config.settings import Settings
from hub_config.teaching.model import Publication
from hub_config.teaching.store import MOST_LOG, PublicationStore

PUBLISH_SECONDS = 3
LOOK_SECONDS = 1.0
# Twice the proof of the longest module in both languages, on a machine that teaches meanwhile.
PATIENCE_SECONDS = 40 * 60
_GRACE_SECONDS = 20
COMMAND = (sys.executable, "-P", "-m", "hub_config.cli", "course", "publish")
# Nobody is there to be asked for a password, or whether a host is known.
_UNATTENDED = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
log = logging.getLogger("radlab.keeper")


class Publisher:
    """Carries out what waits; `round` is one of the keeper's."""

    def __init__(
        self,
        settings: Settings,
        store: PublicationStore,
        *,
        command: Sequence[str] = COMMAND,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._settings = settings
        self._store = store
        self._command = tuple(command)
        self._patience = patience
        self._began = False

    def round(self) -> None:
        """Publish what waits, the oldest first."""
        if not self._began:
            self._store.resume()
            self._began = True
        while (one := self._store.take()) is not None:
            log.info("publication %s begins", one.id)
            self._publish(one)

    def _publish(self, one: Publication) -> None:
        # Docker mounts folders of this one; it does not see a temporary folder of the keeper's own.
        room = self._settings.path("run", "publishing")
        try:
            room.mkdir(mode=0o755, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=room) as told, tempfile.TemporaryFile(dir=room) as out:
                status = self._run(one, told, out, {"TMPDIR": str(room)})
                said, answer = _tail(told), _answer(out)
        except Exception as error:
            # It must not stay "running" for ever.
            self._store.end(one.id, f"It could not be begun: {error}\n")
            raise
        if status == 0 and answer.get("version"):
            self._store.end(one.id, said, module=answer["id"], version=answer["version"])
        else:
            self._store.end(one.id, said + _why(answer, status, self._patience))
        log.info("publication %s ended with %s", one.id, status)

    def _run(
        self, one: Publication, told: BinaryIO, out: BinaryIO, environment: Mapping[str, str]
    ) -> int | None:
        """Run the command and keep what it says; its status, None where it was stopped."""
        process = subprocess.Popen(
            [*self._command, *arguments(one)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=told,
            env={**os.environ, **_UNATTENDED, **environment, "RADLAB_STATE": self._settings.state},
            start_new_session=True,
        )
        until, kept = time.monotonic() + self._patience, ""
        while not _ended(process, LOOK_SECONDS) and time.monotonic() < until:
            said = _tail(told)
            if said != kept:
                kept = said
                self._store.tell(one.id, said)
        if process.returncode is None:
            _stop(process)
            return None
        return process.returncode


def arguments(one: Publication) -> list[str]:
    """The words behind `course publish`; the source last, so that it is never an option."""
    words = ["--json", "--by", one.by]
    if one.groups is None:
        words.append("--everyone")
    for option, groups in (("--to", one.groups), ("--within", one.within)):
        for group in groups or ():
            words += [option, group]
    return [*words, "--", one.source]


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it ends within that time."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it and all that it began; it takes its container away with it."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(file: BinaryIO) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - MOST_LOG))
    return _plain(file.read().decode("utf-8", "replace"))


def _plain(text: str) -> str:
    """Without the colours of a terminal, which tracebacks of notebooks bear."""
    return _COLOURS.sub("", text)


def _answer(file: BinaryIO) -> dict[str, Any]:
    """What the command prints at its end, as JSON."""
    try:
        answer = json.loads(_tail(file))
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _why(answer: Mapping[str, Any], status: int | None, patience: float) -> str:
    """Why nothing was published, as the last line of its log."""
    if status is None:
        return f"It took more than {patience / 60:.0f} minutes and was stopped.\n"
    error = answer.get("error")
    if not isinstance(error, Mapping):
        return f"The command ended with {status}.\n"
    return (
        _plain(" ".join(str(error[part]) for part in ("message", "do") if error.get(part))) + "\n"
    )
