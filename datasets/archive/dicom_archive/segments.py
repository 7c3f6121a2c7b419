"""A segmentation's rows of the index: its segments, and where the mask of each image frame lies.

PS3.3 C.8.20 lays it out: binary frames are one bit a pixel and one segment a frame, fractional ones
a byte a pixel, and a label map (LABELMAP, supplement 243) one number a pixel for all segments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from dicom_archive.errors import BadImage
from dicom_catalog.elements import as_json
from dicom_catalog.geometry import Frame
from dicom_catalog.header import describe

ONE_KIND = "OBJECTS"  # in Content Label (0070,0080): each value of the map is one object
NEAR_MM = 0.01

Row = dict[str, Any]


def segments_of(dataset: Dataset) -> list[Row]:
    """The rows of `segments` of a SEG; one row for all objects of one kind."""
    objects = dataset.get("ContentLabel") == ONE_KIND
    found: dict[str | int, Row] = {}
    for item in dataset.SegmentSequence:
        number = int(item.SegmentNumber)
        if number == 0:
            continue  # PS3.3 C.8.20.2: number 0 of a label map is the background
        row = _segment_row(dataset, item, objects)
        found.setdefault(row["name"] if objects else number, row)
    return list(found.values())


def _segment_row(dataset: Dataset, item: Dataset, objects: bool) -> Row:
    code = item.SegmentedPropertyTypeCodeSequence[0]
    value = code.get("CodeValue") or code.get("LongCodeValue") or code.get("URNCodeValue")
    scheme, meaning = code.get("CodingSchemeDesignator", ""), code.get("CodeMeaning", "")
    return {
        "object_uid": str(dataset.SOPInstanceUID),
        "number": int(item.SegmentNumber),
        "name": str(item.get("SegmentLabel") or meaning),
        "code": as_json([str(value), str(scheme), str(meaning)]),
        "kind": str(dataset.SegmentationType).lower(),
        "objects": int(objects),
    }


def pixel_place(dataset: Dataset, data: bytes) -> int:
    """The byte at which the masks begin; BadImage where they are compressed or cut short."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated or syntax.is_deflated or not syntax.is_little_endian:
        raise BadImage(f"its masks are stored as {syntax.name}; only plain ones are taken")
    element = dataset.get_item("PixelData")
    if element is None:
        raise BadImage("it has no masks")
    offset = element.value_tell if isinstance(element, RawDataElement) else element.file_tell
    bits = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated)
    needed = -(-bits * int(dataset.get("NumberOfFrames", 1)) // 8)
    if offset is None or len(data) < offset + needed:
        raise BadImage("its masks are cut short")
    return int(offset)


def masks_of(dataset: Dataset, offset: int, images: Mapping[str, Dataset]) -> list[Row]:
    """The rows of `masks` of a SEG whose pixels begin at byte `offset` of the file.

    BadImage where a frame lies on none of `images`, or is of another size than its image.
    """
    places = describe(dataset, offset, 0).places
    bits = int(dataset.BitsAllocated)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    wanted = _Wanted(dataset, images)
    found = []
    for at, place in enumerate(places):
        instance_uid, frame = wanted.image_of(at, place)
        header = images[instance_uid]
        if (int(header.Rows), int(header.Columns)) != (rows, columns):
            raise BadImage(
                f"its masks have {rows} x {columns} pixels, the image {instance_uid} has "
                f"{header.Rows} x {header.Columns}"
            )
        found.append(
            {
                "object_uid": str(dataset.SOPInstanceUID),
                "number": _segment(dataset, at),
                "series_uid": str(header.SeriesInstanceUID),
                "instance_uid": instance_uid,
                "frame": frame,
                "bit_offset": offset * 8 + at * rows * columns * bits,
                "bits": bits,
                "rows": rows,
                "columns": columns,
            }
        )
    return found


def _segment(dataset: Dataset, at: int) -> int:
    if dataset.SegmentationType == "LABELMAP":
        return 0
    for group in _groups(dataset, at):
        items = group.get("SegmentIdentificationSequence")
        if items:
            return int(items[0].ReferencedSegmentNumber)
    raise BadImage(f"its frame {at + 1} names no segment")


def _groups(dataset: Dataset, at: int) -> list[Dataset]:
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    return [*own[at : at + 1], *shared[:1]]


class _Wanted:
    """Which image frame each frame of a SEG lies on."""

    def __init__(self, dataset: Dataset, images: Mapping[str, Dataset]) -> None:
        self._dataset = dataset
        self._images = images
        self._known: dict[str, list[Frame]] = {}

    def image_of(self, at: int, place: Frame) -> tuple[str, int]:
        """UID and frame from 0; BadImage where there is no such image."""
        named = self._named(at)
        if named:
            instance_uid, frames = named
            if len(frames) == 1:
                return instance_uid, frames[0]
            return instance_uid, self._at_position(place, [instance_uid], frames)[1]
        if place.position is None:
            raise BadImage(f"its frame {at + 1} names no image that is here, and has no position")
        return self._at_position(place, self._candidates(), None)

    def _candidates(self) -> list[str]:
        """Images that a frame without a source may lie on: of its patient, in its frame of
        reference, and of the series that the SEG refers to (PS3.3 C.12.4), where it says so.

        BadImage where images of several series remain: a position alone does not tell T1 from T2.
        """
        asked = self._dataset
        referred = {
            str(item.SeriesInstanceUID) for item in asked.get("ReferencedSeriesSequence", [])
        }
        found = [
            uid
            for uid, image in self._images.items()
            if image.get("PatientID") == asked.get("PatientID")
            and _same_or_unsaid(image, asked, "FrameOfReferenceUID")
            and (not referred or image.get("SeriesInstanceUID") in referred)
        ]
        series = {str(self._images[uid].get("SeriesInstanceUID")) for uid in found}
        if len(series) > 1:
            raise BadImage(
                f"it names no source image, and {len(series)} series of this patient are here: "
                "nobody can say which of them it marks"
            )
        return found

    def _named(self, at: int) -> tuple[str, list[int]] | None:
        for group in _groups(self._dataset, at):
            for item in group.get("DerivationImageSequence") or []:
                sources = item.get("SourceImageSequence") or []
                here = [s for s in sources if s.ReferencedSOPInstanceUID in self._images]
                if len(here) == 1:
                    return self._frames_of(here[0])
        if len(self._images) == 1 and not self._positions_given(at):
            (only,) = self._images
            count = int(self._images[only].get("NumberOfFrames", 1) or 1)
            return (only, [0]) if count == 1 else None
        return None

    def _frames_of(self, source: Dataset) -> tuple[str, list[int]]:
        uid = str(source.ReferencedSOPInstanceUID)
        numbers = source.get("ReferencedFrameNumber")
        if numbers is None:
            return uid, list(range(int(self._images[uid].get("NumberOfFrames", 1) or 1)))
        several = [numbers] if isinstance(numbers, int) else list(numbers)
        return uid, [int(number) - 1 for number in several]

    def _positions_given(self, at: int) -> bool:
        return any("PlanePositionSequence" in group for group in _groups(self._dataset, at))

    def _at_position(
        self, place: Frame, uids: list[str], frames: list[int] | None
    ) -> tuple[str, int]:
        for uid in uids:
            for one in self._places(uid):
                if frames is not None and one.frame not in frames:
                    continue
                if one.position is not None and place.position is not None:
                    away = np.abs(np.subtract(one.position, place.position)).max()
                    if away <= NEAR_MM:
                        return uid, one.frame
        raise BadImage(f"no image that is here lies at {place.position}, where a mask is")

    def _places(self, uid: str) -> list[Frame]:
        if uid not in self._known:
            self._known[uid] = describe(self._images[uid], 0, 0).places
        return self._known[uid]


def _same_or_unsaid(one: Dataset, other: Dataset, keyword: str) -> bool:
    values = one.get(keyword), other.get(keyword)
    return not all(values) or values[0] == values[1]
