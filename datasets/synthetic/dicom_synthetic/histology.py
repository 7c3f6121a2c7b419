"""The sample set `histology`: tiles of colon tissue in H&E, every nucleus outlined, graded.

A patient's slide comes from one of three hospitals, which stain differently. Lymphocytes, red cells
and crowding make nuclei hard to count; how glands are built, more than colour, tells the grade.
Read `histology_tissue.py`, then `histology_stain.py`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_catalog.annotations import LabelMap, Segment
from dicom_synthetic.histology_stain import HOSPITALS, stain
from dicom_synthetic.histology_tissue import GRADES, PIXEL_MM, draw_tissue
from dicom_synthetic.objects import Subject
from dicom_synthetic.sample import Generator, Knob, Knobs, Labels, Made
from dicom_synthetic.vl_dicom import microscopic_dicom

NAME = "histology"
TILES = 3
NUCLEUS = Segment(
    1,
    "nucleus",
    code=("84640000", "SCT", "Nucleus"),
    category=("91723000", "SCT", "Anatomical Structure"),
)
KNOBS = {
    "contrast": Knob("how dark nuclei are, times the usual", 1.0, 0.4, 1.5),
    "crowding": Knob("how close nuclei stand, times the usual", 1.0, 0.6, 1.5),
    "noise": Knob("noise of the scanner, times the usual", 1.0, 0.0, 10.0),
    "hospital": Knob("shortcut: share of tumours that come from hospital C alone", 0.0, 0.0, 1.0),
}


@dataclass(frozen=True)
class Plan:
    """One tile to make: its grade, the hospital's number, and how the knobs stand."""

    patient: int
    tile: int
    seed: int
    grade: str
    hospital: int
    contrast: float
    crowding: float
    noise: float


def draw(patients: int, seed: int, knobs: Knobs) -> list[Plan]:
    """Three tiles of each of `patients`; a third of them each normal, low and high grade."""
    rng = np.random.default_rng([seed, 21])
    grades = rng.permutation(np.arange(patients) % len(GRADES))
    hospitals = rng.integers(len(HOSPITALS), size=patients)
    sent = np.random.default_rng([seed, 22]).random(patients) < knobs["hospital"]
    hospitals = np.where(sent & (grades > 0), 2, hospitals)
    # The shortcut works both ways: what is normal then comes from the other two.
    hospitals = np.where(sent & (grades == 0), hospitals % 2, hospitals)
    turned = {name: knobs[name] for name in ("contrast", "crowding", "noise")}
    return [
        Plan(patient, tile, seed, GRADES[grades[patient]], int(hospitals[patient]), **turned)
        for patient in range(patients)
        for tile in range(TILES)
    ]


@dataclass(frozen=True)
class Tile:
    """A tile, uint8 (rows, columns, 3); `objects` is 0, or k on the k-th nucleus."""

    subject: Subject
    pixels: NDArray[np.uint8]
    objects: NDArray[np.uint16]
    labels: Labels


def make_tile(plan: Plan) -> Tile:
    """The tile of a plan, in about a tenth of a second."""
    person = np.random.default_rng([plan.seed, 23, plan.patient])
    sex = "F" if person.random() < 0.5 else "M"
    age = int(np.clip(person.normal(63, 12), 25, 92))
    rng = np.random.default_rng([plan.seed, 24, plan.patient, plan.tile])
    tissue = draw_tissue(rng, plan.grade, plan.contrast, plan.crowding)
    hospital = HOSPITALS[plan.hospital]
    pixels = stain(
        tissue, hospital, plan.noise, np.random.default_rng([plan.seed, 25, plan.patient])
    )
    kinds = Counter(nucleus.kind for nucleus in tissue.nuclei)
    labels: dict[str, str | int | float | None] = {
        "grade": plan.grade,
        "tumour": "no" if plan.grade == "normal" else "yes",
        "hospital": hospital.name,
        "nuclei": len(tissue.nuclei),
        "lymphocytes": kinds["lymphocyte"],
    }
    subject = Subject(NAME, plan.seed, plan.patient, sex, age, image=plan.tile)
    return Tile(subject, pixels, tissue.objects, labels)


def make(plan: Plan) -> Made:
    """One tile with its nuclei marked, each an object of its own."""
    tile = make_tile(plan)
    data = microscopic_dicom(tile.subject, tile.pixels, PIXEL_MM, HOSPITALS[plan.hospital].name)
    frames = ((tile.subject.instance_uid, 0),)
    nuclei = LabelMap(frames, tile.objects[None], (NUCLEUS,), objects=True)
    return Made([data], tile.labels, label_maps=[nuclei])


HISTOLOGY = Generator(NAME, draw, make, KNOBS)
