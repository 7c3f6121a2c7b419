"""The films as DICOM objects: valid, marked SYNTHETIC, with geometry and without the label."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicom_archive.store import Published
from dicom_synthetic import Film, draw_cohort, film_dicom, make_film


@pytest.fixture(scope="module")
def films() -> list[Film]:
    found = [make_film(plan) for plan in draw_cohort(6, seed=21)]
    assert {film.photometric for film in found} == {"MONOCHROME1", "MONOCHROME2"}
    return found


@pytest.fixture(scope="module")
def objects(films: list[Film]) -> list[Dataset]:
    return [pydicom.dcmread(io.BytesIO(film_dicom(film))) for film in films]


def test_pixels_come_back_as_they_were(films: list[Film], objects: list[Dataset]) -> None:
    for film, found in zip(films, objects, strict=True):
        assert np.array_equal(found.pixel_array, film.pixels)
        assert found.PhotometricInterpretation == film.photometric


def test_every_text_says_synthetic_and_none_says_the_label(objects: list[Dataset]) -> None:
    for found in objects:
        for keyword in ("PatientName", "StudyDescription", "SeriesDescription", "ImageComments"):
            assert "SYNTHETIC" in str(found[keyword].value)
        text = str(found).lower()
        assert "opacity" not in text and "normal" not in text


def test_spacing_is_the_detectors_and_at_the_patient(
    films: list[Film], objects: list[Dataset]
) -> None:
    for film, found in zip(films, objects, strict=True):
        assert float(found.ImagerPixelSpacing[0]) == film.spacing_mm
        at_patient = film.spacing_mm / film.magnification
        assert float(found.PixelSpacing[0]) == pytest.approx(at_patient, abs=1e-6)
        assert at_patient < film.spacing_mm


def test_uids_are_valid_and_no_two_are_equal(objects: list[Dataset]) -> None:
    uids = [
        uid
        for found in objects
        for uid in (found.SOPInstanceUID, found.SeriesInstanceUID, found.StudyInstanceUID)
    ]
    assert len(set(uids)) == len(uids)
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)


def test_dciodvfy_finds_no_error(sample: Published) -> None:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not here; Debian's dicom3tools has it")
    paths = sorted(sample.folder.rglob("*.dcm"))
    assert errors(program, paths) == []


def errors(program: str, paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        done = subprocess.run([program, "-new", path], capture_output=True, text=True, check=False)
        said = (done.stdout + done.stderr).splitlines()
        found += [f"{path.name}: {line}" for line in said if line.startswith("Error")]
    return found
