"""Elements of a DICOM header as plain values: None where they are absent, empty or broken.

Files of real devices hold "1A" for a number and nothing where a value is required; what has no
sound value is treated as absent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset


def as_json(value: object) -> str:
    """Canonical JSON, as the index holds lists and objects: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Groups:
    """Functional groups by frame: what one frame says goes before what is shared by all."""

    def __init__(self, dataset: Dataset) -> None:
        shared = dataset.get("SharedFunctionalGroupsSequence") or []
        self.shared: Mapping[Any, Any] = shared[0] if len(shared) else {}
        self.frames = dataset.get("PerFrameFunctionalGroupsSequence") or []

    def get(self, frame: int, sequence: str, keyword: str) -> Any:
        """The value of `keyword` in the macro `sequence`, or None."""
        own = self.frames[frame] if frame < len(self.frames) else {}
        for group in (own, self.shared):
            items = group.get(sequence)
            if items and items[0].get(keyword) is not None:
                return items[0].get(keyword)
        return None


def as_text(value: Any) -> str | None:
    """Its text without padding, several values joined by backslashes as in the file."""
    if value is None:
        return None
    if not isinstance(value, str) and isinstance(value, Sequence):
        value = "\\".join(map(str, value))
    return str(value).strip() or None


def as_whole(value: Any) -> int | None:
    """A whole number."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None  # Instance Number is a convenience; files that say "1A" are images all the same


def as_number(value: Any) -> float | None:
    """A finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def first_number(value: Any) -> float | None:
    """The first of one or several finite numbers."""
    if value is not None and not isinstance(value, str) and isinstance(value, Sequence):
        value = value[0] if len(value) else None
    return as_number(value)


def as_numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """Exactly `count` finite numbers."""
    if value is None or isinstance(value, str) or not hasattr(value, "__len__"):
        return None
    if len(value) != count:
        return None
    numbers = [as_number(one) for one in value]
    return None if any(one is None for one in numbers) else tuple(map(float, value))
