"""What a SEG or SR file says, as rows of the index: ours and others'.

A SEG (PS3.3 A.51) becomes its segments and, for each frame, the place of its bits in the file and
the image frame that it lies on: the one it names as its source (C.7.6.16.2.6), or, where it names
none, the one at its position. An SR (A.35) of template 1500 becomes the boxes around its regions.
What cannot be said in rows is refused with the reason.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from dicom_archive.errors import BadImage
from dicom_archive.instance import check_identity, refused_as_bad_image
from dicom_archive.regions import boxes_of
from dicom_archive.segments import masks_of, pixel_place, segments_of

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
# Basic text, enhanced, comprehensive, comprehensive 3D and extensible SR.
REPORTS = tuple(f"1.2.840.10008.5.1.4.1.1.88.{n}" for n in (11, 22, 33, 34, 35))

Row = dict[str, Any]


@dataclass
class Derived:
    """A SEG or SR ready to be written: `row` is its row of `objects` but path and sha256."""

    data: bytes
    row: Row
    segments: list[Row] = field(default_factory=list)
    masks: list[Row] = field(default_factory=list)
    boxes: list[Row] = field(default_factory=list)

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return str(self.row["instance_uid"])

    @property
    def patient(self) -> str:
        """Patient ID."""
        return str(self.row["patient_id"])


def is_derived(sop_class_uid: str) -> bool:
    """Whether objects of this SOP class speak of images instead of being one."""
    return sop_class_uid in SEGMENTATIONS or sop_class_uid in REPORTS


def derived_from_bytes(data: bytes, images: Mapping[str, Dataset]) -> Derived:
    """The SEG or SR in a DICOM file, about `images` (headers without pixels by UID).

    BadImage where it is broken, speaks of other images, or keeps its frames compressed.
    """
    with refused_as_bad_image():
        dataset = pydicom.dcmread(io.BytesIO(data))
        return flattened(dataset, data, images)


def flattened(
    dataset: Dataset, data: bytes, images: Mapping[str, Dataset], place: int | None = None
) -> Derived:
    """As `derived_from_bytes`, of an object that is parsed or was just made.

    `place` is the byte at which the masks of a SEG begin, where that is known.
    """
    check_identity(dataset)
    kind = str(dataset.SOPClassUID)
    if kind in SEGMENTATIONS:
        offset = pixel_place(dataset, data) if place is None else place
        masks = masks_of(dataset, offset, images)
        series = _one_series(sorted({str(row["series_uid"]) for row in masks}))
        return Derived(data, object_row(dataset, series), segments_of(dataset), masks)
    if kind in REPORTS:
        boxes, series = boxes_of(dataset, images)
        return Derived(data, object_row(dataset, series), boxes=boxes)
    raise BadImage(f"it is neither a segmentation nor a report, but {dataset.SOPClassUID.name}")


def _one_series(series: list[str]) -> str | None:
    return series[0] if len(series) == 1 else None


def object_row(dataset: Dataset, series_uid: str | None) -> Row:
    """Its row of `objects` but path and sha256; `series_uid` is the one series it speaks of."""
    return {
        "instance_uid": str(dataset.SOPInstanceUID),
        "patient_id": str(dataset.PatientID),
        "study_uid": str(dataset.StudyInstanceUID),
        "series_uid": str(dataset.SeriesInstanceUID),
        "sop_class_uid": str(dataset.SOPClassUID),
        "modality": str(dataset.get("Modality") or "OT"),
        "references_series_uid": series_uid,
    }
