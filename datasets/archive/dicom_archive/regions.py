"""The regions of a structured report as boxes: what TID 1410 and 1411 of PS3.16 say of images.

A region is a polyline, point set, circle or ellipse in pixels of one image (SCOORD, PS3.3 C.18.6),
where (0, 0) is the outer corner of the first pixel, as in a Box. Its name is its finding (121071),
its group's Tracking Identifier (112039) names the object, codes and measurements of the group are
kept in `more`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from dicom_archive.errors import BadImage
from dicom_catalog.elements import as_json

FINDING = "121071"
TRACKING = "112039"
MEASUREMENT_GROUP = "125007"
FIRST_SLICE, LAST_SLICE = "radlab-first", "radlab-last"  # our own codes, scheme 99RADLAB

Row = dict[str, Any]


def boxes_of(dataset: Dataset, images: Mapping[str, Dataset]) -> tuple[list[Row], str | None]:
    """The rows of `boxes` of a report, and the one series that it speaks of (None of several).

    BadImage where it names none of `images`.
    """
    named = {uid for uid in _referenced(dataset) if uid in images}
    if not named:
        raise BadImage("it speaks of no image that is here")
    series = sorted({str(images[uid].SeriesInstanceUID) for uid in named})
    rows = []
    for group in _groups(dataset):
        rows += _boxes_of_group(group, dataset, images)
    return rows, series[0] if len(series) == 1 else None


def _referenced(dataset: Dataset) -> Iterator[str]:
    for item in dataset.get("CurrentRequestedProcedureEvidenceSequence") or []:
        for series in item.get("ReferencedSeriesSequence") or []:
            for sop in series.get("ReferencedSOPSequence") or []:
                yield str(sop.ReferencedSOPInstanceUID)
    for item in _walk(dataset):
        for sop in item.get("ReferencedSOPSequence") or []:
            yield str(sop.ReferencedSOPInstanceUID)


def _walk(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence") or []:
        yield child
        yield from _walk(child)


def _groups(dataset: Dataset) -> Iterator[Dataset]:
    for item in _walk(dataset):
        if item.get("ValueType") == "CONTAINER" and _concept(item) == MEASUREMENT_GROUP:
            yield item


def _concept(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].get("CodeValue", "")) if names else ""


def _meaning(items: Any) -> str:
    return str(items[0].get("CodeMeaning", "")) if items else ""


def _boxes_of_group(group: Dataset, dataset: Dataset, images: Mapping[str, Dataset]) -> list[Row]:
    children = list(group.get("ContentSequence") or [])
    said = _said(children)
    rows = []
    for region in (item for item in children if item.get("ValueType") == "SCOORD"):
        for image in region.get("ContentSequence") or []:
            for sop in image.get("ReferencedSOPSequence") or []:
                uid = str(sop.ReferencedSOPInstanceUID)
                if uid not in images:
                    continue
                frames = sop.get("ReferencedFrameNumber") or 1
                numbers = [frames] if isinstance(frames, int) else list(frames)
                place = {"series_uid": str(images[uid].SeriesInstanceUID), "instance_uid": uid}
                rows += [
                    place | {"frame": int(n) - 1} | _edges(region) | said | _source(dataset)
                    for n in numbers
                ]
    return rows


def _source(dataset: Dataset) -> Row:
    return {"object_uid": str(dataset.SOPInstanceUID)}


def _said(children: list[Dataset]) -> Row:
    row: Row = {"name": "", "first": None, "last": None, "object": ""}
    more: Row = {}
    for item in children:
        concept, kind = _concept(item), item.get("ValueType")
        if concept == FINDING and kind == "CODE":
            row["name"] = _meaning(item.ConceptCodeSequence)
        elif concept == TRACKING and kind == "TEXT":
            row["object"] = str(item.TextValue)
        elif kind == "NUM" and concept in (FIRST_SLICE, LAST_SLICE):
            # Slices are counted from 1 for people, from 0 in the index.
            row["first" if concept == FIRST_SLICE else "last"] = int(_measured(item)) - 1
        elif kind == "NUM":
            more[_meaning(item.ConceptNameCodeSequence)] = _measured(item)
        elif kind == "TEXT":
            more[_meaning(item.ConceptNameCodeSequence)] = str(item.TextValue)
        elif kind == "CODE":
            more[_meaning(item.ConceptNameCodeSequence)] = _meaning(item.ConceptCodeSequence)
    return row | {"more": as_json(more)}


def _measured(item: Dataset) -> float:
    values = item.get("MeasuredValueSequence")
    if not values:
        raise BadImage(f"its measurement {_meaning(item.ConceptNameCodeSequence)} has no value")
    exact = values[0].get("FloatingPointValue")
    return float(values[0].NumericValue if exact is None else exact)


def _edges(region: Dataset) -> Row:
    points = np.array(region.GraphicData, float).reshape(-1, 2)
    if region.GraphicType == "CIRCLE":
        # PS3.3 C.18.6.1.2: the centre and a point on the circle.
        radius = float(np.linalg.norm(points[1] - points[0]))
        points = np.array([points[0] - radius, points[0] + radius])
    elif region.GraphicType == "ELLIPSE":
        points = _ellipse(points)
    left, top = points.min(axis=0)
    right, bottom = points.max(axis=0)
    return {"left": float(left), "top": float(top), "right": float(right), "bottom": float(bottom)}


def _ellipse(points: np.ndarray) -> np.ndarray:
    """Corners of the box around an ellipse given by the ends of both its axes."""
    centre = points[:2].mean(axis=0)
    half = np.hypot(points[1] - points[0], points[3] - points[2]) / 2
    return np.array([centre - half, centre + half])
