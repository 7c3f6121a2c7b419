"""The sample set `breast-us`: two views a patient, most with a mass, its exact outline marked.

Half of the masses are benign (cysts, fibroadenomas), half malignant; one patient in six has none.
Islands of fat, shadows of ribs and ligaments look like masses, and the kinds overlap in all that
BI-RADS describes. Read `us_tissue.py`, `us_lesion.py`, `us_beam.py` in this order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dicom_catalog.annotations import Segment
from dicom_synthetic import us_beam, us_dicom
from dicom_synthetic.marks import ABNORMAL, mask_box, mask_map
from dicom_synthetic.objects import Subject
from dicom_synthetic.sample import Generator, Knob, Knobs, Labels, Made
from dicom_synthetic.us_lesion import KINDS, Mass, draw_mass, paint_mass
from dicom_synthetic.us_tissue import COLUMNS, PIXEL_MM, ROWS, draw_tissue

NAME = "breast-us"
VIEWS = 2
_MIX = ["carcinoma", "cyst", "carcinoma", "fibroadenoma", "none", "carcinoma"]
_MIX += ["fibroadenoma", "cyst", "carcinoma", "fibroadenoma", "none", "carcinoma"]
MASS = Segment(1, "mass", code=("4147007", "SCT", "Mass"), category=ABNORMAL)
KNOBS = {
    "contrast": Knob("how much darker a mass is than the gland, times the usual", 1.0, 0.2, 1.5),
    "size": Knob("how large a mass is, times the usual", 1.0, 0.4, 1.5),
    "noise": Knob("electronic noise, times the usual", 1.0, 0.0, 20.0),
    "calipers": Knob("shortcut: share of malignant masses that were measured on screen", 0, 0, 1),
}


@dataclass(frozen=True)
class Plan:
    """One picture to make: `kind` of mass or "none", and how the knobs stand."""

    patient: int
    view: int
    seed: int
    kind: str
    contrast: float
    size: float
    noise: float
    calipers: bool


def draw(patients: int, seed: int, knobs: Knobs) -> list[Plan]:
    """Two views of each of `patients`: a sixth normal, the others half benign, half malignant."""
    rng = np.random.default_rng([seed, 11])
    order = rng.permutation(patients)
    measured = np.random.default_rng([seed, 12]).random((patients, VIEWS)) < knobs["calipers"]
    turned = {name: knobs[name] for name in ("contrast", "size", "noise")}
    plans = []
    for patient in range(patients):
        kind = _MIX[int(order[patient]) % len(_MIX)]
        for view in range(VIEWS):
            calipers = kind == "carcinoma" and bool(measured[patient, view])
            plans.append(Plan(patient, view, seed, kind, calipers=calipers, **turned))
    return plans


@dataclass(frozen=True)
class Picture:
    """A picture, uint8 (rows, columns), with its exact mask and what was drawn."""

    subject: Subject
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    labels: Labels
    looks: int


def make_picture(plan: Plan) -> Picture:
    """The picture of a plan, in about a tenth of a second."""
    person = np.random.default_rng([plan.seed, 13, plan.patient])
    age = int(np.clip(person.normal(52, 14), 21, 88))
    dense = float(np.clip(person.normal(0.75 - (age - 40) / 90, 0.25), 0, 1))
    mass = None
    if plan.kind != "none":
        mass = draw_mass(person, plan.kind, plan.size, plan.contrast)
    subject = Subject(NAME, plan.seed, plan.patient, "F", age, image=plan.view)

    rng = np.random.default_rng([plan.seed, 14, plan.patient, plan.view])
    tissue = draw_tissue(rng, dense)
    inside = np.zeros((ROWS, COLUMNS), dtype=bool)
    if mass is not None:
        mass = _other_view(mass, rng) if plan.view else mass
        inside = paint_mass(tissue, mass)
    setting = us_beam.draw_setting(rng, plan.noise)
    screen = us_dicom.on_screen(us_beam.scan(tissue, setting, rng))
    mask = np.zeros(screen.shape, dtype=bool)
    top, left = us_dicom.FIELD_TOP, us_dicom.FIELD_LEFT
    mask[top : top + ROWS, left : left + COLUMNS] = inside
    if plan.calipers:
        screen = _measured(screen, mask)
    labels = _labels(plan, mass, mask)
    return Picture(subject, screen, mask, labels, setting.looks)


def _other_view(mass: Mass, rng: np.random.Generator) -> Mass:
    # The probe turned by a right angle: the same mass, cut along another of its axes.
    return replace(
        mass,
        across=float(rng.uniform(-9, 9)),
        half_width=mass.half_width * float(rng.uniform(0.85, 1.2)),
        turn=float(rng.normal(0, 0.2)),
        seed=int(rng.integers(2**31)),
    )


def _labels(plan: Plan, mass: Mass | None, mask: NDArray[np.bool_]) -> Labels:
    given: dict[str, str | int | float | None] = {
        "pathology": KINDS.get(plan.kind, "normal"),
        "kind": plan.kind,
        "calipers": int(plan.calipers),
    }
    described = ("shape", "orientation", "margin", "posterior")
    given |= {name: None if mass is None else getattr(mass, name) for name in described}
    given["area_mm2"] = round(float(mask.sum()) * PIXEL_MM**2, 2) if mass else None
    given["width_mm"] = round(float(mask.any(0).sum()) * PIXEL_MM, 1) if mass else None
    given["height_mm"] = round(float(mask.any(1).sum()) * PIXEL_MM, 1) if mass else None
    return given


def _measured(screen: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The screen with the crosses that a sonographer set at the ends of the mass."""
    screen = screen.copy()
    rows, columns = np.nonzero(mask)
    middle = int(np.median(rows)), int(np.median(columns))
    ends = [
        (middle[0], int(columns.min()) - 3),
        (middle[0], int(columns.max()) + 3),
        (int(rows.min()) - 3, middle[1]),
        (int(rows.max()) + 3, middle[1]),
    ]
    for row, column in ends:
        row = int(np.clip(row, 4, screen.shape[0] - 5))
        column = int(np.clip(column, 4, screen.shape[1] - 5))
        screen[row, column - 4 : column + 5] = 245
        screen[row - 4 : row + 5, column] = 245
    return screen


def make(plan: Plan) -> Made:
    """One picture with its mass marked; a normal one has neither mask nor box."""
    picture = make_picture(plan)
    data = us_dicom.us_dicom(picture.subject, picture.pixels, PIXEL_MM, picture.looks)
    if not picture.mask.any():
        return Made([data], picture.labels)
    uid = picture.subject.instance_uid
    return Made(
        [data],
        picture.labels,
        label_maps=[mask_map(uid, picture.mask, MASS)],
        boxes=[mask_box(uid, "mass", picture.mask, object="1")],
    )


BREAST_US = Generator(NAME, draw, make, KNOBS)
