"""One image: its stored values, its grey values, its geometry, its labels and what is marked on it.

Pixels of a published version are uncompressed, and the index knows where they begin: they are read
from there, without parsing the DICOM file around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from numpy.typing import DTypeLike, NDArray

from dicom_catalog.annotations import Box, LabelMap
from dicom_catalog.index import Index
from dicom_catalog.marks import Marks
from dicom_catalog.pictures import png_bytes
from dicom_catalog.values import check_values
from dicom_catalog.volume import PixelFormat, StoredFrame, read_frames
from dicom_catalog.windows import apply_window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dicom_catalog.masks import DerivedObject


class Image:
    """An image of a dataset; arrays are fresh copies, so they may be changed freely.

    One DICOM instance: most have one frame, a cine or an enhanced object has several.
    """

    def __init__(
        self,
        row: dict[str, Any],
        path: Path,
        labels: dict[str, Any],
        target: str | None,
        *,
        index: Index | None = None,
        frames: Sequence[StoredFrame] | None = None,
    ) -> None:
        self._row = row
        self._target = target
        self._index = index
        self._given_frames = frames
        self.path = path
        self.labels = labels

    @property
    def uid(self) -> str:
        """SOP Instance UID (0008,0018)."""
        return str(self._row["instance_uid"])

    @property
    def series_uid(self) -> str:
        """Series Instance UID (0020,000E)."""
        return str(self._row["series_uid"])

    @property
    def patient_id(self) -> str:
        """Pseudonym of the patient (0010,0020)."""
        return str(self._row["patient_id"])

    @property
    def split(self) -> str:
        """`train`, `validation` or `test`; the same for all images of a patient."""
        return str(self._row["split"])

    @property
    def label(self) -> Any:
        """What the card's target column says of this image; None where the card has no target."""
        return self.labels.get(self._target) if self._target else None

    @property
    def modality(self) -> str:
        """Modality (0008,0060)."""
        return str(self._row["modality"])

    @property
    def rows(self) -> int:
        """Height in pixels (0028,0010)."""
        return int(self._row["rows"])

    @property
    def columns(self) -> int:
        """Width in pixels (0028,0011)."""
        return int(self._row["columns"])

    @property
    def frame_count(self) -> int:
        """Number of frames (0028,0008); 1 in most images."""
        return int(self._row.get("number_of_frames") or 1)

    @property
    def frame_seconds(self) -> float | None:
        """Seconds from frame to frame of a cine, else None."""
        return _number(self._row.get("frame_seconds"))

    @property
    def spacing(self) -> tuple[float, float] | None:
        """Millimetres from row to row and from column to column; None where nobody knows."""
        row, column = _number(self._row["row_spacing"]), _number(self._row["column_spacing"])
        return None if row is None or column is None else (row, column)

    @property
    def photometric(self) -> str:
        """Photometric Interpretation (0028,0004): MONOCHROME1 means that low values are white."""
        return str(self._row["photometric"])

    @property
    def window(self) -> tuple[float, float]:
        """Center and width with which the image is shown by default, in rescaled values."""
        return float(self._row["window_center"]), float(self._row["window_width"])

    @property
    def voi_function(self) -> str:
        """How the window is applied: LINEAR, LINEAR_EXACT or SIGMOID (PS3.3 C.11.2.1.2)."""
        return str(self._row["voi_function"])

    @cached_property
    def frames(self) -> Sequence[StoredFrame]:
        """Where each frame lies in the file."""
        if self._given_frames is not None:
            return self._given_frames
        if self._index is not None and self.frame_count > 1:
            return self._index.frames(self.series_uid, self.uid)
        return [_only_frame(self._row, self.path)]

    @property
    def pixels(self) -> NDArray[Any]:
        """Stored values as in the file: (rows, columns), in colour (rows, columns, 3).

        An image of several frames gives (frames, rows, columns[, 3]).
        """
        return self.array()

    def array(self, values: str = "stored", dtype: DTypeLike | None = None) -> NDArray[Any]:
        """The image in `values`: "stored", "rescaled", "hu" (CT) or "suv" (PET).

        Shapes as in `pixels`. Stored values keep their type, others are float32 unless `dtype` is
        given. Raises NoSuchValues where this image has no such values, NotReadable where its file
        is damaged.
        """
        check_values(values, self.modality, self._row.get("rescale_type"))
        found = read_frames(self.frames, values, dtype)
        return found[0] if len(self.frames) == 1 else found

    @property
    def values(self) -> NDArray[np.float32]:
        """Stored values after Rescale Slope and Intercept, float32 (HU in a CT)."""
        return self.array("rescaled")

    def grey(
        self,
        values: NDArray[np.float32],
        center: float | None = None,
        width: float | None = None,
    ) -> NDArray[np.float32]:
        """Any array of this image's rescaled values as grey from 0 (black) to 1 (white)."""
        default_center, default_width = self.window
        return apply_window(
            values,
            default_center if center is None else center,
            default_width if width is None else width,
            function=self.voi_function,
            inverted=self.photometric == "MONOCHROME1",
        )

    def windowed(
        self, center: float | None = None, width: float | None = None
    ) -> NDArray[np.float32]:
        """Grey from 0 (black) to 1 (white), float32, with this or the image's own window.

        MONOCHROME1 is turned round, so that bone is white whatever the file says.
        """
        return self.grey(self.values, center, width)

    @property
    def _marks(self) -> Marks:
        named = [(one.instance_uid, one.frame) for one in self.frames]
        return Marks(self._index, self.series_uid, named)

    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """Where each structure is: bool in the shape (rows, columns) of `pixels`, by name.

        An image of several frames gives (frames, rows, columns); an image without masks, {}.
        """
        found = self._marks.masks()
        single = len(self.frames) == 1
        return {name: mask[0] if single else mask for name, mask in found.items()}

    def label_map(self) -> LabelMap | None:
        """Which structure each pixel belongs to; None where nothing is marked.

        Its `values` are (frames, rows, columns), of one frame too.
        """
        return self._marks.label_map()

    def boxes(self) -> list[Box]:
        """The boxes on this image, in pixel edges."""
        return self._marks.boxes()

    def objects(self) -> list[DerivedObject]:
        """The SEG and SR objects of the version that speak of this image's series."""
        return self._marks.objects()

    def dicom(self) -> pydicom.Dataset:
        """The whole DICOM object, read by pydicom."""
        return pydicom.dcmread(self.path)

    def show(
        self, center: float | None = None, width: float | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw the image with its label on matplotlib axes (new ones unless given)."""
        from dicom_catalog.viewing import draw

        return draw(self, center, width, ax)

    def picture(self) -> NDArray[np.float32]:
        """The image, of several frames the middle one, as grey or colour from 0 to 1."""
        frame = self.frames[len(self.frames) // 2]
        return self.grey(read_frames([frame], "rescaled")[0])

    def _repr_png_(self) -> bytes:
        return png_bytes(self.picture())

    def __repr__(self) -> str:
        spacing = self.spacing
        millimetres = f", {spacing[0]:g} x {spacing[1]:g} mm" if spacing else ""
        label = "" if self.label is None else f" {self.label}"
        frames = f"{self.frame_count} frames of " if self.frame_count > 1 else ""
        return (
            f"<Image{label}: patient {self.patient_id}, {self.split}, "
            f"{frames}{self.rows} x {self.columns}{millimetres}>"
        )


def _only_frame(row: dict[str, Any], path: Path) -> StoredFrame:
    how = PixelFormat(
        rows=int(row["rows"]),
        columns=int(row["columns"]),
        samples=int(row["samples"]),
        bits_allocated=int(row["bits_allocated"]),
        bits_stored=int(row["bits_stored"]),
        signed=bool(row["pixel_representation"]),
        keyword=str(row.get("pixel_keyword") or "PixelData"),
    )
    return StoredFrame(
        path=str(path),
        offset=int(row["pixel_offset"]),
        format=how,
        instance_uid=str(row["instance_uid"]),
        slope=float(row["slope"]),
        intercept=float(row["intercept"]),
        suv_factor=_number(row.get("suv_factor")),
    )


def _number(value: Any) -> float | None:
    return None if value is None or np.isnan(value) else float(value)
