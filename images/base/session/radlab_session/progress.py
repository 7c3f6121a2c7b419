"""What the student shows of their progress: from the kit's files in the home to the Hub.

The kit writes `~/.radlab/progress/<module>.json` (exercises, quiz, `consent`). What has consent is
sent, what lost it is taken back, and everything else stays in the home: of a module that was never
shown not even the name leaves it. The files are the student's own to write, so that each is read
with care, and only what the Hub knows is taken from it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(".radlab", "progress")
MOST_FILES = 40
MOST_BYTES = 64 * 1024
_EXERCISE = ("passed", "points", "tries", "hints")
_QUESTION = ("right", "tries")

Report = dict[str, Any]


class Shown:
    """What of a home's progress the Hub was told, and what has changed since."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._told: dict[str, Report] = {}

    def changed(self) -> list[Report]:
        """The reports that the Hub does not know: what is shown, and what is shown no more."""
        now = {report["module"]: report for report in self._reports()}
        gone = [taken_back(name) for name in self._told if name not in now]
        # What the Hub was told before this server began is not known here: once, all is told.
        return [one for one in [*now.values(), *gone] if self._told.get(one["module"]) != one]

    def told(self, reports: Iterable[Report]) -> None:
        """The Hub has these now."""
        self._told |= {report["module"]: report for report in reports}

    def _reports(self) -> Iterable[Report]:
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(".json"))
        except OSError:
            return []
        found = (report_of(_read(self._folder / name)) for name in names[:MOST_FILES])
        return [report for report in found if report is not None]


def report_of(facts: Any) -> Report | None:
    """What the Hub is told of one file, without consent only that; None: it is no progress."""
    if not isinstance(facts, Mapping) or not isinstance(facts.get("module"), str):
        return None
    if facts.get("consent") is not True:
        return taken_back(facts["module"])
    return {
        "module": facts["module"],
        "version": facts.get("version") or "",
        "consent": True,
        "exercises": _picked(facts.get("exercises"), _EXERCISE),
        "quiz": _picked(facts.get("quiz"), _QUESTION),
    }


def taken_back(module: str) -> Report:
    """That nothing of this module is shown."""
    return {"module": module, "consent": False}


def _picked(items: Any, keys: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    if not isinstance(items, Mapping):
        return {}
    return {
        str(name): {key: one[key] for key in keys if key in one}
        for name, one in items.items()
        if isinstance(one, Mapping)
    }


def _read(path: Path) -> Any:
    try:
        # A pipe of that name would keep the server waiting for ever.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > MOST_BYTES:
                return None
            return json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
