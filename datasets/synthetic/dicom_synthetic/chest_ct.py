"""The sample set `chest-ct`: CT of the chest with none to three nodules in the lungs.

Every nodule is marked exactly, as a segment and as a box through its slices. Crossings of vessels,
granulomas and scars look like nodules in one slice and are not marked. Read `chest_anatomy.py`,
`chest_vessels.py` and `chest_nodules.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicom_catalog.annotations import Box, LabelMap, Segment
from dicom_synthetic.chest_anatomy import draw_chest, paint_chest
from dicom_synthetic.chest_bones import paint_bones
from dicom_synthetic.chest_grid import AXES, SHAPE, SLICES, Mask, blend, tubes
from dicom_synthetic.chest_nodules import Drawn, draw_nodules, paint_mimics, paint_nodule
from dicom_synthetic.chest_vessels import paint_vessels
from dicom_synthetic.ct_dicom import KERNELS, ct_dicom
from dicom_synthetic.marks import ABNORMAL, bounds
from dicom_synthetic.objects import Subject
from dicom_synthetic.sample import Generator, Knob, Knobs, Labels, Made
from dicom_synthetic.volumes import Volume, smooth3

NAME = "chest-ct"
NODULE = Segment(1, "nodule", code=("27925004", "SCT", "Nodule"), category=ABNORMAL)
KNOBS = {
    "contrast": Knob("how far a nodule's density is from the lung's", 1.0, 0.2, 1.2),
    "size": Knob("how large nodules are, times the usual", 1.0, 0.5, 1.6),
    "noise": Knob("noise of the dose, times the usual", 1.0, 0.0, 6.0),
    "bead": Knob("shortcut: share of people with nodules who wear a bead on the skin", 0, 0, 1),
}
_SIGMA = {"SOFT": 17.0, "SHARP": 34.0}


@dataclass(frozen=True)
class Plan:
    """One person's scan to make: how many nodules, which kernel, and how the knobs stand."""

    patient: int
    seed: int
    nodules: int
    kernel: str
    bead: bool
    contrast: float
    size: float
    noise: float


def draw(patients: int, seed: int, knobs: Knobs) -> list[Plan]:
    """One scan of each of `patients`: four in five have one to three nodules."""
    rng = np.random.default_rng([seed, 41])
    order = rng.permutation(patients)
    kernels = rng.permutation(patients) % len(KERNELS)
    worn = np.random.default_rng([seed, 42]).random(patients) < knobs["bead"]
    turned = {name: knobs[name] for name in ("contrast", "size", "noise")}
    plans = []
    for patient in range(patients):
        count = (2, 1, 3, 1, 0)[int(order[patient]) % 5]
        bead = count > 0 and bool(worn[patient])
        plans.append(Plan(patient, seed, count, KERNELS[kernels[patient]], bead, **turned))
    return plans


@dataclass(frozen=True)
class Scan:
    """A person's CT: `hu` int16 and `marks` uint8 (slices, rows, columns), and its nodules."""

    plan: Plan
    sex: str
    age: int
    hu: NDArray[np.int16]
    marks: NDArray[np.uint8]
    nodules: tuple[Drawn, ...]
    labels: Labels


def make_scan(plan: Plan) -> Scan:
    """The scan of a plan, in about a second."""
    person = np.random.default_rng([plan.seed, 43, plan.patient])
    age = int(np.clip(person.normal(61, 11), 35, 88))
    sex = "F" if person.random() < 0.5 else "M"
    chest = draw_chest(person, sex)
    hu, lungs = paint_chest(chest)
    paint_bones(hu, chest)
    lungs &= hu < -500
    rng = np.random.default_rng([plan.seed, 44, plan.patient])
    _paint_texture(hu, lungs, rng)
    paint_vessels(hu, lungs, chest)
    paint_mimics(hu, lungs, np.random.default_rng([plan.seed, 45, plan.patient]))
    places = np.random.default_rng([plan.seed, 46, plan.patient])
    wanted = draw_nodules(lungs, plan.nodules, plan.size, places)
    nodules = tuple(paint_nodule(hu, lungs, one, plan.contrast) for one in wanted)
    if plan.bead:
        _wear_bead(hu)
    marks = np.zeros(SHAPE, dtype=np.uint8)
    for one in nodules:
        marks[one.part][one.mask] = NODULE.number
    scanned = _scanned(hu, plan, rng)
    return Scan(plan, sex, age, scanned, marks, nodules, _labels(plan, nodules))


def _paint_texture(hu: Volume, lungs: Mask, rng: np.random.Generator) -> None:
    """Lung is denser where it lies low (the back), and uneven everywhere."""
    coarse = smooth3(rng, (SLICES // 2, SHAPE[1] // 2, SHAPE[2] // 2), (1.2, 2.6, 2.6))
    grain = coarse.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    hu += lungs * (26 * grain + np.float32(0.55) * AXES[1])


def _wear_bead(hu: Volume) -> None:
    """A metal bead on the left breast, as a mark for the reader: in front of the skin."""
    column = hu[SLICES // 2, :, 178]
    front = int(np.flatnonzero(column > -500)[0])
    place = np.array([[float(AXES[0][0, 0, 178]), float(AXES[1][0, front, 0]) - 2.0, 0.0]])
    blend(hu, tubes(place, np.array([3.0])), 2500.0)


def _scanned(hu: Volume, plan: Plan, rng: np.random.Generator) -> NDArray[np.int16]:
    """The volume as a scanner gives it: blurred by its kernel, with that kernel's noise."""
    sharp = plan.kernel == "SHARP"
    blur = 0.45 if sharp else 0.7
    values = ndimage.gaussian_filter(hu, (0.4, blur, blur), truncate=3)
    if plan.noise > 0:
        values += _SIGMA[plan.kernel] * np.float32(plan.noise) * _noise(sharp, rng)
    return np.asarray(np.clip(np.rint(values), -1024, 3071), dtype=np.int16)


def _noise(sharp: bool, rng: np.random.Generator) -> Volume:
    """Noise whose spectrum rises and falls, as filtered back projection's; more in the middle."""
    white = rng.standard_normal(SHAPE, dtype=np.float32)
    fine = ndimage.gaussian_filter(white, (0.3, 0.55, 0.55) if sharp else (0.3, 0.9, 0.9))
    fine -= ndimage.uniform_filter(fine, (1, 5, 5) if sharp else (1, 9, 9))
    fine /= np.float32(fine[::8, ::4, ::4].std())
    x, y, _ = AXES
    middle = (0.75 + 0.5 * np.exp(-((x / 120) ** 2) - (y / 85) ** 2)).astype(np.float32)
    return np.asarray(fine * middle, dtype=np.float32)


def _labels(plan: Plan, nodules: Sequence[Drawn]) -> Labels:
    return {
        "nodules": "yes" if nodules else "no",
        "count": len(nodules),
        "largest_mm": round(max((one.diameter_mm for one in nodules), default=0.0), 1),
        "volume_ml": round(sum(one.volume_ml for one in nodules), 3),
        "bead": int(plan.bead),
    }


def make(plan: Plan) -> Made:
    """One axial series, with its nodules marked."""
    scan = make_scan(plan)
    files, uids = [], []
    for place, pixels in enumerate(scan.hu):
        subject = Subject(NAME, plan.seed, plan.patient, scan.sex, scan.age, image=place)
        files.append(ct_dicom(subject, pixels, place, plan.kernel))
        uids.append(subject.instance_uid)
    maps = []
    if scan.nodules:
        maps.append(LabelMap(tuple((uid, 0) for uid in uids), scan.marks, (NODULE,)))
    boxes = [_box(uids, one, str(n + 1)) for n, one in enumerate(scan.nodules)]
    return Made(files, scan.labels, label_maps=maps, boxes=boxes)


def _box(uids: Sequence[str], nodule: Drawn, name: str) -> Box:
    """The box of a nodule, held by the slice in its middle."""
    left, top, right, bottom = bounds(np.asarray(nodule.mask.any(0)))
    slices, rows, columns = (axis.start for axis in nodule.part)
    seen = np.flatnonzero(nodule.mask.any((1, 2)))
    first, last = int(slices + seen[0]), int(slices + seen[-1])
    return Box(
        uids[(first + last) // 2],
        NODULE.name,
        left + columns,
        top + rows,
        right + columns,
        bottom + rows,
        first=first,
        last=last,
        object=name,
        more={"diameter_mm": round(nodule.diameter_mm, 1), "density": nodule.density},
    )


CHEST_CT = Generator(NAME, draw, make, KNOBS)
