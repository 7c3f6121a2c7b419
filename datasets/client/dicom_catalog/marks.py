"""What is marked on the frames of an image or a series, asked of the index when it is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dicom_catalog.annotations import Box, LabelMap
from dicom_catalog.masks import (
    DerivedObject,
    read_boxes,
    read_label_map,
    read_masks,
    read_objects,
)

if TYPE_CHECKING:
    from dicom_catalog.index import Index


@dataclass(frozen=True)
class Marks:
    """Masks and boxes of `frames` of one series, aligned to them; none without an index."""

    index: Index | None
    series_uid: str
    frames: Sequence[tuple[str, int]]

    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """Where each structure is: bool (frames, rows, columns), by name."""
        if self.index is None:
            return {}
        with self.index.connection() as connection:
            return read_masks(self.index.folder, connection, self.series_uid, self.frames)

    def label_map(self) -> LabelMap | None:
        """Which structure each pixel belongs to; None where nothing is marked."""
        if self.index is None:
            return None
        with self.index.connection() as connection:
            return read_label_map(self.index.folder, connection, self.series_uid, self.frames)

    def boxes(self) -> list[Box]:
        """The boxes on these frames."""
        if self.index is None:
            return []
        with self.index.connection() as connection:
            return read_boxes(connection, self.series_uid, self.frames)

    def objects(self) -> list[DerivedObject]:
        """The SEG and SR objects that speak of the series."""
        if self.index is None:
            return []
        with self.index.connection() as connection:
            return read_objects(self.index.folder, connection, self.series_uid)
