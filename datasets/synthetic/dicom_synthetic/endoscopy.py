"""The sample set `endoscopy`: frames of a colonoscopy, polyps in half of the patients, marked.

The other half, and much of what surrounds the polyps, looks like them: folds seen from the side,
bubbles, stool, glare, forceps. Read `colon.py` (what is there), `endo_light.py` (how it is seen)
and `endo_marks.py` (what is in the way).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dicom_catalog.annotations import Box, LabelMap, Segment
from dicom_synthetic import colon, endo_light, endo_marks
from dicom_synthetic.marks import ABNORMAL, mask_box
from dicom_synthetic.objects import Subject
from dicom_synthetic.sample import Generator, Knob, Knobs, Labels, Made
from dicom_synthetic.vl_dicom import endoscopic_dicom

NAME = "endoscopy"
FRAMES = 2
POLYP = Segment(1, "polyp", code=("68496003", "SCT", "Polyp of colon"), category=ABNORMAL)
SMALLEST = 0.003  # of the picture: what is smaller is drawn anew, at another place
KNOBS = {
    "contrast": Knob("how much a polyp's colour differs from the wall's, times the usual", 1, 0, 2),
    "size": Knob("how large a polyp is, times the usual", 1.0, 0.5, 2.0),
    "noise": Knob("noise of the sensor, times the usual", 1.0, 0.0, 8.0),
    "forceps": Knob("shortcut: share of frames with a polyp that show forceps too", 0.0, 0.0, 1.0),
}


@dataclass(frozen=True)
class Plan:
    """One frame to make: how many polyps, and how the knobs stand."""

    patient: int
    frame: int
    seed: int
    polyps: int
    contrast: float
    size: float
    noise: float
    forceps: float


def draw(patients: int, seed: int, knobs: Knobs) -> list[Plan]:
    """Two frames of each of `patients`; half of them have a polyp, one in six of these two."""
    rng = np.random.default_rng([seed, 31])
    ill = rng.permutation(np.arange(patients) % 2 == 1)
    two = rng.random(patients) < 1 / 6
    return [
        Plan(patient, frame, seed, int(ill[patient]) + int(ill[patient] and two[patient]), **knobs)
        for patient in range(patients)
        for frame in range(FRAMES)
    ]


@dataclass(frozen=True)
class Frame:
    """A frame, uint8 (rows, columns, 3); `owner` is 0, or k where the k-th polyp is seen."""

    subject: Subject
    pixels: NDArray[np.uint8]
    owner: NDArray[np.uint8]
    polyps: tuple[colon.Polyp, ...]
    labels: Labels


def make_frame(plan: Plan) -> Frame:
    """The frame of a plan, in about a tenth of a second."""
    person = np.random.default_rng([plan.seed, 32, plan.patient])
    sex = "F" if person.random() < 0.5 else "M"
    age = int(np.clip(person.normal(61, 11), 24, 90))
    camera = endo_light.draw_camera(person, plan.noise)
    polyps = [_draw_polyp(person, plan.size) for _ in range(plan.polyps)]

    rng = np.random.default_rng([plan.seed, 33, plan.patient, plan.frame])
    tube = colon.draw_colon(rng)
    # Dice of their own for the polyps: without them the same frame is the same colon.
    wall = _place(tube, polyps, np.random.default_rng([plan.seed, 34, plan.patient, plan.frame]))
    hits = colon.look(wall)
    scene = endo_light.draw_scene(wall.colon, hits, rng, plan.contrast)
    picture = endo_light.light(scene, camera, rng)
    seen = _put_marks(picture, hits, plan, rng)
    inside = endo_light.frame_shape() > 0.5
    owner = (hits.owner * inside).astype(np.uint8)
    labels: dict[str, str | int | float | None] = {
        "polyp": "yes" if owner.any() else "no",
        "polyps": len(np.unique(owner)) - 1,
        "mimics": ",".join(seen),
        "forceps": int("forceps" in seen),
    }
    subject = Subject(NAME, plan.seed, plan.patient, sex, age, image=plan.frame)
    pixels = endo_light.expose(picture, camera, rng)
    return Frame(subject, pixels, owner, wall.colon.polyps, labels)


def _draw_polyp(rng: np.random.Generator, size: float) -> colon.Polyp:
    half = size * float(np.clip(np.exp(rng.normal(1.5, 0.32)), 2.2, 8.0))
    flat = rng.random() < 0.25
    stalked = not flat and rng.random() < 0.3
    high = half * (rng.uniform(0.35, 0.5) if flat else rng.uniform(0.65, 1.0))
    return colon.Polyp(
        along=0.0,
        around=0.0,
        half=(half * rng.uniform(0.85, 1.25), half * rng.uniform(0.85, 1.25), high),
        stalk=high * rng.uniform(1.2, 1.7) if stalked else 0.25 * high,
        pale=float(rng.choice([-1, 1]) * rng.uniform(0.2, 1.0)),
        lumps=(rng.uniform(0, 6), rng.uniform(0, 6), rng.uniform(0, 6)),
        seed=int(rng.integers(2**31)),
    )


def _place(tube: colon.Colon, polyps: list[colon.Polyp], rng: np.random.Generator) -> colon.Wall:
    """The colon's wall with the polyps where the endoscope can see them."""
    for _ in range(12):
        placed = tuple(
            replace(
                polyp,
                along=float(rng.uniform(11, 36)),
                around=float(rng.uniform(-np.pi, np.pi)),
            )
            for polyp in polyps
        )
        wall = colon.build(replace(tube, polyps=placed))
        if not polyps or colon.seen_share(wall).min() > SMALLEST:
            break
    return wall


def _put_marks(
    picture: endo_light.Colour, hits: colon.Hits, plan: Plan, rng: np.random.Generator
) -> list[str]:
    dice = rng.random(len(endo_marks.MIMICS) + 1)
    seen = []
    for (name, often), one in zip(endo_marks.MIMICS.items(), dice, strict=False):
        if one < often:
            endo_marks.MARKS[name](picture, hits, rng)
            seen.append(name)
    often = max(endo_marks.FORCEPS, plan.forceps) if plan.polyps else endo_marks.FORCEPS
    if dice[-1] < often:
        endo_marks.forceps(picture, rng)
        seen.append("forceps")
    return seen


def make(plan: Plan) -> Made:
    """One frame with its polyps marked; one without has neither mask nor boxes."""
    frame = make_frame(plan)
    data = endoscopic_dicom(frame.subject, frame.pixels)
    if not frame.owner.any():
        return Made([data], frame.labels)
    uid = frame.subject.instance_uid
    values = (frame.owner > 0).astype(np.uint8)[None]
    return Made(
        [data],
        frame.labels,
        label_maps=[LabelMap(((uid, 0),), values, (POLYP,))],
        boxes=_boxes(frame, uid),
    )


def _boxes(frame: Frame, uid: str) -> list[Box]:
    boxes = []
    for number, polyp in enumerate(frame.polyps, start=1):
        mask = frame.owner == number
        if mask.any():
            long = round(2 * max(polyp.half[:2]), 1)
            boxes.append(mask_box(uid, "polyp", mask, object=str(number), diameter_mm=long))
    return boxes


ENDOSCOPY = Generator(NAME, draw, make, KNOBS)
