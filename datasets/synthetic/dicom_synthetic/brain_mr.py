"""The sample set `brain-mr`: T1 (after contrast medium), T2 and FLAIR, most with a tumour.

The three series of a person share one frame of reference and one grid. Core, enhancing rim and
oedema are marked exactly, on each series. Scars of the white matter, fluid and fat are as bright as
a tumour in one series or another. Read `brain_anatomy.py`, then `brain_signal.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_catalog.annotations import Box, LabelMap, Segment
from dicom_synthetic import brain_anatomy as anatomy
from dicom_synthetic import brain_signal
from dicom_synthetic.marks import ABNORMAL, bounds
from dicom_synthetic.mr_dicom import mr_dicom
from dicom_synthetic.objects import Subject
from dicom_synthetic.sample import Generator, Knob, Knobs, Labels, Made
from dicom_synthetic.volumes import Volume, ellipsoid

NAME = "brain-mr"
SEGMENTS = (
    Segment(1, "oedema", code=("79654002", "SCT", "Edema"), category=ABNORMAL),
    Segment(2, "enhancing", code=("86049000", "SCT", "Neoplasm, Primary"), category=ABNORMAL),
    Segment(3, "core", code=("6574001", "SCT", "Necrosis"), category=ABNORMAL),
)
_TISSUE_OF = {1: anatomy.OEDEMA, 2: anatomy.RIM, 3: anatomy.CORE}
_VOXEL_ML = anatomy.PIXEL_MM**2 * anatomy.SLICE_MM / 1000
KNOBS = {
    "contrast": Knob("how far the tumour's signal is from white matter's", 1.0, 0.2, 1.3),
    "size": Knob("how large a tumour is, times the usual", 1.0, 0.4, 1.4),
    "noise": Knob("noise of the receiver, times the usual", 1.0, 0.0, 6.0),
    "motion": Knob("how far heads move during a scan, in mm", 0.0, 0.0, 6.0),
    "capsule": Knob("shortcut: share of tumours scanned with a capsule taped to the skin", 0, 0, 1),
}


@dataclass(frozen=True)
class Plan:
    """One person's scan to make: with a tumour or without, and how the knobs stand."""

    patient: int
    seed: int
    tumour: bool
    capsule: bool
    contrast: float
    size: float
    noise: float
    motion: float


def draw(patients: int, seed: int, knobs: Knobs) -> list[Plan]:
    """One scan of each of `patients`: three in four have a tumour."""
    order = np.random.default_rng([seed, 31]).permutation(patients)
    taped = np.random.default_rng([seed, 32]).random(patients) < knobs["capsule"]
    turned = {name: knobs[name] for name in ("contrast", "size", "noise", "motion")}
    plans = []
    for patient in range(patients):
        ill = int(order[patient]) % 4 != 3
        plans.append(Plan(patient, seed, ill, ill and bool(taped[patient]), **turned))
    return plans


@dataclass(frozen=True)
class Scan:
    """A person's three series, uint16 (slices, rows, columns) each, and what is where.

    `marks` is uint8 of the same shape: 0, or the number of one of SEGMENTS.
    """

    plan: Plan
    sex: str
    age: int
    series: dict[str, NDArray[np.uint16]]
    marks: NDArray[np.uint8]
    labels: Labels


def make_scan(plan: Plan) -> Scan:
    """The scan of a plan, in about a second."""
    person = np.random.default_rng([plan.seed, 33, plan.patient])
    age = int(np.clip(person.normal(54, 15), 20, 86))
    sex = "F" if person.random() < 0.5 else "M"
    head = anatomy.draw_head(person, age)
    tumour = anatomy.draw_tumour(person, plan.size)
    tissue = anatomy.paint_head(head)
    if plan.tumour:
        anatomy.paint_tumour(tissue, head, tumour)
    if plan.capsule:
        _tape_capsule(tissue, head)
    marks = _marks(tissue)
    rng = np.random.default_rng([plan.seed, 34, plan.patient])
    uneven = brain_signal.coil(rng) * brain_signal.texture(rng)
    series = {}
    for sequence in brain_signal.SEQUENCES:
        scanned = brain_signal.image(
            tissue, sequence, uneven, rng, plan.contrast, plan.noise, plan.motion
        )
        series[sequence.name] = _stored(scanned, rng)
    return Scan(plan, sex, age, series, marks, _labels(plan, marks))


def _tape_capsule(tissue: anatomy.Labels8, head: anatomy.Head) -> None:
    """A capsule of oil on the left temple, as a mark of the side."""
    spot = ellipsoid(anatomy.axes(head), (head.half[0] + 5, -20, 20), (6, 9, 9))
    tissue[(spot < 1) & (tissue == anatomy.AIR)] = anatomy.FAT


def _stored(scanned: Volume, rng: np.random.Generator) -> NDArray[np.uint16]:
    # Each scanner has a scale of its own: MR values mean nothing by themselves.
    scale = 1000 * float(rng.uniform(0.8, 1.25))
    return np.asarray(np.clip(np.rint(scanned * scale), 0, 4095), dtype=np.uint16)


def _marks(tissue: anatomy.Labels8) -> NDArray[np.uint8]:
    """Which structure fills most of a voxel, where a structure fills half of it or more."""
    layers = tissue.reshape(anatomy.SLICES, anatomy.LAYERS, anatomy.SIZE, anatomy.SIZE)
    shares = np.stack([(layers == t).sum(1) for t in _TISSUE_OF.values()]).astype(np.uint8)
    marks: NDArray[np.uint8] = (shares.argmax(0) + 1).astype(np.uint8)
    marks[shares.sum(0) * 2 <= anatomy.LAYERS] = 0
    return marks


def _labels(plan: Plan, marks: NDArray[np.uint8]) -> Labels:
    given: dict[str, str | int | float | None] = {
        "tumour": "yes" if (marks > 0).any() else "no",
        "capsule": int(plan.capsule),
    }
    for segment in SEGMENTS:
        volume = float((marks == segment.number).sum()) * _VOXEL_ML
        given[f"{segment.name}_ml"] = round(volume, 2)
    return given


def make(plan: Plan) -> Made:
    """Three series of one study, with the tumour marked on each."""
    scan = make_scan(plan)
    files: list[bytes] = []
    labels_of: dict[str, Labels] = {}
    maps: list[LabelMap] = []
    boxes: list[Box] = []
    for number, sequence in enumerate(brain_signal.SEQUENCES):
        uids = []
        for place, pixels in enumerate(scan.series[sequence.name]):
            subject = Subject(
                NAME, plan.seed, plan.patient, scan.sex, scan.age, series=number, image=place
            )
            files.append(
                mr_dicom(
                    subject,
                    sequence,
                    pixels,
                    _position(place),
                    anatomy.PIXEL_MM,
                    anatomy.SLICE_MM,
                )
            )
            uids.append(subject.instance_uid)
            labels_of[subject.instance_uid] = {"sequence": sequence.name}
        if scan.marks.any():
            maps.append(_map(uids, scan.marks))
            boxes.append(_box(uids, scan.marks))
    return Made(files, scan.labels, labels_of, maps, boxes)


def _position(place: int) -> tuple[float, float, float]:
    corner = -(anatomy.SIZE - 1) / 2 * anatomy.PIXEL_MM
    return corner, corner, anatomy.FIRST_Z + place * anatomy.SLICE_MM


def _map(uids: list[str], marks: NDArray[np.uint8]) -> LabelMap:
    present = tuple(segment for segment in SEGMENTS if (marks == segment.number).any())
    return LabelMap(tuple((uid, 0) for uid in uids), marks, present)


def _box(uids: list[str], marks: NDArray[np.uint8]) -> Box:
    inside = marks > 0
    left, top, right, bottom = bounds(np.asarray(inside.any(0)))
    seen = np.flatnonzero(inside.any((1, 2)))
    first, last = int(seen[0]), int(seen[-1])
    middle = uids[(first + last) // 2]
    return Box(middle, "tumour", left, top, right, bottom, first=first, last=last, object="1")


BRAIN_MR = Generator(NAME, draw, make, KNOBS)
