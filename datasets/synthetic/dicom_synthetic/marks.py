"""From exact masks to what the archive publishes: boxes of pixels, segments with their codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicom_catalog.annotations import Box, LabelMap, Segment

LESION = ("52988006", "SCT", "Lesion")
ABNORMAL = ("49755003", "SCT", "Morphologically Abnormal Structure")


def bounds(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a mask (rows, columns) in pixel edges; ValueError where empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise ValueError("A box cannot be drawn around an empty mask.")
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def mask_box(instance_uid: str, name: str, mask: NDArray[np.bool_], **more: Any) -> Box:
    """The box around a mask (rows, columns) of one image; `more` is what else is known of it."""
    left, top, right, bottom = bounds(mask)
    frame, item = more.pop("frame", 0), more.pop("object", "")
    return Box(instance_uid, name, left, top, right, bottom, frame=frame, object=item, more=more)


def mask_map(instance_uid: str, mask: NDArray[np.bool_], segment: Segment) -> LabelMap:
    """A label map of one structure on one image with one frame."""
    values = (mask * segment.number).astype(np.uint8)[None]
    return LabelMap(((instance_uid, 0),), values, (segment,))
