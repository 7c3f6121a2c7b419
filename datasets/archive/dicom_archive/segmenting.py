"""A label map as a segmentation object, written by highdicom.

Few structures become a binary SEG (PS3.3 A.51), which every viewer reads; many, or a map whose
values are single objects such as nuclei, a label map SEG (A.51 as extended by supplement 243).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import highdicom as hd
import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from dicom_archive.cine_masks import add_cine_frames, as_single_image, name_source
from dicom_archive.errors import BadImage
from dicom_archive.segments import ONE_KIND
from dicom_catalog.annotations import LabelMap, Segment
from dicom_synthetic.uids import derived_uid

MOST_BINARY = 16
SERIES_NUMBER = 900
MAKER, MODEL, VERSION = "RadLab", "dicom_archive", "1"
FIXED_DATE, FIXED_TIME = "20000101", "000000"


def make_segmentations(
    label_map: LabelMap, headers: Mapping[str, Dataset], number: int
) -> list[Dataset]:
    """The SEG of a label map of one series; one an image where these have many frames or no place.

    `number` is the first Instance Number. Raises BadImage where the map and its images differ in
    size or are of several series.
    """
    uids = list(dict.fromkeys(uid for uid, _ in label_map.frames))
    _check(label_map, [headers[uid] for uid in uids])
    somewhere = all("FrameOfReferenceUID" in headers[uid] for uid in uids)
    if not somewhere:
        return [_of_nowhere(label_map, headers[uid], number + at) for at, uid in enumerate(uids)]
    if all(_frames(headers[uid]) == 1 for uid in uids):
        values = np.stack([label_map.values[k] for k in _first_of_each(label_map, uids)])
        return [_segmentation(label_map, [headers[uid] for uid in uids], values, number)]
    return [
        _segmentation(label_map, [headers[uid]], _of_instance(label_map, headers[uid]), number + at)
        for at, uid in enumerate(uids)
    ]


def is_synthetic(header: Dataset) -> bool:
    """Whether the image says of itself that it is computed."""
    said = (header.get("PatientName"), header.get("SeriesDescription"), header.get("ImageComments"))
    return any("SYNTHETIC" in str(one or "") for one in said)


def fix_time(dataset: Dataset, image: Dataset) -> None:
    """Set every date that was taken from the clock to the study's, so that equal is equal."""
    date = str(image.get("StudyDate") or FIXED_DATE)
    time = str(image.get("StudyTime") or FIXED_TIME)
    for keyword in ("ContentDate", "SeriesDate", "InstanceCreationDate"):
        if keyword in dataset:
            setattr(dataset, keyword, date)
    for keyword in ("ContentTime", "SeriesTime", "InstanceCreationTime"):
        if keyword in dataset:
            setattr(dataset, keyword, time)
    for item in dataset.get("ContributingEquipmentSequence") or []:
        item.ContributionDateTime = date + time.split(".")[0]


def _check(label_map: LabelMap, headers: Sequence[Dataset]) -> None:
    if len({str(header.SeriesInstanceUID) for header in headers}) > 1:
        raise BadImage("a label map names images of several series; give each series its own")
    for header in headers:
        size = int(header.Rows), int(header.Columns)
        if size != label_map.values.shape[1:]:
            rows, columns = label_map.values.shape[1:]
            raise BadImage(
                f"its masks have {rows} x {columns} pixels, the image {header.SOPInstanceUID} has "
                f"{size[0]} x {size[1]}"
            )


def _frames(header: Dataset) -> int:
    return int(header.get("NumberOfFrames", 1) or 1)


def _first_of_each(label_map: LabelMap, uids: Sequence[str]) -> list[int]:
    named = [uid for uid, _ in label_map.frames]
    return [named.index(uid) for uid in uids]


def _of_nowhere(label_map: LabelMap, header: Dataset, number: int) -> Dataset:
    """The SEG of one image or cine without a frame of reference.

    Of such, highdicom takes single images only, and not of every SOP class: it writes the SEG of
    the first marked frame, which then gets the others and the true class of its source.
    """
    values = _of_instance(label_map, header)
    marked = [k for k in range(len(values)) if values[k].any()] or [0]
    uid = _uid(label_map, [header], values)
    first = values[marked[0]][None]
    made = _segmentation(label_map, [as_single_image(header)], first, number, uid)
    name_source(made, header)
    if len(values) > 1:
        add_cine_frames(made, marked, _numbered(label_map, values)[1])
    return made


def _of_instance(label_map: LabelMap, header: Dataset) -> NDArray[Any]:
    """The values of all frames of one instance, (frames, rows, columns)."""
    uid = str(header.SOPInstanceUID)
    shape = (_frames(header), *label_map.values.shape[1:])
    values = np.zeros(shape, label_map.values.dtype)
    for (named, frame), mask in zip(label_map.frames, label_map.values, strict=True):
        if named == uid:
            if not 0 <= frame < len(values):
                raise BadImage(f"the image {uid} has no frame {frame} (from 0)")
            values[frame] = mask
    return values


def _segmentation(
    label_map: LabelMap,
    images: Sequence[Dataset],
    values: NDArray[Any],
    number: int,
    uid: str | None = None,
) -> Dataset:
    first = images[0]
    binary = not label_map.objects and len(label_map.segments) <= MOST_BINARY
    uid = uid or _uid(label_map, images, values)
    segments, values = _numbered(label_map, values)
    synthetic = "SYNTHETIC " if is_synthetic(first) else ""
    algorithm = _computed() if synthetic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # highdicom warns of empty masks, which are said to be so
        made = hd.seg.Segmentation(
            source_images=list(images),
            pixel_array=values,
            segmentation_type=(
                SegmentationTypeValues.BINARY if binary else SegmentationTypeValues.LABELMAP
            ),
            segment_descriptions=[
                _description(one, algorithm, uid if label_map.objects else None) for one in segments
            ],
            series_instance_uid=derived_uid("seg series", first.SeriesInstanceUID),
            series_number=SERIES_NUMBER,
            sop_instance_uid=uid,
            instance_number=number,
            manufacturer=MAKER,
            manufacturer_model_name=MODEL,
            software_versions=VERSION,
            device_serial_number="0",
            content_label=ONE_KIND if label_map.objects else "SEGMENTATION",
            content_description=f"{synthetic}masks",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            omit_empty_frames=bool(values.any()),
        )
    made.SeriesDescription = f"{synthetic}segmentation"
    if "FrameOfReferenceUID" not in made:
        # PS3.3 C.7.6.1.1.1: required, though it may be empty, where nothing else tells it.
        made.PatientOrientation = first.get("PatientOrientation") or ""
        # Not asked for without a frame of reference (A.51.5), and without a thickness, as here,
        # highdicom itself does not read it back.
        made.SharedFunctionalGroupsSequence[0].pop("PixelMeasuresSequence", None)
    fix_time(made, first)
    _fix_dimensions(made, derived_uid("dimensions", uid))
    return made


def _uid(label_map: LabelMap, images: Sequence[Dataset], values: NDArray[Any]) -> str:
    digest = sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    named = [str(image.SOPInstanceUID) for image in images]
    return derived_uid("seg", *named, repr(label_map.segments), label_map.objects, digest)


def _numbered(
    label_map: LabelMap, values: NDArray[Any]
) -> tuple[list[Segment], NDArray[np.uint8] | NDArray[np.uint16]]:
    """Segments numbered 1, 2, ... as PS3.3 C.8.20.2.4 asks of binary ones, and the values so.

    Of single objects each value gets a segment of its own, all of one name.
    """
    if label_map.objects:
        kind = label_map.segments[0]
        present = [int(number) for number in np.unique(values) if number]
        found = [Segment(number, kind.name, kind.code, kind.category) for number in present or [1]]
        return found, values
    known = {segment.number for segment in label_map.segments}
    unknown = sorted(set(np.unique(values).tolist()) - known - {0})
    if unknown:
        raise BadImage(f"a label map has the value {unknown[0]}, which none of its segments has")
    ordered = sorted(label_map.segments, key=lambda one: one.number)
    table = np.zeros(int(values.max(initial=0)) + 1, values.dtype)
    for number, segment in enumerate(ordered, start=1):
        if segment.number < len(table):
            table[segment.number] = number
    renumbered = [
        Segment(number, one.name, one.code, one.category)
        for number, one in enumerate(ordered, start=1)
    ]
    return renumbered, table[values]


def _description(
    segment: Segment,
    algorithm: hd.AlgorithmIdentificationSequence | None,
    object_of: str | None,
) -> SegmentDescription:
    """`object_of` is the UID of a map of single objects: each is tracked by its number.

    `algorithm` is None where a person drew it; hundreds of nuclei share one.
    """
    return SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.name[:64],
        segmented_property_category=Code(*segment.category),
        segmented_property_type=Code(*segment.code),
        algorithm_type=(
            SegmentAlgorithmTypeValues.AUTOMATIC if algorithm else SegmentAlgorithmTypeValues.MANUAL
        ),
        algorithm_identification=algorithm,
        tracking_id=str(segment.number) if object_of else None,
        tracking_uid=derived_uid("object", object_of, segment.number) if object_of else None,
    )


def _computed() -> hd.AlgorithmIdentificationSequence:
    return hd.AlgorithmIdentificationSequence(
        name="dicom_synthetic",
        family=Code("123105", "DCM", "Geometrical image analysis"),
        version=VERSION,
    )


def _fix_dimensions(dataset: Dataset, uid: str) -> None:
    # highdicom draws the UID of the dimensions' organization at random.
    for item in dataset.get("DimensionOrganizationSequence") or []:
        item.DimensionOrganizationUID = uid
    for item in dataset.get("DimensionIndexSequence") or []:
        item.DimensionOrganizationUID = uid
