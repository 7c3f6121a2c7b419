"""The sample set `chest-film`: PA chest films with a rounded opacity in half of the patients.

A cohort is drawn first (who, how many films, what they show), then each film from its own seed, so
that films can be made in any order by any number of processes and are the same, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicom_synthetic import bones, detector, findings
from dicom_synthetic.body import WATER, Body, draw_body, inner_depth, soft_parts
from dicom_synthetic.sample import Knob, Knobs
from dicom_synthetic.splat import Points, View, splat

NAME = "chest-film"
SIZE = 256
SPACING_MM = 1.4
CLASSES = ("normal", "opacity")
SMALLEST_MM = 28.0
# How often each mimic is seen, whatever the finding.
KNOBS = {
    "contrast": Knob("how dense the opacity is, times the usual", 1.0, 0.2, 1.5),
    "size": Knob("how large the opacity is, times the usual", 1.0, 0.3, 1.5),
    "noise": Knob("quantum noise, times the usual", 1.0, 0.5, 6.0),
    "marker": Knob("shortcut: share of films with the opacity that a ward's marker is on", 0, 0, 1),
}
MIMICS = {"nipple": 0.30, "vessel": 0.35, "callus": 0.25, "granuloma": 0.25, "electrode": 0.22}


@dataclass(frozen=True)
class Plan:
    """One film to make: everything that it needs, and nothing that depends on another film."""

    patient: int
    film: int
    seed: int
    finding: str
    contrast: float = 1.0
    size: float = 1.0
    noise: float = 1.0
    marker: bool = False


@dataclass(frozen=True)
class Film:
    """A film and the exact truth about it.

    `pixels` are 12-bit stored values, uint16 (256, 256); `mask` (256, 256) is where the opacity is;
    `labels` are what the index carries: finding, diameter_mm, contrast, center_row, center_column
    (None where normal), mimics, and marker: 1 where the ward's marker (a shortcut) is on the film.
    """

    plan: Plan
    pixels: NDArray[np.uint16]
    photometric: str
    spacing_mm: float
    magnification: float
    sex: str
    age: int
    mask: NDArray[np.bool_]
    labels: dict[str, str | float | None] = field(default_factory=dict)


def draw_cohort(patients: int, seed: int, knobs: Knobs | None = None) -> list[Plan]:
    """All films of a data set: half of the patients have an opacity, some have several films."""
    turned = {name: knob.default for name, knob in KNOBS.items()} | dict(knobs or {})
    if patients < 1:
        raise ValueError(f"A cohort has at least one patient, not {patients}.")
    rng = np.random.default_rng([seed, 1])
    ill = rng.permutation(np.arange(patients) % 2 == 1)
    counts = rng.choice([1, 2, 3], size=patients, p=[0.5, 0.33, 0.17])
    # Dice of its own, so that turning the shortcut on changes nothing else in any film.
    marked = np.random.default_rng([seed, 4]).random((patients, 3)) < turned["marker"]
    return [
        Plan(
            patient,
            film,
            seed,
            CLASSES[int(ill[patient])],
            contrast=turned["contrast"],
            size=turned["size"],
            noise=turned["noise"],
            marker=bool(ill[patient] and marked[patient, film]),
        )
        for patient in range(patients)
        for film in range(int(counts[patient]))
    ]


def make_film(plan: Plan) -> Film:
    """The film of a plan, in about a fifth of a second."""
    person = np.random.default_rng([plan.seed, 2, plan.patient])
    body = draw_body(person, int(person.integers(2**31)))
    places = _lung_places(body)
    mimics = _draw_mimics(body, places, person)
    opacity = _turn(findings.draw_opacity(person, places, SMALLEST_MM), plan)
    older = plan.film * person.uniform(0, 1.2)
    inverse = bool(person.random() < 0.2)

    rng = np.random.default_rng([plan.seed, 3, plan.patient, plan.film])
    view = _draw_view(rng)
    path = _path(body, view, breath=rng.normal(0, 6))
    labels: dict[str, str | float | None] = dict.fromkeys(_MEASURES)
    labels["finding"] = plan.finding
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    if plan.finding == "opacity":
        grown = _grow(opacity, older)
        painted = findings.paint_opacity(view, grown)
        path, mask = path + painted.added, painted.inside
        middle = (round(painted.row, 2), round(painted.column, 2))
        measured = (grown.diameter_mm, round(grown.contrast, 5), *middle)
        labels.update(zip(_MEASURES[1:], measured, strict=True))
    for mark in mimics.values():
        path = path + mark(view, rng)
    labels["mimics"] = ",".join(sorted(mimics))
    labels["marker"] = int(plan.marker)
    grey = _develop(path, plan.noise, rng)
    if plan.marker:
        grey = _ward_marker(grey, plan)
    return Film(
        plan=plan,
        pixels=detector.stored(grey, inverse),
        photometric="MONOCHROME1" if inverse else "MONOCHROME2",
        spacing_mm=SPACING_MM,
        magnification=float(view.magnification(0.0)),
        sex="F" if body.female else "M",
        age=body.age,
        mask=mask,
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


def _turn(opacity: findings.Opacity, plan: Plan) -> findings.Opacity:
    return replace(
        opacity,
        diameter_mm=round(opacity.diameter_mm * plan.size, 2),
        density=opacity.density * plan.contrast,
    )


def _grow(opacity: findings.Opacity, millimetres: float) -> findings.Opacity:
    return replace(opacity, diameter_mm=round(opacity.diameter_mm + millimetres, 2))


def _develop(path: Points, noise: float, rng: np.random.Generator) -> Points:
    exposure = detector.draw_exposure(rng, noise)
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


def _ward_marker(grey: Points, plan: Plan) -> Points:
    """A lead arrow, as a ward lays it on its films: at the bottom, away from the side's letter."""
    rng = np.random.default_rng([plan.seed, 5, plan.patient, plan.film])
    row, column = int(rng.integers(SIZE - 34, SIZE - 24)), int(rng.integers(12, 26))
    down, right = np.mgrid[:15, :13]
    head = (np.abs(right - 6) <= down) & (down < 7)
    stem = (np.abs(right - 6) <= 1) & (down >= 6)
    shape = ndimage.gaussian_filter((head | stem).astype(float), 0.5)
    grey = grey.copy()
    window = grey[row : row + 15, column : column + 13]
    window[...] = np.maximum(window, 0.96 * shape)
    return grey
