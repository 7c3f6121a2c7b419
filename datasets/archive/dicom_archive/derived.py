"""Label maps, boxes and labels of images as DICOM objects: SEG and SR beside the images.

A label map becomes a segmentation, what is known of a series (its boxes, its labels) one report of
template TID 1500. Equal input gives equal bytes: UIDs follow from the content, the date is that of
the study. Each object comes with its rows of the index, exact as given: a report keeps places as
32-bit floats, the index as 64-bit ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydicom.dataset import Dataset

from dicom_archive.errors import BadImage
from dicom_archive.flatten import Derived, derived_from_bytes, flattened, is_derived, object_row
from dicom_archive.plain import written
from dicom_archive.reporting import make_report
from dicom_archive.segmenting import make_segmentations
from dicom_catalog.annotations import Box, LabelMap
from dicom_catalog.elements import as_json

__all__ = ["Derived", "derived_from_bytes", "is_derived", "write"]

Labels = Mapping[str, Any]

# What highdicom copies from an image, and what it is where an image does not say: type 2 of the
# patient and study modules (PS3.3 C.7.1.1, C.7.2.1) may be empty.
_TYPE_2 = (
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "ReferringPhysicianName",
)


def write(
    label_maps: Sequence[LabelMap],
    boxes: Sequence[Box],
    images: Mapping[str, Dataset],
    labels_of: Mapping[str, Labels],
) -> list[Derived]:
    """SEG and SR objects of what is known of `images` (headers by SOP Instance UID).

    `images` may be of several series, but are one patient's of one study at a time, as
    generators and imports hand them over; headers need no pixels. `labels_of` gives labels by the
    image's UID. A pure function: nothing is written, equal input gives equal bytes.

    Raises BadImage where a mark names an image that is not in `images`, or does not fit it.
    """
    headers = {uid: _complete(header) for uid, header in images.items()}
    _require({uid for one in label_maps for uid, _ in one.frames}, headers)
    _require({box.instance_uid for box in boxes}, headers)
    made = []
    for number, label_map in enumerate(label_maps, start=1):
        for dataset in make_segmentations(label_map, headers, number):
            made.append(_derived(dataset, images))
    series: dict[str, list[str]] = {}
    for uid, header in headers.items():
        series.setdefault(str(header.SeriesInstanceUID), []).append(uid)
    for uids in series.values():
        mine = [box for box in boxes if box.instance_uid in uids]
        labels = {uid: labels_of[uid] for uid in uids if labels_of.get(uid)}
        if mine or labels:
            made.append(_report(mine, {uid: headers[uid] for uid in uids}, labels))
    return made


def _require(uids: set[str], headers: Mapping[str, Dataset]) -> None:
    missing = sorted(uids - set(headers))
    if missing:
        raise BadImage(f"what is marked names the image {missing[0]}, which is not here")


def _complete(header: Dataset) -> Dataset:
    copy = Dataset()
    # Element by element: each is decoded by the header's own character set, not the copy's.
    for element in header:
        copy[element.tag] = element
    copy.file_meta = header.file_meta
    for keyword in _TYPE_2:
        if keyword not in copy:
            setattr(copy, keyword, "")
    return copy


def _file(dataset: Dataset) -> bytes:
    # Names of structures and labels may be in any language, whatever the image is written in.
    dataset.SpecificCharacterSet = "ISO_IR 192"
    return written(dataset)


def _derived(dataset: Dataset, images: Mapping[str, Dataset]) -> Derived:
    data = _file(dataset)
    # The masks are the last element: their place follows from the file's length.
    place = len(data) - len(dataset.PixelData)
    return flattened(dataset, data, images, place)


def _report(
    boxes: Sequence[Box], headers: Mapping[str, Dataset], labels: Mapping[str, Labels]
) -> Derived:
    dataset = make_report(boxes, headers, labels)
    (series_uid,) = {str(header.SeriesInstanceUID) for header in headers.values()}
    rows = [_box_row(box, headers, str(dataset.SOPInstanceUID)) for box in boxes]
    return Derived(_file(dataset), object_row(dataset, series_uid), boxes=rows)


def _box_row(box: Box, headers: Mapping[str, Dataset], object_uid: str) -> dict[str, Any]:
    return {
        "series_uid": str(headers[box.instance_uid].SeriesInstanceUID),
        "instance_uid": box.instance_uid,
        "frame": box.frame,
        "name": box.name,
        "left": float(box.left),
        "top": float(box.top),
        "right": float(box.right),
        "bottom": float(box.bottom),
        "first": box.first,
        "last": box.last,
        "object": box.object,
        "more": as_json(dict(box.more)),
        "object_uid": object_uid,
    }
