"""What a published version of a module can give, from the files that students have too.

`exercises.yaml` and `quiz.yaml` are written by whoever wrote the module; where they cannot be read
the module gives nothing, and nothing else fails.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from hub_config.teaching.model import Scheme

EXERCISES = "exercises.yaml"
QUIZ = "quiz.yaml"
log = logging.getLogger(__name__)


def scheme_of(modules: Path, module: str, version: str) -> Scheme:
    """The points and questions of that version, which lies in `modules`; none where it does not."""
    folder = modules / module / version
    # A published version never changes, so that what was read of it once holds.
    return _scheme(folder) if folder.is_dir() else Scheme()


@lru_cache(maxsize=512)
def _scheme(folder: Path) -> Scheme:
    points = {
        str(one["id"]): float(one.get("points") or 0)
        for one in _read(folder / EXERCISES)
        if isinstance(one.get("points", 0), int | float)
    }
    return Scheme(points, frozenset(str(one["id"]) for one in _read(folder / QUIZ)))


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        log.warning("%s cannot be read: %s", path, error)
        return []
    entries = found if isinstance(found, list) else []
    return [one for one in entries if isinstance(one, dict) and "id" in one]
