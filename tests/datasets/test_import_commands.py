"""The commands of the archive's README, run on a part of the real images that they name."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from dicom_archive.store import Store
from dicom_catalog import Catalog, Dataset
from hub_config.cli.__main__ import main

README = Path(__file__).parents[2] / "datasets" / "archive" / "README.md"
COMMANDS = {
    found[1].split("/")[-1].split()[0]: found[0]
    for found in re.findall(r"`\./radlab (dataset import [^`]*(DATA/[^`]*))`", README.read_text())
}
# How many files of each kind are enough to see that the command works.
FEW = 9
Said = pytest.CaptureFixture[str]


def copy_some(folder: Path, target: Path) -> Path:
    """The first files of each folder and ending, with all that lies beside them."""
    for inner in [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]:
        here = sorted(path for path in inner.iterdir() if path.is_file())
        place = target / inner.relative_to(folder)
        place.mkdir(parents=True, exist_ok=True)
        for ending in {path.suffix for path in here}:
            for path in [path for path in here if path.suffix == ending][: 2 * FEW]:
                shutil.copy(path, place)
    return target


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADLAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def run(name: str, shared_data: Path, tmp_path: Path, state: Path) -> Dataset:
    some = copy_some(shared_data / name, tmp_path / "DATA" / name)
    words = shlex.split(COMMANDS[name].replace(f"DATA/{name}", str(some)))
    assert main([*words, "--declare-deidentified"]) == 0
    return Catalog(Store(state / "datasets").visible)[words[2]]


def test_the_readme_has_a_command_for_each_folder_of_real_images() -> None:
    assert set(COMMANDS) == {"chest-film", "blood-cells", "nuclei", "brain-mr", "seg-sr"}


@pytest.mark.shared_data
def test_chest_films_come_in_by_their_table(
    shared_data: Path, tmp_path: Path, state: Path, capsys: Said
) -> None:
    dataset = run("chest-film", shared_data, tmp_path, state)
    assert (len(dataset), dataset.target) == (2 * FEW, "projection")
    assert "rows of the table name no image here" in capsys.readouterr().err


@pytest.mark.shared_data
def test_blood_cells_come_in_with_their_boxes_and_these_go_out_as_voc(
    shared_data: Path, tmp_path: Path, state: Path
) -> None:
    dataset = run("blood-cells", shared_data, tmp_path, state)
    assert set(dataset.card.structures) <= {"RBC", "WBC", "Platelets"}
    assert main(["dataset", "export", "blood-cells", str(tmp_path / "out"), "--as", "voc"]) == 0
    for image in dataset:
        name = Path(str(image.labels["source_file"])).stem
        given = ElementTree.parse(shared_data / "blood-cells" / "Annotations" / f"{name}.xml")
        back = ElementTree.parse(tmp_path / "out" / "JPEGImages" / f"{name}.xml")
        assert _objects(back) == _objects(given) != []


def _objects(tree: ElementTree.ElementTree[Any]) -> list[list[tuple[str, str | None]]]:
    return [
        [(one.tag, one.text) for one in found.iter() if one.text and one.text.strip()]
        for found in tree.iterfind("object")
    ]


@pytest.mark.shared_data
def test_nuclei_come_in_with_their_masks_and_these_go_out_value_by_value(
    shared_data: Path, tmp_path: Path, state: Path, capsys: Said
) -> None:
    dataset = run("nuclei", shared_data, tmp_path, state)
    assert len(dataset) == FEW
    capsys.readouterr()
    words = ["export", "nuclei", str(tmp_path / "out"), "--as", "png", "--json"]
    assert main(["dataset", *words]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == FEW
    for path in (tmp_path / "out").glob("*_labels.png"):
        given = np.asarray(Image.open(shared_data / "nuclei" / path.name))
        assert np.array_equal(np.asarray(Image.open(path)), given)


@pytest.mark.shared_data
def test_mr_slices_come_in_as_they_are(shared_data: Path, tmp_path: Path, state: Path) -> None:
    dataset = run("brain-mr", shared_data, tmp_path, state)
    assert (len(dataset), dataset.card.task, dataset[0].modality) == (2 * FEW, "exploration", "MR")


@pytest.mark.shared_data
def test_others_dicom_comes_in_and_a_uid_with_other_bytes_is_named(
    shared_data: Path, tmp_path: Path, state: Path, capsys: Said
) -> None:
    shutil.copytree(shared_data / "seg-sr", tmp_path / "DATA" / "seg-sr")
    dataset = run("seg-sr", shared_data, tmp_path, state)
    said = capsys.readouterr().err
    # Two files of highdicom's tests have one UID and different pixels.
    assert "sm_image_control.dcm: it is another image with the UID of" in said
    assert "rwvm.dcm" in said and len(dataset) == 12
    assert {"Liver", "Aorta"} <= set(dataset.card.structures)


@pytest.mark.shared_data
def test_labels_that_a_format_cannot_hold_are_refused(
    shared_data: Path, tmp_path: Path, state: Path, capsys: Said
) -> None:
    run("brain-mr", shared_data, tmp_path, state)
    words = ["export", "brain-mr-anon", str(tmp_path / "out"), "--as", "nifti"]
    assert main(["dataset", *words]) != 0
    assert "no labels that nifti can hold" in capsys.readouterr().err
