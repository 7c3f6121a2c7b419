"""One image: its stored values, its grey values, its geometry and its labels.

Pixels of a published version are uncompressed, and the index knows where they begin: they are read
from there, without parsing the DICOM file around them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from dicom_catalog.errors import NotReadable
from dicom_catalog.pictures import png_bytes
from dicom_catalog.windows import apply_window

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Image:
    """An image of a dataset; arrays are fresh copies, so they may be changed freely."""

    def __init__(
        self, row: dict[str, Any], path: Path, labels: dict[str, Any], target: str
    ) -> None:
        self._row = row
        self._target = target
        self.path = path
        self.labels = labels

    @property
    def uid(self) -> str:
        """SOP Instance UID (0008,0018)."""
        return str(self._row["instance_uid"])

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
        """What the card's target column says of this image."""
        return self.labels[self._target]

    @property
    def rows(self) -> int:
        """Height in pixels (0028,0010)."""
        return int(self._row["rows"])

    @property
    def columns(self) -> int:
        """Width in pixels (0028,0011)."""
        return int(self._row["columns"])

    @property
    def spacing(self) -> tuple[float, float] | None:
        """Millimetres from row to row and from column to column; None where nobody knows."""
        row, column = self._row["row_spacing"], self._row["column_spacing"]
        if row is None or column is None or np.isnan(row) or np.isnan(column):
            return None
        return float(row), float(column)

    @property
    def photometric(self) -> str:
        """Photometric Interpretation (0028,0004): MONOCHROME1 means that low values are white."""
        return str(self._row["photometric"])

    @property
    def window(self) -> tuple[float, float]:
        """Center and width with which the image is shown by default, in rescaled values."""
        return float(self._row["window_center"]), float(self._row["window_width"])

    @property
    def pixels(self) -> NDArray[Any]:
        """Stored values, (rows, columns) or (rows, columns, 3) for colour, as in the file."""
        row = self._row
        kind = "i" if row["pixel_representation"] else "u"
        dtype = np.dtype(f"<{kind}{int(row['bits_allocated']) // 8}")
        offset, length = int(row["pixel_offset"]), int(row["pixel_length"])
        try:
            with open(self.path, "rb", buffering=0) as file:
                data = os.pread(file.fileno(), length, offset)
        except OSError as error:
            raise NotReadable(f"{self.path} cannot be read: {error}.", given=self.uid) from error
        if len(data) != length:
            raise NotReadable(
                f"{self.path} ends after {len(data)} of {length} bytes of pixels. Ask your "
                "administrator to run 'radlab dataset verify' on this dataset.",
                given=self.uid,
            )
        samples = int(row["samples"])
        shape = (self.rows, self.columns) if samples == 1 else (self.rows, self.columns, samples)
        count = int(np.prod(shape))
        return np.frombuffer(data, dtype, count).reshape(shape).copy()

    @property
    def values(self) -> NDArray[np.float32]:
        """Stored values after Rescale Slope and Intercept, float32 (HU in a CT)."""
        values = self.pixels.astype(np.float32)
        slope, intercept = float(self._row["slope"]), float(self._row["intercept"])
        if slope != 1:
            values *= np.float32(slope)
        if intercept != 0:
            values += np.float32(intercept)
        return values

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
            function=str(self._row["voi_function"]),
            inverted=self.photometric == "MONOCHROME1",
        )

    def windowed(
        self, center: float | None = None, width: float | None = None
    ) -> NDArray[np.float32]:
        """Grey from 0 (black) to 1 (white), float32, with this or the image's own window.

        MONOCHROME1 is turned round, so that bone is white whatever the file says.
        """
        return self.grey(self.values, center, width)

    def dicom(self) -> pydicom.Dataset:
        """The whole DICOM object, read by pydicom."""
        return pydicom.dcmread(self.path)

    def show(
        self, center: float | None = None, width: float | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw the image with its label on matplotlib axes (new ones unless given)."""
        from dicom_catalog.viewing import draw

        return draw(self, center, width, ax)

    def _repr_png_(self) -> bytes:
        return png_bytes(self.windowed())

    def __repr__(self) -> str:
        spacing = self.spacing
        millimetres = f", {spacing[0]:g} x {spacing[1]:g} mm" if spacing else ""
        return (
            f"<Image {self.label}: patient {self.patient_id}, {self.split}, "
            f"{self.rows} x {self.columns}{millimetres}>"
        )
