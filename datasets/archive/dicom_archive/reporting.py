"""Boxes and labels of a series as one structured report of template TID 1500, by highdicom.

Each box is a planar region (TID 1410): a closed polyline on its image, with its name as the
finding, its object as the Tracking Identifier, and what else is known as measurements and
evaluations. Labels are a measurement group (TID 1501) on the images that have them: numbers as
measurements without a unit, texts as evaluations. Codes are of the private scheme 99RADLAB,
because a teacher's columns have no others.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_archive.regions import FIRST_SLICE, LAST_SLICE
from dicom_archive.segmenting import (
    MAKER,
    MODEL,
    SERIES_NUMBER,
    VERSION,
    fix_time,
    is_synthetic,
)
from dicom_catalog.annotations import Box
from dicom_catalog.elements import as_json
from dicom_synthetic.uids import derived_uid

SCHEME = "99RADLAB"
NO_UNIT = Code("1", "UCUM", "no units")

Labels = Mapping[str, Any]


def make_report(
    boxes: Sequence[Box], headers: Mapping[str, Dataset], labels: Mapping[str, Labels]
) -> Dataset:
    """The report on one series: `headers` are its images, `labels` theirs by UID.

    One of `boxes` and `labels` has something in it.
    """
    first = next(iter(headers.values()))
    uid = derived_uid("sr", *_content(boxes, labels), *sorted(headers))
    groups: list[Any] = [*_box_groups(boxes, headers, uid), *_label_groups(labels, headers, uid)]
    synthetic = "SYNTHETIC " if is_synthetic(first) else ""
    named = {box.instance_uid for box in boxes} | set(labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = _measured(groups, first)
        made = _document([header for one, header in headers.items() if one in named], content, uid)
    made.SeriesDescription = f"{synthetic}report"
    fix_time(made, first)
    return made


def _measured(groups: Sequence[Any], first: Dataset) -> Dataset:
    """The root of the content: a container with all groups."""
    report = sr.MeasurementReport(
        observation_context=_context(),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion
        if first.get("Modality") == "CT"
        else Code("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    root: Dataset = report[0]
    return root


def _document(evidence: Sequence[Dataset], content: Dataset, uid: str) -> Dataset:
    """The report as an object: `content` with the modules of patient, study, series and document.

    The constructor copies its content in depth and searches it four times, only to check what is
    so here by construction (each image that is named is evidence, no region lies in 3D). That took
    more time than all else, so it gets an empty container, and the content stands there afterwards.
    """
    items = content["ContentSequence"]
    # Deleted first: to set it would empty the element that `items` is.
    del content["ContentSequence"]
    content.ContentSequence = []
    made = sr.ComprehensiveSR(
        evidence=evidence,
        content=content,
        series_instance_uid=derived_uid("sr series", evidence[0].SeriesInstanceUID),
        series_number=SERIES_NUMBER + 1,
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MODEL,
        software_versions=VERSION,
        device_serial_number="0",
        is_complete=True,
        is_final=False,
    )
    made["ContentSequence"] = items
    return made


def private_code(name: str) -> Code:
    """A code of the scheme 99RADLAB that means `name`; equal names have equal codes."""
    plain = re.sub(r"[\\\x00-\x1f]", " ", name).strip() or "unnamed"
    short = (
        plain if len(plain) <= 16 and plain.isascii() else sha256(name.encode()).hexdigest()[:16]
    )
    return Code(short, SCHEME, plain[:64])


def _content(boxes: Sequence[Box], labels: Mapping[str, Labels]) -> list[str]:
    said = [repr((b.instance_uid, b.name, b.left, b.top, b.right, b.bottom)) for b in boxes]
    said += [repr((b.frame, b.first, b.last, b.object, as_json(dict(b.more)))) for b in boxes]
    return [*said, *(f"{uid} {as_json(dict(labels[uid]))}" for uid in sorted(labels))]


def _context() -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=derived_uid("radlab", MODEL), manufacturer_name=MAKER, model_name=MODEL
    )
    return sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _box_groups(
    boxes: Sequence[Box], headers: Mapping[str, Dataset], uid: str
) -> Iterator[sr.PlanarROIMeasurementsAndQualitativeEvaluations]:
    for number, box in enumerate(boxes):
        header = headers[box.instance_uid]
        several = int(header.get("NumberOfFrames", 1) or 1) > 1
        image = sr.SourceImageForRegion(
            header.SOPClassUID, box.instance_uid, [box.frame + 1] if several else None
        )
        corners = [
            (box.left, box.top),
            (box.right, box.top),
            (box.right, box.bottom),
            (box.left, box.bottom),
            (box.left, box.top),
        ]
        name = box.object or f"{number + 1}"
        measurements, evaluations = _said(_slices(box) | dict(box.more))
        yield sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(
                derived_uid("object", uid, name), identifier=name
            ),
            referenced_region=sr.ImageRegion(
                sr.GraphicTypeValues.POLYLINE, np.array(corners, float), image
            ),
            finding_type=private_code(box.name),
            measurements=measurements or None,
            qualitative_evaluations=evaluations or None,
        )


def _slices(box: Box) -> dict[str, int]:
    if box.first is None or box.last is None:
        return {}
    return {FIRST_SLICE: box.first + 1, LAST_SLICE: box.last + 1}


def _label_groups(
    labels: Mapping[str, Labels], headers: Mapping[str, Dataset], uid: str
) -> Iterator[sr.MeasurementsAndQualitativeEvaluations]:
    by_labels: dict[str, list[str]] = {}
    for image, known in labels.items():
        by_labels.setdefault(as_json(dict(known)), []).append(image)
    for number, (_, images) in enumerate(sorted(by_labels.items()), start=1):
        measurements, evaluations = _said(labels[images[0]])
        if not measurements and not evaluations:
            continue
        yield sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(
                derived_uid("labels", uid, number), identifier=f"labels {number}"
            ),
            source_images=[
                sr.SourceImageForMeasurementGroup(headers[one].SOPClassUID, one) for one in images
            ],
            measurements=measurements or None,
            qualitative_evaluations=evaluations or None,
        )


def _said(known: Labels) -> tuple[list[sr.Measurement], list[sr.QualitativeEvaluation]]:
    """Numbers as measurements, everything else that is known as evaluations."""
    measurements, evaluations = [], []
    for name, value in known.items():
        if value is None or value == "":
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and np.isfinite(value):
            measurements.append(sr.Measurement(private_code(name), value, NO_UNIT))
        else:
            text = value if isinstance(value, str) else as_json(value)
            evaluations.append(sr.QualitativeEvaluation(private_code(name), private_code(text)))
    return measurements, evaluations
