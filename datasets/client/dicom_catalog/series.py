"""One series: its frames sorted into one array, the affine that places them, what is marked.

A CT, a cine, an enhanced object and a single photograph are read by the same calls. Where frames
lie on an even grid in the patient the series is a volume and has an affine; where not it says why,
and `even()` resamples what can be: gaps and tilted gantries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dicom_catalog import itk, upright
from dicom_catalog.annotations import Box, LabelMap
from dicom_catalog.errors import NoSuchImage, NotAVolume
from dicom_catalog.image import Image
from dicom_catalog.index import Index, Row, numbers
from dicom_catalog.marks import Marks
from dicom_catalog.pictures import png_bytes
from dicom_catalog.upright import System, Volume, in_system
from dicom_catalog.values import check_values
from dicom_catalog.volume import StoredFrame, read_frames

if TYPE_CHECKING:
    import SimpleITK

    from dicom_catalog.masks import DerivedObject

Kind = Literal["volume", "stack", "images"]


class Series:
    """A series of a dataset or of a folder; arrays are fresh copies, [slice, row, column]."""

    def __init__(
        self,
        row: Row,
        images: Callable[[], Sequence[Image]],
        *,
        index: Index | None = None,
        frames: Sequence[StoredFrame] | None = None,
    ) -> None:
        self._row = row
        self._make_images = images
        self._index = index
        self._given_frames = frames

    @cached_property
    def _images(self) -> Sequence[Image]:
        return self._make_images()

    @property
    def uid(self) -> str:
        """Series Instance UID (0020,000E)."""
        return str(self._row["series_uid"])

    @property
    def patient_id(self) -> str:
        """Pseudonym of the patient (0010,0020)."""
        return str(self._row["patient_id"])

    @property
    def study_uid(self) -> str:
        """Study Instance UID (0020,000D)."""
        return str(self._row["study_uid"])

    @property
    def modality(self) -> str:
        """Modality (0008,0060)."""
        return str(self._row["modality"])

    @property
    def description(self) -> str:
        """Series Description (0008,103E), empty where there is none."""
        return str(self._row.get("series_description") or "")

    @property
    def number(self) -> int:
        """Series Number (0020,0011), 0 where there is none."""
        return int(self._row.get("series_number") or 0)

    @property
    def frame_of_reference_uid(self) -> str:
        """Frame of Reference UID (0020,0052): series that share it share their millimetres."""
        return str(self._row.get("frame_of_reference_uid") or "")

    @property
    def split(self) -> str:
        """`train`, `validation` or `test`; empty outside a published version."""
        return self._images[0].split

    @property
    def label(self) -> Any:
        """What the card's target column says, where it says the same of all images, else None."""
        return _same([image.label for image in self._images])

    @property
    def labels(self) -> dict[str, Any]:
        """The labels that are the same for all images of the series."""
        names = self._images[0].labels
        shared = {name: [image.labels[name] for image in self._images] for name in names}
        return {name: _same(found) for name, found in shared.items() if _are_same(found)}

    @property
    def kind(self) -> Kind:
        """ "volume" (an affine holds), "stack" (one size, no even grid) or "images"."""
        kind: Kind = self._row["kind"]
        return kind

    @property
    def reason(self) -> str:
        """Why there is no affine; empty for a volume."""
        return str(self._row.get("reason") or "")

    @property
    def tilt(self) -> float:
        """Degrees between the slices' normal and the line of their positions (gantry tilt)."""
        return float(self._row.get("tilt") or 0.0)

    @property
    def gaps(self) -> tuple[float, ...] | None:
        """Distances from slice to slice in mm where they are uneven, else None."""
        return numbers(self._row.get("gaps"))

    @cached_property
    def frames(self) -> Sequence[StoredFrame]:
        """Where each slice lies in which file, in the order of `array()`."""
        if self._given_frames is not None:
            return self._given_frames
        assert self._index is not None
        return self._index.frames(self.uid)

    @cached_property
    def images(self) -> list[Image]:
        """The images in the order of their slices; an enhanced or cine object is one image."""
        known = {image.uid: image for image in self._images}
        return [known[uid] for uid in dict.fromkeys(one.instance_uid for one in self.frames)]

    @property
    def shape(self) -> tuple[int, ...]:
        """(slices, rows, columns), in colour (slices, rows, columns, 3), of `array()`."""
        return (len(self.frames), *self.frames[0].format.shape)

    @property
    def spacing(self) -> tuple[float | None, float, float] | None:
        """Millimetres from slice to slice, row to row, column to column; None where unknown."""
        plane = self.images[0].spacing
        return None if plane is None else (self._row.get("slice_spacing"), *plane)

    @property
    def window(self) -> tuple[float, float]:
        """Center and width of the middle image, in rescaled values."""
        return self._middle.window

    @property
    def voi_function(self) -> str:
        """How the window is applied: LINEAR, LINEAR_EXACT or SIGMOID (PS3.3 C.11.2.1.2)."""
        return self._middle.voi_function

    @property
    def photometric(self) -> str:
        """Photometric Interpretation (0028,0004) of the middle image."""
        return self._middle.photometric

    @property
    def _middle(self) -> Image:
        return self.images[len(self.images) // 2]

    def rescale(self, place: int) -> tuple[float, float]:
        """Rescale Slope and Intercept of slice `place`."""
        return self._frame(place).scale("rescaled")

    def array(
        self,
        values: str = "stored",
        dtype: DTypeLike | None = None,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """All slices, (slices, rows, columns[, 3]), sorted along their normal as `affine()` says.

        `values`: "stored", "rescaled", "hu" (CT) or "suv" (PET). Stored values keep their type,
        others are float32, unless `dtype` is given; `out` takes them without new memory. Raises
        NoSuchValues, NotReadable for a damaged file, NotAVolume where images differ in size.
        """
        self._check(values)
        return read_frames(self.frames, values, dtype, out)

    def slice(
        self, place: int, values: str = "stored", dtype: DTypeLike | None = None
    ) -> NDArray[Any]:
        """Slice `place` of `array()` alone: (rows, columns[, 3])."""
        self._check(values)
        one: NDArray[Any] = read_frames([self._frame(place)], values, dtype)[0]
        return one

    def _check(self, values: str) -> None:
        # Only what is no CT is asked for its Rescale Type: a CT's array needs no image.
        other = values == "hu" and self.modality != "CT"
        kind = self._images[0]._row.get("rescale_type") if other else None
        check_values(values, self.modality, kind)

    def _frame(self, place: int) -> StoredFrame:
        count = len(self.frames)
        if not -count <= place < count:
            raise NoSuchImage(
                f"This series has no slice {place}: it has {count}, numbered from 0 to "
                f"{count - 1}.",
                given=place,
            )
        return self.frames[place]

    def affine(self, system: System = "LPS") -> NDArray[np.float64]:
        """The (4, 4) matrix that takes (column, row, slice, 1) to mm.

        In "LPS" (DICOM, ITK: to the patient's left, back, head) or "RAS" (nibabel, FreeSurfer).
        The array runs [slice, row, column], the matrix the other way round, as in ITK. Raises
        NotAVolume with the reason where no matrix describes the slices.
        """
        self._check_volume()
        given = self._row["affine"]
        matrix = np.array(json.loads(given) if isinstance(given, str) else given, np.float64)
        return in_system(matrix.reshape(4, 4), system)

    def _check_volume(self) -> None:
        if self.kind == "volume":
            return
        more = ""
        if self.gaps:
            more = f" The distances are, in mm: {_short(self.gaps)}."
        if self.gaps or self.tilt:
            more += " Use .even(), which resamples it to an even, upright volume."
        raise NotAVolume(
            f"Series {self.uid} has no affine: {self.reason or 'it is no volume'}.{more} "
            ".array() gives its slices without one.",
            given=self.uid,
        )

    def even(self, spacing: float | None = None, values: str = "rescaled") -> Volume:
        """The series resampled to slices `spacing` mm apart (default: the median), upright.

        Linear between slices where their distances differ; slices of a tilted gantry are shifted
        into an upright volume, wide enough for all of them, the rest filled with the lowest value.
        float32 (float64 for float64 pixels). Raises NotAVolume for what has no order in space.
        """
        self._check(values)
        return upright.even(self.frames, self._plane(), self.uid, self.reason, spacing, values)

    def _plane(self) -> tuple[float, float] | None:
        return self.images[0].spacing

    def to_sitk(self, values: str = "rescaled") -> SimpleITK.Image:
        """The series as SimpleITK's own reader gives it: pixels, type, origin, direction.

        That turns MONOCHROME1 round, so that bone is white; `values="stored"` leaves all as it is.
        Raises NotAVolume for a tilted gantry or gaps, which SimpleITK would read as if they were
        not there: `.even().to_sitk()` resamples them. NotInstalled without SimpleITK.
        """
        self._check(values)
        flat = self.kind != "volume" and len(self.frames) == 1
        matrix = upright.flat(self._plane()) if flat else self.affine()
        if values != "rescaled":
            return itk.image_of(self.array(values), matrix)
        inverted = self.photometric == "MONOCHROME1"
        return itk.image_of(itk.rescaled(self.frames, inverted), matrix)

    @property
    def _marks(self) -> Marks:
        named = [(one.instance_uid, one.frame) for one in self.frames]
        return Marks(self._index, self.uid, named)

    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """Where each structure is: bool (slices, rows, columns) on `array()`, by name."""
        return self._marks.masks()

    def label_map(self) -> LabelMap | None:
        """Which structure each pixel of `array()` belongs to; None where nothing is marked.

        Raises OverlappingMasks where a pixel belongs to two: use `masks()`.
        """
        return self._marks.label_map()

    def boxes(self) -> list[Box]:
        """The boxes on the slices, in pixel edges; `first` and `last` are places in `array()`."""
        return self._marks.boxes()

    def objects(self) -> list[DerivedObject]:
        """The SEG and SR objects that speak of this series."""
        return self._marks.objects()

    def __len__(self) -> int:
        return len(self.frames)

    def _repr_png_(self) -> bytes:
        middle = self.frames[len(self.frames) // 2]
        return png_bytes(self._middle.grey(read_frames([middle], "rescaled")[0]))

    def __repr__(self) -> str:
        label = "" if self.label is None else f" {self.label}"
        size = " x ".join(map(str, self.shape))
        described = f", {self.description}" if self.description else ""
        reason = f" ({self.reason})" if self.reason and self.kind == "stack" else ""
        return (
            f"<Series{label}: {self.modality}{described}, patient {self.patient_id}, "
            f"{self.split or 'no split'}, {size}, {self.kind}{reason}>"
        )


def _are_same(found: Sequence[Any]) -> bool:
    first = found[0]
    return all(one == first or (one != one and first != first) for one in found)


def _same(found: Sequence[Any]) -> Any:
    return found[0] if _are_same(found) else None


def _short(numbers: Sequence[float]) -> str:
    shown = ", ".join(f"{number:g}" for number in numbers[:8])
    return shown + (f", ... ({len(numbers)} in all)" if len(numbers) > 8 else "")
