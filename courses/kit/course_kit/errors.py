"""What can be wrong with a page, before any answer is looked at.

KitError
├── NoModule         the files of a module are not where they should be
├── BrokenFile       a YAML of a module says something that cannot be
└── UnknownName      there is no such exercise, question, claim or word
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KitError(Exception):
    """Something in the page, not in the student's answer, has to be mended."""

    def _render_traceback_(self) -> list[str]:
        # IPython shows this instead of a traceback: a student needs the sentence alone.
        return [f"{type(self).__name__}: {self}"]


class NoModule(KitError):
    """The files of a module are not where they should be."""


class BrokenFile(KitError):
    """A YAML of a module says something that cannot be."""


class UnknownName(KitError):
    """There is no such exercise, question, claim or word."""

    def __init__(self, kind: str, given: str, known: Iterable[str]) -> None:
        names = list(known)
        near = difflib.get_close_matches(str(given), names, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        listed = ", ".join(names) or "none"
        super().__init__(f"There is no {kind} '{given}'.{hint} There are: {listed}.")
