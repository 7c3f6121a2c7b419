"""What the index says of one DICOM image: rows of layout.py read from its header.

One description serves the archive, which writes it into a version, and the client, which reads a
folder of DICOM files that nobody published. Single images keep their geometry at the top of the
header, enhanced multi-frame images in functional groups (PS3.3 C.7.6.16), nuclear medicine and dose
grids in places of their own (C.8.4.15, C.8.8.3.2); here all become one row a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_catalog.elements import (
    Groups,
    as_json,
    as_number,
    as_numbers,
    as_text,
    as_whole,
    first_number,
)
from dicom_catalog.frame_places import frame_place
from dicom_catalog.geometry import Arrangement, Frame, arrange
from dicom_catalog.layout import TABLES
from dicom_catalog.suv import suv_factor
from dicom_catalog.windows import FUNCTIONS

PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
MOST_PERCENTILE_PIXELS = 1 << 20

Row = dict[str, Any]

_STUDY = {
    "study_uid": "StudyInstanceUID",
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "patient_sex": "PatientSex",
    "patient_age": "PatientAge",
    "patient_birth_date": "PatientBirthDate",
    "study_date": "StudyDate",
    "study_time": "StudyTime",
    "study_id": "StudyID",
    "accession_number": "AccessionNumber",
    "referring_physician": "ReferringPhysicianName",
    "study_description": "StudyDescription",
}
_SERIES = {
    "series_uid": "SeriesInstanceUID",
    "study_uid": "StudyInstanceUID",
    "patient_id": "PatientID",
    "modality": "Modality",
    "series_description": "SeriesDescription",
    "body_part": "BodyPartExamined",
    "laterality": "Laterality",
    "manufacturer": "Manufacturer",
    "protocol_name": "ProtocolName",
    "frame_of_reference_uid": "FrameOfReferenceUID",
}


@dataclass(frozen=True)
class Described:
    """One image instance as the index will hold it.

    `image` has all columns of `images` but path and split; `frames` has, for each frame, those of
    `frames` but place; `places` is what `arrange` sorts, in the same order; `series` and `study`
    are this instance's view of its series (without geometry and counts) and of its study.
    """

    image: Row
    frames: list[Row]
    places: list[Frame]
    series: Row
    study: Row


def describe(
    dataset: Dataset,
    pixel_offset: int,
    pixel_length: int,
    sha256: str = "",
    pixels: NDArray[Any] | None = None,
) -> Described:
    """The rows of the image in `dataset`, whose pixels may have been left unread.

    `pixel_offset` and `pixel_length` say where the value of the pixel element lies in the file, in
    bytes. Frames of uncompressed pixels get ranges of their own; 1-bit frames may begin inside
    their first byte, at bit (frame * rows * columns) % 8 (PS3.5 8.1.1). In an encapsulated syntax
    every frame has the range of the whole element. `pixels`, stored values in any shape, give a
    window to an image that has none in its header.

    Raises ValueError or AttributeError where Rows, Columns or Bits Allocated are absent or no
    numbers.
    """
    groups = Groups(dataset)
    image = _image(dataset, groups, pixels)
    image |= {"pixel_offset": pixel_offset, "pixel_length": pixel_length, "sha256": sha256}
    places = [frame_place(dataset, groups, image, at) for at in range(image["number_of_frames"])]
    frames = [_frame_row(groups, image, place) for place in places]
    encapsulated = _is_encapsulated(dataset)
    for at, row in enumerate(frames):
        row["pixel_offset"], row["pixel_length"] = (
            (pixel_offset, pixel_length) if encapsulated else _range(image, at)
        )
    study: Row = {c: as_text(dataset.get(keyword)) for c, keyword in _STUDY.items()}
    series: Row = {c: as_text(dataset.get(keyword)) for c, keyword in _SERIES.items()}
    series["modality"] = image["modality"]
    series["series_number"] = as_whole(dataset.get("SeriesNumber"))
    for row in (study, series):
        row["patient_id"] = image["patient_id"]
    return Described(image, frames, places, series, study)


def series_rows(instances: Sequence[Described]) -> tuple[Row, list[Row], Arrangement]:
    """The row of `series`, its rows of `frames` by place, and how they lie.

    `instances` are all images of one series, in any order; the result does not depend on it.
    Raises ValueError where there is none.
    """
    ordered = sorted(
        instances,
        key=lambda one: (
            one.image["instance_number"] is None,
            one.image["instance_number"] or 0,
            one.image["instance_uid"],
        ),
    )
    places = [place for one in ordered for place in one.places]
    rows = [row for one in ordered for row in one.frames]
    found = arrange(places)
    known = dict(ordered[0].series)
    known |= {
        "instances": len(ordered),
        "frames": len(rows),
        "kind": found.kind,
        "reason": found.reason,
        "affine": None if found.affine is None else as_json(found.affine.ravel().tolist()),
        "slice_spacing": found.slice_spacing,
        "tilt": found.tilt,
        "gaps": None if found.gaps is None else as_json(found.gaps),
    }
    sorted_rows = [{**rows[k], "place": place} for place, k in enumerate(found.order)]
    return {name: known[name] for name in TABLES["series"]}, sorted_rows, found


def _image(dataset: Dataset, groups: Groups, pixels: NDArray[Any] | None) -> Row:
    keyword = next((one for one in PIXEL_KEYWORDS if one in dataset), "PixelData")
    bits = int(dataset.BitsAllocated)
    slope, intercept = _rescale(dataset, groups, 0)
    row: Row = {
        "instance_uid": str(dataset.get("SOPInstanceUID", "")),
        "patient_id": str(dataset.get("PatientID") or ""),
        "study_uid": str(dataset.get("StudyInstanceUID", "")),
        "series_uid": str(dataset.get("SeriesInstanceUID", "")),
        "instance_number": as_whole(dataset.get("InstanceNumber")),
        "sop_class_uid": str(dataset.get("SOPClassUID", "")),
        "transfer_syntax_uid": _syntax(dataset),
        "modality": as_text(dataset.get("Modality")) or "OT",
        "number_of_frames": max(as_whole(dataset.get("NumberOfFrames")) or 1, 1),
        "rows": int(dataset.Rows),
        "columns": int(dataset.Columns),
        "samples": int(dataset.get("SamplesPerPixel", 1) or 1),
        "bits_allocated": bits,
        "bits_stored": int(dataset.get("BitsStored") or bits),
        "pixel_representation": int(dataset.get("PixelRepresentation") or 0),
        "pixel_keyword": keyword,
        "photometric": str(dataset.get("PhotometricInterpretation") or "MONOCHROME2"),
        "lossy": int(str(dataset.get("LossyImageCompression", "")) == "01"),
        "slope": slope,
        "intercept": intercept,
        "rescale_type": _rescale_type(dataset, groups),
        "suv_factor": suv_factor(dataset),
        "frame_seconds": _frame_seconds(dataset),
    }
    return row | _spacing(dataset, groups) | _window(dataset, groups, row, pixels)


def _frame_row(groups: Groups, image: Row, place: Frame) -> Row:
    slope = as_number(groups.get(place.frame, "PixelValueTransformationSequence", "RescaleSlope"))
    offset = groups.get(place.frame, "PixelValueTransformationSequence", "RescaleIntercept")
    intercept = as_number(offset)
    return {
        "series_uid": image["series_uid"],
        "instance_uid": place.instance_uid,
        "frame": place.frame,
        "position": None if place.position is None else as_json(place.position),
        "orientation": None if place.orientation is None else as_json(place.orientation),
        "slope": slope or image["slope"],
        "intercept": image["intercept"] if intercept is None else intercept,
    }


def _range(image: Row, at: int) -> tuple[int, int]:
    """Bytes of frame `at`: where it begins in the file, and how many it touches."""
    samples = image["samples"]
    bits = image["rows"] * image["columns"] * samples * image["bits_allocated"]
    if image["photometric"] == "YBR_FULL_422":
        bits = bits * 2 // 3  # PS3.3 C.7.6.3.1.2: two chrominance values for two pixels
    first, last = at * bits, (at + 1) * bits
    return image["pixel_offset"] + first // 8, -(-last // 8) - first // 8


def _rescale(dataset: Dataset, groups: Groups, at: int) -> tuple[float, float]:
    found = []
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        own = groups.get(at, "PixelValueTransformationSequence", keyword)
        found.append(as_number(dataset.get(keyword) if own is None else own))
    slope, intercept = found
    if dataset.get("Modality") == "RTDOSE" and slope is None:
        slope = as_number(dataset.get("DoseGridScaling"))  # PS3.3 C.8.8.3.4.2: no rescale in a dose
    return slope or 1.0, intercept or 0.0


def _rescale_type(dataset: Dataset, groups: Groups) -> str | None:
    own = groups.get(0, "PixelValueTransformationSequence", "RescaleType")
    value = as_text(dataset.get("RescaleType") if own is None else own)
    if value is None and dataset.get("Modality") == "CT" and "RescaleSlope" in dataset:
        return "HU"  # PS3.3 C.8.2.1.1: HU is the default of a CT image
    if value is None and dataset.get("Modality") in ("PT", "NM"):
        return as_text(dataset.get("Units"))
    return value


def _frame_seconds(dataset: Dataset) -> float | None:
    time = as_number(dataset.get("FrameTime"))  # milliseconds, PS3.3 C.7.6.5
    if time:
        return time / 1000
    vector = dataset.get("FrameTimeVector")
    times = [float(one) for one in vector[1:]] if isinstance(vector, Sequence) else []
    if times and sum(times) > 0:
        return sum(times) / len(times) / 1000
    rate = as_number(dataset.get("CineRate")) or as_number(
        dataset.get("RecommendedDisplayFrameRate")
    )
    return 1 / rate if rate else None


def _spacing(dataset: Dataset, groups: Groups) -> Row:
    # PS3.3 10.7.1.3: Pixel Spacing is calibrated to the patient where it differs from the
    # detector's; without it, the detector's own is the better of two approximations.
    shared = groups.get(0, "PixelMeasuresSequence", "PixelSpacing")
    given = {
        "PixelSpacing": dataset.get("PixelSpacing") if shared is None else shared,
        "ImagerPixelSpacing": dataset.get("ImagerPixelSpacing"),
        "NominalScannedPixelSpacing": dataset.get("NominalScannedPixelSpacing"),
        "SequenceOfUltrasoundRegions": _ultrasound_spacing(dataset),
    }
    for keyword, value in given.items():
        numbers = as_numbers(value, 2)
        if numbers is not None and min(numbers) > 0:
            row, column = numbers
            return {"row_spacing": row, "column_spacing": column, "spacing_source": keyword}
    return {"row_spacing": None, "column_spacing": None, "spacing_source": None}


def _ultrasound_spacing(dataset: Dataset) -> list[float] | None:
    # PS3.3 C.8.5.5: a 2D region (1) in centimetres (3); where there are several, none holds for
    # the whole picture.
    regions = [r for r in dataset.get("SequenceOfUltrasoundRegions") or []]
    if len(regions) != 1 or regions[0].get("RegionSpatialFormat") != 1:
        return None
    units = regions[0].get("PhysicalUnitsXDirection"), regions[0].get("PhysicalUnitsYDirection")
    steps = as_number(regions[0].get("PhysicalDeltaY")), as_number(regions[0].get("PhysicalDeltaX"))
    if units != (3, 3) or not steps[0] or not steps[1]:
        return None
    return [abs(steps[0]) * 10, abs(steps[1]) * 10]


def _window(dataset: Dataset, groups: Groups, row: Row, pixels: NDArray[Any] | None) -> Row:
    found = {}
    for keyword in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
        own = groups.get(0, "FrameVOILUTSequence", keyword)
        found[keyword] = dataset.get(keyword) if own is None else own
    center, width = (first_number(found[k]) for k in ("WindowCenter", "WindowWidth"))
    function = str(found["VOILUTFunction"] or "LINEAR")
    if center is not None and width is not None and width > 0 and function in FUNCTIONS:
        return _window_row(center, width, "file", function)
    if row["samples"] == 1 and pixels is not None:
        return _percentiles(pixels, row["slope"], row["intercept"])
    # Colour is shown as it is; and without pixels there is only the range of the bits.
    low = -(2 ** (row["bits_stored"] - 1)) if row["pixel_representation"] else 0
    whole = 2 ** row["bits_stored"]
    center = (low + whole / 2) * row["slope"] + row["intercept"]
    return _window_row(center, abs(whole * row["slope"]), "bits", "LINEAR")


def _percentiles(pixels: NDArray[Any], slope: float, intercept: float) -> Row:
    values = pixels.ravel()
    values = values[:: max(1, values.size // MOST_PERCENTILE_PIXELS)]
    values = values[np.isfinite(values)]
    if not values.size:
        return _window_row(0.0, 1.0, "percentiles", "LINEAR")
    low, high = (float(v) * slope + intercept for v in np.percentile(values, [0.5, 99.5]))
    return _window_row((low + high) / 2, max(abs(high - low), 1.0), "percentiles", "LINEAR")


def _window_row(center: float, width: float, source: str, function: str) -> Row:
    return {
        "window_center": center,
        "window_width": width,
        "window_source": source,
        "voi_function": function,
    }


def _syntax(dataset: Dataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    return str(meta.get("TransferSyntaxUID", "")) if meta is not None else ""


def _is_encapsulated(dataset: Dataset) -> bool:
    meta = getattr(dataset, "file_meta", None)
    syntax = meta.get("TransferSyntaxUID") if meta is not None else None
    # A private syntax says nothing of itself; pixels are then read by pydicom or not at all.
    return bool(syntax is not None and not syntax.is_private and syntax.is_encapsulated)
