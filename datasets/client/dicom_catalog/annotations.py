"""What is marked on an image, before and after it is DICOM: segments, label maps, boxes.

Generators and imports make these, the archive writes them as SEG and SR and flattens them into the
index, and a notebook gets them back. Arrays run (slice, row, column); a place in an image is given
by pixel edges: 0 is the left edge of the first column, 1 the edge between the first two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Code = tuple[str, str, str]  # value, scheme designator, meaning


@dataclass(frozen=True)
class Segment:
    """One structure of a label map; `number` is its value, 1 or more."""

    number: int
    name: str
    code: Code = ("49755003", "SCT", "Morphologically abnormal structure")
    category: Code = ("49755003", "SCT", "Morphologically abnormal structure")


@dataclass(frozen=True)
class LabelMap:
    """Which structure each pixel belongs to: (frames, rows, columns) of the images named.

    `frames` names an image frame for each slice of `values`: (SOP Instance UID, frame from 0).
    `values` are uint8 or uint16, 0 for background, else a segment's number. With `objects` each
    value is one object (a nucleus) and all belong to the one kind in `segments`.
    """

    frames: tuple[tuple[str, int], ...]
    values: NDArray[Any]
    segments: tuple[Segment, ...]
    objects: bool = False

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or len(self.frames) != len(self.values):
            raise ValueError(
                f"A label map of {len(self.frames)} frames has the shape (frames, rows, columns), "
                f"not {self.values.shape}."
            )
        if self.values.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"A label map is uint8 or uint16, not {self.values.dtype}.")

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Where the segment `name` is: bool (frames, rows, columns)."""
        if self.objects:
            return np.asarray(self.values > 0)
        numbers = [segment.number for segment in self.segments if segment.name == name]
        return np.asarray(np.isin(self.values, numbers))


@dataclass(frozen=True)
class Box:
    """A rectangle on one image frame; with `first` and `last`, through slices of its series."""

    instance_uid: str
    name: str
    left: float
    top: float
    right: float
    bottom: float
    frame: int = 0
    first: int | None = None
    last: int | None = None
    object: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)
