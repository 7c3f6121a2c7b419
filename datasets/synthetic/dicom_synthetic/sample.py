"""What every generator of sample images promises, so that the archive can publish any of them.

A generator draws a cohort (who, how many, what is seen) from a seed and knobs, then makes each plan
from its own seed: plans can be made in any order by any number of processes, same bytes. `Knob` is
how hard the task is or how strong a planted shortcut; a knob at its default is the published set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dicom_catalog.annotations import Box, LabelMap

Labels = Mapping[str, str | int | float | None]
Knobs = Mapping[str, float]


@dataclass(frozen=True)
class Made:
    """What one plan gives: DICOM files in order, their labels, and what is marked on them.

    `labels` are those of every file; `labels_of` adds or replaces some by SOP Instance UID.
    """

    files: Sequence[bytes]
    labels: Labels
    labels_of: Mapping[str, Labels] = field(default_factory=dict)
    label_maps: Sequence[LabelMap] = ()
    boxes: Sequence[Box] = ()


@dataclass(frozen=True)
class Knob:
    """One number that a teacher may turn: what it does, its default and its range."""

    help: str
    default: float
    low: float
    high: float


@dataclass(frozen=True)
class Generator:
    """A sample dataset by name.

    `draw(patients, seed, knobs)` gives picklable plans; `make(plan)` one plan's images. Both are
    functions at module level, because processes are started with them. `knobs` given to `draw` are
    complete: every knob has a value, in its range.
    """

    name: str
    draw: Callable[[int, int, Knobs], Sequence[Any]]
    make: Callable[[Any], Made]
    knobs: Mapping[str, Knob] = field(default_factory=dict)
