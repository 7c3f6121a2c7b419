"""What every sample set promises: exact marks, no label in a header, the same bytes."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml
from pydicom.dataset import Dataset

from dicom_synthetic import GENERATORS
from dicom_synthetic.marks import bounds
from dicom_synthetic.sample import Generator, Made

CARDS = Path(__file__).parents[2] / "datasets" / "cards"
# The volumes have tests of their own, which make fewer of them.
PICTURES = ("chest-film", "breast-us", "histology", "endoscopy")
_MADE: dict[str, list[Made]] = {}


def knobs(generator: Generator, **turned: float) -> dict[str, float]:
    return {name: float(knob.default) for name, knob in generator.knobs.items()} | turned


def made(name: str) -> list[Made]:
    """Six patients' first images, made once for all tests here."""
    if name not in _MADE:
        generator = GENERATORS[name]
        plans = generator.draw(6, 5, knobs(generator))
        firsts = {plan.patient: plan for plan in reversed(plans)}
        _MADE[name] = [generator.make(firsts[patient]) for patient in sorted(firsts)]
    return _MADE[name]


def header(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_each_set_has_a_card_of_its_name_and_knobs_within_their_range(name: str) -> None:
    generator = GENERATORS[name]
    card = yaml.safe_load((CARDS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert card["name"] == generator.name == name
    assert card["synthetic"] is True
    assert len(generator.knobs) >= 3
    for knob in generator.knobs.values():
        assert knob.low <= knob.default <= knob.high
        assert knob.help
    shortcuts = [knob for knob in generator.knobs.values() if knob.help.startswith("shortcut")]
    assert shortcuts and all(knob.default == 0 for knob in shortcuts)


@pytest.mark.parametrize("name", PICTURES)
def test_labels_and_marks_use_the_words_of_the_card(name: str) -> None:
    card = yaml.safe_load((CARDS / f"{name}.yaml").read_text(encoding="utf-8"))
    column, classes = card["target"]["column"], card["target"]["classes"]
    seen = {one.labels[column] for one in made(name)}
    assert seen <= set(classes) and len(seen) > 1
    named = {segment.name for one in made(name) for m in one.label_maps for segment in m.segments}
    named |= {box.name for one in made(name) for box in one.boxes}
    assert named == set(card["structures"])


@pytest.mark.parametrize("name", PICTURES)
def test_every_text_says_synthetic_and_none_says_the_label(name: str) -> None:
    card = yaml.safe_load((CARDS / f"{name}.yaml").read_text(encoding="utf-8"))
    told = [word for word in card["target"]["classes"] if word not in ("no", "yes", "low", "high")]
    for one in made(name):
        found = header(one.files[0])
        for keyword in ("PatientName", "StudyDescription", "SeriesDescription", "ImageComments"):
            assert "SYNTHETIC" in str(found[keyword].value)
        text = str(found).lower()
        assert not [word for word in [*told, *card["structures"]] if word in text]


@pytest.mark.parametrize("name", PICTURES)
def test_uids_are_valid_and_no_image_has_anothers(name: str) -> None:
    headers = [header(one.files[0]) for one in made(name)]
    assert len({found.SOPInstanceUID for found in headers}) == len(headers)
    assert len({found.StudyInstanceUID for found in headers}) == len(headers)
    for found in headers:
        uids = {found.SOPInstanceUID, found.SeriesInstanceUID, found.StudyInstanceUID}
        assert len(uids) == 3
        assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)


@pytest.mark.parametrize("name", PICTURES)
def test_marks_belong_to_their_image_and_boxes_are_the_masks_bounds(name: str) -> None:
    marked = 0
    for one in made(name):
        found = header(one.files[0])
        for label_map in one.label_maps:
            assert label_map.frames == ((found.SOPInstanceUID, 0),)
            assert label_map.values.shape == (1, found.Rows, found.Columns)
            marked += int(label_map.values.any())
        if one.boxes:
            edges = np.array([(b.left, b.top, b.right, b.bottom) for b in one.boxes])
            assert {box.instance_uid for box in one.boxes} == {found.SOPInstanceUID}
            around = (*edges[:, :2].min(0), *edges[:, 2:].max(0))
            assert around == bounds(one.label_maps[0].values[0] > 0)
    assert marked > 1


@pytest.mark.parametrize("name", PICTURES)
def test_pixels_use_their_range_and_are_no_flat_picture(name: str) -> None:
    for one in made(name):
        pixels = header(one.files[0]).pixel_array
        assert pixels.dtype == (np.uint16 if name == "chest-film" else np.uint8)
        # A silent NaN becomes one value all over when it is cast to whole numbers.
        assert len(np.unique(pixels)) > 100
        assert pixels.std() > 0.05 * (4095 if name == "chest-film" else 255)


@pytest.mark.parametrize("name", PICTURES)
def test_another_seed_gives_other_pictures(name: str) -> None:
    generator = GENERATORS[name]
    other = generator.make(generator.draw(6, 6, knobs(generator))[0])
    ours = header(made(name)[0].files[0])
    theirs = header(other.files[0])
    assert ours.SOPInstanceUID != theirs.SOPInstanceUID
    assert ours.PixelData != theirs.PixelData


@pytest.mark.parametrize("name", PICTURES)
def test_a_cohort_of_more_keeps_no_secret_of_its_order(name: str) -> None:
    generator = GENERATORS[name]
    plans = generator.draw(6, 5, knobs(generator))
    # The last plan made alone is as it is after all others.
    assert generator.make(plans[0]).files[0] == made(name)[0].files[0]


def test_another_process_makes_the_same_bytes() -> None:
    program = (
        "import hashlib; from dicom_synthetic import GENERATORS\n"
        f"for name in {PICTURES}:\n"
        "    one = GENERATORS[name]\n"
        "    plan = one.draw(6, 5, {n: float(k.default) for n, k in one.knobs.items()})[0]\n"
        "    print(hashlib.sha256(one.make(plan).files[0]).hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    ours = [hashlib.sha256(made(name)[0].files[0]).hexdigest() for name in PICTURES]
    assert done.stdout.split() == ours


@pytest.mark.parametrize("name", PICTURES)
def test_dciodvfy_finds_no_error(name: str, tmp_path: Path) -> None:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not here; Debian's dicom3tools has it")
    path = tmp_path / "one.dcm"
    path.write_bytes(made(name)[0].files[0])
    done = subprocess.run([program, "-new", path], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    assert [line for line in said if line.startswith("Error")] == []


@pytest.mark.parametrize(
    ("name", "knob", "column", "finding"),
    [
        ("chest-film", "marker", "marker", ("finding", "opacity")),
        ("breast-us", "calipers", "calipers", ("pathology", "malignant")),
        ("endoscopy", "forceps", "forceps", ("polyp", "yes")),
        ("chest-ct", "bead", "bead", ("nodules", "yes")),
        ("brain-mr", "capsule", "capsule", ("tumour", "yes")),
    ],
)
def test_a_shortcut_at_full_strength_goes_with_the_finding(
    name: str, knob: str, column: str, finding: tuple[str, str]
) -> None:
    generator = GENERATORS[name]
    plans = generator.draw(5, 8, knobs(generator, **{knob: 1.0}))
    planted = [generator.make(plan).labels for plan in plans]
    ill = [labels[column] for labels in planted if labels[finding[0]] == finding[1]]
    assert ill and all(value == 1 for value in ill)
    assert not all(labels[column] for labels in planted)


def test_stain_is_a_shortcut_only_where_the_knob_says_so() -> None:
    generator = GENERATORS["histology"]
    for strength in (0.0, 1.0):
        plans = generator.draw(60, 3, knobs(generator, hospital=strength))
        from_c = {plan.hospital == 2 for plan in plans if plan.grade != "normal"}
        assert from_c == ({True} if strength else {True, False})
