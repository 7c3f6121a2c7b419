"""The sample set `chest-film`: PA chest films with a rounded opacity in half of the patients.

A cohort is drawn first (who, how many films, what they show), then each film from its own seed, so
that films can be made in any order by any number of processes and are the same, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicom_synthetic import bones, detector, findings
from dicom_synthetic.body import WATER, Body, draw_body, inner_depth, soft_parts
from dicom_synthetic.splat import Points, View, splat

NAME = "chest-film"
SIZE = 256
SPACING_MM = 1.4
CLASSES = ("normal", "opacity")
SMALLEST_MM = 28.0
# How often each mimic is seen, whatever the finding.
MIMICS = {"nipple": 0.30, "vessel": 0.35, "callus": 0.25, "granuloma": 0.25, "electrode": 0.22}


@dataclass(frozen=True)
class Plan:
    """One film to make: everything that it needs, and nothing that depends on another film."""

    patient: int
    film: int
    seed: int
    finding: str


@dataclass(frozen=True)
class Film:
    """A film and the exact truth about it.

    `pixels` are 12-bit stored values, uint16 (256, 256); `labels` are what the index carries:
    finding, diameter_mm, contrast, center_row, center_column (None where normal) and mimics.
    """

    plan: Plan
    pixels: NDArray[np.uint16]
    photometric: str
    spacing_mm: float
    magnification: float
    sex: str
    age: int
    labels: dict[str, str | float | None] = field(default_factory=dict)


def draw_cohort(patients: int, seed: int) -> list[Plan]:
    """All films of a data set: half of the patients have an opacity, some have several films."""
    if patients < 1:
        raise ValueError(f"A cohort has at least one patient, not {patients}.")
    rng = np.random.default_rng([seed, 1])
    ill = rng.permutation(np.arange(patients) % 2 == 1)
    counts = rng.choice([1, 2, 3], size=patients, p=[0.5, 0.33, 0.17])
    return [
        Plan(patient, film, seed, CLASSES[int(ill[patient])])
        for patient in range(patients)
        for film in range(int(counts[patient]))
    ]


def make_film(plan: Plan) -> Film:
    """The film of a plan, in about a fifth of a second."""
    person = np.random.default_rng([plan.seed, 2, plan.patient])
    body = draw_body(person, int(person.integers(2**31)))
    places = _lung_places(body)
    mimics = _draw_mimics(body, places, person)
    opacity = findings.draw_opacity(person, places, SMALLEST_MM)
    older = plan.film * person.uniform(0, 1.2)
    inverse = bool(person.random() < 0.2)

    rng = np.random.default_rng([plan.seed, 3, plan.patient, plan.film])
    view = _draw_view(rng)
    path = _path(body, view, breath=rng.normal(0, 6))
    labels: dict[str, str | float | None] = dict.fromkeys(_MEASURES)
    labels["finding"] = plan.finding
    if plan.finding == "opacity":
        grown = _grow(opacity, older)
        added, row, column = findings.paint_opacity(view, grown)
        path = path + added
        measured = (grown.diameter_mm, round(grown.contrast, 5), round(row, 2), round(column, 2))
        labels.update(zip(_MEASURES[1:], measured, strict=True))
    for mark in mimics.values():
        path = path + mark(view, rng)
    labels["mimics"] = ",".join(sorted(mimics))
    grey = _develop(path, rng)
    return Film(
        plan=plan,
        pixels=detector.stored(grey, inverse),
        photometric="MONOCHROME1" if inverse else "MONOCHROME2",
        spacing_mm=SPACING_MM,
        magnification=float(view.magnification(0.0)),
        sex="F" if body.female else "M",
        age=body.age,
        labels=labels,
    )


_MEASURES = ("finding", "diameter_mm", "contrast", "center_row", "center_column")


def _draw_view(rng: np.random.Generator) -> View:
    return View(
        size=SIZE,
        spacing=SPACING_MM,
        source_to_detector=1800.0,
        patient_to_detector=140.0,
        yaw=float(rng.normal(0, 0.035)),
        roll=float(rng.normal(0, 0.022)),
        shift=(float(rng.normal(0, 6)), float(rng.normal(8, 7))),
    )


def _path(body: Body, view: View, breath: float) -> Points:
    x, z = view.grid()
    soft = soft_parts(body, x, z, breath, view.yaw)
    points = splat(view, *bones.inner_parts(body))
    return np.asarray(soft.water * WATER + ndimage.gaussian_filter(points, 0.5))


def _lung_places(body: Body) -> Points:
    """Places (n, 3) in the well-aired lung, a centimetre and more from its rim on the film."""
    straight = View(128, 2.8, 1800.0, 140.0, 0.0, 0.0, (0.0, 0.0))
    x, z = straight.grid()
    aired = soft_parts(body, x, z, 0.0, 0.0).lung
    inside = ndimage.binary_erosion(aired > 75, iterations=5)
    depth = inner_depth(body, z) * 0.45
    turn = np.sin(x * 0.37 + z * 0.61)
    return np.stack([x[inside], (depth * turn)[inside], z[inside]], axis=1)


def _draw_mimics(body: Body, places: Points, rng: np.random.Generator) -> dict[str, findings.Mark]:
    made = {
        "nipple": findings.nipples(body, rng),
        "vessel": findings.vessel_end_on(rng),
        "callus": findings.callus(body, rng),
        "granuloma": findings.granuloma(rng, places),
        "electrode": findings.electrodes(body, rng),
    }
    seen = rng.random(len(MIMICS))
    return {
        name: made[name]
        for (name, often), dice in zip(MIMICS.items(), seen, strict=True)
        if dice < often
    }


def _grow(opacity: findings.Opacity, millimetres: float) -> findings.Opacity:
    larger = round(opacity.diameter_mm + millimetres, 2)
    return findings.Opacity(
        opacity.place, larger, opacity.density, opacity.outline, opacity.edge_mm
    )


def _develop(path: Points, rng: np.random.Generator) -> Points:
    exposure = detector.draw_exposure(rng)
    grey = detector.present(detector.expose(path, exposure, rng), exposure)
    return _letter(_collimate(grey, rng), rng)


def _collimate(grey: Points, rng: np.random.Generator) -> Points:
    margins = np.where(rng.random(4) < 0.35, rng.integers(2, 11, 4), 0)
    top, bottom, left, right = (int(m) for m in margins)
    open_field = np.zeros_like(grey)
    open_field[top : SIZE - bottom, left : SIZE - right] = 1
    return grey * ndimage.gaussian_filter(open_field, 0.6) if margins.any() else grey


_LETTERS = {"L": ("#...", "#...", "#...", "#...", "#...", "####")}
_LETTERS["R"] = ("###.", "#..#", "#..#", "###.", "#.#.", "#..#")


def _letter(grey: Points, rng: np.random.Generator) -> Points:
    """A lead letter for the patient's side, as the radiographer laid it on the plate."""
    side = "L" if rng.random() < 0.5 else "R"
    shape = np.array([[c == "#" for c in line] for line in _LETTERS[side]], dtype=float)
    shape = ndimage.zoom(shape, 1.9, order=1)
    row = int(rng.integers(8, 30))
    column = int(rng.integers(8, 22))
    if side == "L":
        column = SIZE - column - shape.shape[1]
    grey = grey.copy()
    window = grey[row : row + shape.shape[0], column : column + shape.shape[1]]
    window[...] = np.maximum(window, 0.96 * np.clip(shape, 0, 1))
    return grey
