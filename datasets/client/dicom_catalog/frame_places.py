"""Where one frame of a DICOM image lies in the patient, and what tells it from others there.

Single images keep their geometry at the top of the header, enhanced multi-frame images in
functional groups (PS3.3 C.7.6.16), nuclear medicine and dose grids in places of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from dicom_catalog.elements import Groups, as_json, as_number, as_numbers, as_whole
from dicom_catalog.geometry import Frame

# Facet of geometry.py: keyword at the top of a single image's header.
_FACETS = {
    "time": "TemporalPositionIdentifier",
    "b_value": "DiffusionBValue",
    "echo_time": "EchoTime",
    "trigger_time": "TriggerTime",
    "inversion_time": "InversionTime",
    "flip_angle": "FlipAngle",
    "energy": "KVP",
    "acquisition": "AcquisitionNumber",
    "acquisition_time": "AcquisitionTime",
    "content_time": "ContentTime",
}
# The same in functional groups: sequence and keyword (PS3.3 C.7.6.16.2, C.8.13.5).
_GROUP_FACETS = {
    "time": ("FrameContentSequence", "TemporalPositionIndex"),
    "b_value": ("MRDiffusionSequence", "DiffusionBValue"),
    "echo_time": ("MREchoSequence", "EffectiveEchoTime"),
    "trigger_time": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    "stack": ("FrameContentSequence", "StackID"),
    "acquisition": ("FrameContentSequence", "FrameAcquisitionNumber"),
}


def frame_place(dataset: Dataset, groups: Groups, image: Mapping[str, Any], at: int) -> Frame:
    """Frame `at`, from 0, as `arrange` takes it; `image` is the instance's row of `images`."""
    spacing = (image["row_spacing"], image["column_spacing"])
    own = as_numbers(groups.get(at, "PixelMeasuresSequence", "PixelSpacing"), 2)
    return Frame(
        instance_uid=image["instance_uid"],
        frame=at,
        rows=image["rows"],
        columns=image["columns"],
        samples=image["samples"],
        position=_position(dataset, groups, at),
        orientation=_orientation(dataset, groups, at),
        spacing=(own[0], own[1]) if own else (spacing if spacing[0] else None),
        step=_step(dataset, groups, at),
        instance_number=image["instance_number"],
        facets=_facets(dataset, groups, at),
    )


def _position(dataset: Dataset, groups: Groups, at: int) -> tuple[float, ...] | None:
    own = groups.get(at, "PlanePositionSequence", "ImagePositionPatient")
    top = as_numbers(dataset.get("ImagePositionPatient") if own is None else own, 3)
    count = as_whole(dataset.get("NumberOfFrames")) or 1
    if own is not None or count == 1:
        return top
    return _dose_position(dataset, top, at) or _emission_position(dataset, at)


def _dose_position(
    dataset: Dataset, top: tuple[float, ...] | None, at: int
) -> tuple[float, ...] | None:
    # PS3.3 C.8.8.3.2: offsets from the first frame along the normal, or, where the first is not
    # zero, coordinates along z of the patient, for axial grids only.
    offsets = dataset.get("GridFrameOffsetVector")
    orientation = as_numbers(dataset.get("ImageOrientationPatient"), 6)
    if offsets is None or top is None or orientation is None or at >= len(offsets):
        return None
    normal = np.cross(orientation[:3], orientation[3:])
    first = float(offsets[0])
    if first == 0:
        return tuple((np.array(top) + normal * float(offsets[at])).tolist())
    return (top[0], top[1], float(offsets[at]))


def _emission_position(dataset: Dataset, at: int) -> tuple[float, ...] | None:
    # PS3.3 C.8.4.15: a reconstructed NM volume gives its first slice and the distance between
    # slices, along the normal.
    detectors = dataset.get("DetectorInformationSequence")
    step = as_number(dataset.get("SpacingBetweenSlices"))
    if not detectors or step is None or "SliceVector" not in dataset:
        return None
    first = as_numbers(detectors[0].get("ImagePositionPatient"), 3)
    orientation = as_numbers(detectors[0].get("ImageOrientationPatient"), 6)
    slices = dataset.SliceVector
    slices = [slices] if isinstance(slices, int) else slices
    if first is None or orientation is None or at >= len(slices):
        return None
    normal = np.cross(orientation[:3], orientation[3:])
    return tuple((np.array(first) + normal * step * (int(slices[at]) - 1)).tolist())


def _orientation(dataset: Dataset, groups: Groups, at: int) -> tuple[float, ...] | None:
    value = groups.get(at, "PlaneOrientationSequence", "ImageOrientationPatient")
    if value is None:
        value = dataset.get("ImageOrientationPatient")
    if value is None and dataset.get("DetectorInformationSequence"):
        value = dataset.DetectorInformationSequence[0].get("ImageOrientationPatient")
    return as_numbers(value, 6)


def _step(dataset: Dataset, groups: Groups, at: int) -> float | None:
    # Not Slice Thickness: a lone slice has no next one, and ITK gives it 1 mm as well.
    value = groups.get(at, "PixelMeasuresSequence", "SpacingBetweenSlices")
    step = as_number(dataset.get("SpacingBetweenSlices") if value is None else value)
    return abs(step) if step else None


def _facets(dataset: Dataset, groups: Groups, at: int) -> dict[str, str | float]:
    found: dict[str, str | float] = {}
    for name, keyword in _FACETS.items():
        value = dataset.get(keyword)
        if name in _GROUP_FACETS:
            own = groups.get(at, *_GROUP_FACETS[name])
            value = value if own is None else own
        if value not in (None, ""):
            number = as_number(value)
            found[name] = str(value) if number is None else number
    stack = groups.get(at, *_GROUP_FACETS["stack"])
    if stack is not None:
        found["stack"] = str(stack)
    gradient = _gradient(dataset, groups, at)
    if gradient is not None:
        found["gradient"] = gradient
    kind = dataset.get("ImageType")
    if kind:
        found["image_type"] = "\\".join(map(str, kind)) if not isinstance(kind, str) else kind
    return found


def _gradient(dataset: Dataset, groups: Groups, at: int) -> str | None:
    value = dataset.get("DiffusionGradientOrientation")
    if value is None:
        own = groups.get(at, "MRDiffusionSequence", "DiffusionGradientDirectionSequence")
        value = own[0].get("DiffusionGradientOrientation") if own else None
    numbers = as_numbers(value, 3)
    return None if numbers is None else as_json(numbers)
