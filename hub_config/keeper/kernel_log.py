"""Which process the kernel killed for memory: read from its own log, `/dev/kmsg`.

The counter of a control group says how many were killed, and only the log says which:

    oom-kill:constraint=CONSTRAINT_MEMCG,...,task_memcg=/docker/<id>,task=python,pid=7,uid=10001

A student names a process as they like: a name is cut to the 15 characters that the kernel keeps,
and what is no plain word of it is shown as `?`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_KILLED = re.compile(r"oom-kill:.*task_memcg=\S*?([0-9a-f]{64})\S*?,task=(.*),pid=\d+,uid=\d+")
_RECORD_BYTES = 8192  # the kernel gives one whole record a read, and refuses a smaller buffer
_KEPT = 1000


class KernelLog:
    """What was killed for memory, container by container, as far as the kernel's log reaches."""

    def __init__(self, path: Path = Path("/dev/kmsg")) -> None:
        self._path = path
        self._open: int | None = None
        self._killed: dict[str, str] = {}

    def killed(self, container_id: str) -> str | None:
        """The process of that container that was killed last; None where the log does not say."""
        self._read_on()
        return self._killed.get(container_id)

    def close(self) -> None:
        """Let go of the log."""
        if self._open is not None:
            os.close(self._open)
            self._open = None

    def _read_on(self) -> None:
        try:
            if self._open is None:
                self._open = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
            while record := self._record(self._open):
                self._note(record.decode(errors="replace"))
        except OSError:
            return  # there is none here, or it may not be read: the counter says how many

    def _record(self, descriptor: int) -> bytes:
        while True:
            try:
                return os.read(descriptor, _RECORD_BYTES)
            except BlockingIOError:
                return b""  # all is read
            except BrokenPipeError:
                continue  # the kernel wrote over what was not read yet; the next read goes on

    def _note(self, text: str) -> None:
        for line in text.splitlines():
            if found := _KILLED.search(line):
                self._killed.pop(found[1], None)
                self._killed[found[1]] = plain_name(found[2])
        while len(self._killed) > _KEPT:
            del self._killed[next(iter(self._killed))]


def plain_name(name: str) -> str:
    """A process's name as it may be shown to anybody."""
    return re.sub(r"[^\w.+:-]", "?", name, flags=re.ASCII)[:15]
