"""What a student has done in a module, kept in their own home: `~/.radlab/progress/<id>.json`.

The file is the student's: nobody else reads it unless they say so (`consent`), and then only the
counts leave the container. It is written whole or not at all; where the disk is full, the page
goes on and says what that means.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(".radlab") / "progress"


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
        return True


def load_progress(module: str, version: str, home: Path) -> Progress:
    """What is kept of that module in `home`; nothing yet where the file is missing or broken.

    Points of an older version of the module stay: its exercises bear the same names.
    """
    path = home / FOLDER / f"{module}.json"
    progress = Progress(module, version, path)
    try:
        kept: Any = json.loads(path.read_text(encoding="utf-8"))
        progress.exercises = {id: Tried(**one) for id, one in kept["exercises"].items()}
        progress.quiz = {id: Answered(**one) for id, one in kept["quiz"].items()}
        progress.consent = kept["consent"] is True
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Progress(module, version, path)
    return progress
