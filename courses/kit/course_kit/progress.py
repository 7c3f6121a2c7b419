"""What a student has done in a module, kept in their own home: `~/.radlab/progress/<id>.json`.

The file is the student's: nobody else reads it unless they say so (`consent`), and then only the
counts leave the container. It is written whole or not at all; where the disk is full, the page
goes on and says what that means.

The same page may be open twice (two windows, two languages). So a save first takes over what the
other has written: nothing earned is lost, and a consent taken back there is not given here again.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(".radlab") / "progress"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass
class Tried:
    """One exercise: whether it passed, for how many points `of` how many, after what."""

    passed: bool = False
    points: int = 0
    tries: int = 0
    hints: int = 0
    of: int = 0


@dataclass
class Answered:
    """One question: whether the last answer was right, and how many were given."""

    right: bool = False
    tries: int = 0


@dataclass
class Progress:
    """All of one module; `save` after each change."""

    module: str
    version: str
    path: Path
    exercises: dict[str, Tried] = field(default_factory=dict)
    quiz: dict[str, Answered] = field(default_factory=dict)
    consent: bool = False
    _kept_consent: bool = False

    def exercise(self, id: str) -> Tried:
        """What is known of this exercise."""
        return self.exercises.setdefault(id, Tried())

    def question(self, id: str) -> Answered:
        """What is known of this question."""
        return self.quiz.setdefault(id, Answered())

    @property
    def points(self) -> int:
        """Points of the exercises that passed."""
        return sum(tried.points for tried in self.exercises.values() if tried.passed)

    @property
    def right(self) -> int:
        """Questions whose last answer was right."""
        return sum(answered.right for answered in self.quiz.values())

    def save(self) -> bool:
        """Write it; False where the disk does not take it, and then the old file still stands."""
        self._take_over()
        content = {
            "module": self.module,
            "version": self.version,
            "exercises": {id: asdict(tried) for id, tried in self.exercises.items()},
            "quiz": {id: asdict(answered) for id, answered in self.quiz.items()},
            "consent": self.consent,
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        draft = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(prefix=".draft-", dir=self.path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1, sort_keys=True)
            os.replace(draft, self.path)
        except OSError:
            if draft is not None:
                Path(draft).unlink(missing_ok=True)
            return False
        self._kept_consent = self.consent
        return True

    def _take_over(self) -> None:
        """What another window of the same page has written since."""
        try:
            exercises, quiz, consent = _kept(self.path)
        except _UNREADABLE:
            return
        for id, there in exercises.items():
            here = self.exercise(id)
            here.passed = here.passed or there.passed
            here.points = max(here.points, there.points)
            here.tries = max(here.tries, there.tries)
            here.hints = max(here.hints, there.hints)
            here.of = here.of or there.of
        for id, answered in quiz.items():
            if answered.tries > self.question(id).tries:
                self.quiz[id] = answered
        if self.consent == self._kept_consent:  # not changed in this window
            self.consent = consent


def load_progress(module: str, version: str, home: Path) -> Progress:
    """What is kept of that module in `home`; nothing yet where the file is missing or broken.

    Points of an older version of the module stay: its exercises bear the same names.
    """
    path = home / FOLDER / f"{module}.json"
    try:
        exercises, quiz, consent = _kept(path)
    except _UNREADABLE:
        return Progress(module, version, path)
    return Progress(module, version, path, exercises, quiz, consent, consent)


def _kept(path: Path) -> tuple[dict[str, Tried], dict[str, Answered], bool]:
    content: Any = json.loads(path.read_text(encoding="utf-8"))
    exercises = {id: Tried(**_known(Tried, one)) for id, one in content["exercises"].items()}
    quiz = {id: Answered(**_known(Answered, one)) for id, one in content["quiz"].items()}
    return exercises, quiz, content["consent"] is True


def _known(kind: type[Any], one: Mapping[str, Any]) -> dict[str, Any]:
    # A kit of another version may have written more than this one knows.
    return {each.name: one[each.name] for each in fields(kind) if each.name in one}
