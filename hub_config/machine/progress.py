"""How a long command shows where it is: numbered steps with the time that has passed."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

Say = Callable[[str], None]


class Progress:
    """Numbered steps on a stream; lines may come from several threads."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic):
        self._stream = stream or sys.stdout
        self._clock = clock
        self._began = clock()
        self._number = 0
        self._lock = threading.Lock()

    @contextmanager
    def step(self, title: str, nothing: str = "as it was") -> Iterator[Say]:
        """One step: its title, the lines said meanwhile, and how long it took.

        `nothing` is printed where it said nothing and took no time.
        """
        with self._lock:
            self._number += 1
            number = self._number
        began = self._clock()
        self.line(f"{number:2}. {title}")
        said: list[str] = []

        def say(text: str) -> None:
            said.append(text)
            self.line(f"      {text}")

        yield say
        took = self._clock() - began
        if took >= 1:
            self.line(f"      done: {title} ({took:.0f} s)")
        elif not said:
            self.line(f"      {nothing}")

    def line(self, text: str) -> None:
        """One line, after the minutes and seconds since the command began."""
        passed = int(self._clock() - self._began)
        with self._lock:
            print(f"[{passed // 60:2}:{passed % 60:02}] {text}", file=self._stream, flush=True)


def tail(text: str, lines: int = 15) -> str:
    """The last lines of what a program said."""
    return "\n".join(text.strip().splitlines()[-lines:])
