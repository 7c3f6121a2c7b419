"""Windows that radiology uses, by modality, and the window of an array that names none.

The CT values are those of teaching hospitals' workstations and of radiopaedia.org's article
"Windowing (CT)", in HU; PET is in SUV.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Names are keys of texts.json; center, width.
PRESETS: dict[str, tuple[tuple[str, float, float], ...]] = {
    "CT": (
        ("soft_tissue", 50, 400),
        ("lung", -600, 1500),
        ("mediastinum", 50, 350),
        ("bone", 400, 1800),
        ("brain", 40, 80),
        ("liver", 30, 150),
    ),
    "PT": (("suv_5", 2.5, 5), ("suv_10", 5, 10)),
}


def presets(modality: str, unit: str) -> list[dict[str, Any]]:
    """The presets of a modality; those of CT and PET only where values are in HU or SUV."""
    if (modality, unit) not in (("CT", "HU"), ("PT", "SUV")):
        return []
    return [{"name": n, "center": c, "width": w} for n, c, w in PRESETS[modality]]


def window_of(values: NDArray[Any]) -> tuple[float, float]:
    """Center and width that hold the middle 99 % of an array's values; all of a small array's."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size == 0:
        return 0.5, 1.0
    # Every k-th value is enough for a quantile, and a volume has tens of millions.
    sample = finite.ravel()[:: max(1, finite.size // 100_000)]
    low, high = _ends(sample) if sample.size > 1000 else (float(sample.min()), float(sample.max()))
    return (low + high) / 2, max(high - low, 1e-6)


def _ends(sample: NDArray[Any]) -> tuple[float, float]:
    low, high = (float(value) for value in np.quantile(sample, (0.005, 0.995)))
    if high <= low:  # nearly all of one value: a mask, a black picture
        return float(sample.min()), float(sample.max())
    return low, high


def triple(spacing: Sequence[float | None] | None) -> list[float] | None:
    """Spacing as (slice, row, column) in mm; None where a pixel's is unknown.

    Without a distance from slice to slice (a cine, uneven gaps) that of rows stands for it.
    """
    if spacing is None:
        return None
    *before, row, column = spacing
    if row is None or column is None or not (row > 0 and column > 0):
        return None
    step = before[0] if before and before[0] is not None and before[0] > 0 else row
    return [float(step), float(row), float(column)]
