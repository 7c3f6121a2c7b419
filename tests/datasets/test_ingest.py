"""Importing a teacher's folder: what is taken, what is left out and why, and what is refused."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom.uid import SecondaryCaptureImageStorage

from dicom_archive.errors import (
    AlreadyPublished,
    ArchiveError,
    BadLabels,
    NotDeclared,
    NothingToPublish,
)
from dicom_archive.ingest import Options, Report, import_images
from dicom_archive.splits import leaks
from dicom_archive.store import Store
from dicom_archive.wrap import Fields
from dicom_catalog import Catalog, Dataset
from dicom_synthetic import draw_cohort, film_dicom, make_film

NOON = "2026-01-01T12:00:00Z"
HANNOVER = Path(__file__).parents[3] / "shared" / "data" / "chest-film"


def take(store: Store, folder: Path, options: Options) -> tuple[Report, Dataset]:
    report = import_images(store, folder, options, published=NOON)
    return report, Catalog(store.visible)[f"{options.name}@{options.version}"]


def refused(store: Store, folder: Path, options: Options, kind: type[ArchiveError]) -> str:
    with pytest.raises(kind) as found:
        import_images(store, folder, options, published=NOON)
    assert not (store.visible / options.name).exists()
    return str(found.value)


def test_pictures_come_back_pixel_for_pixel_with_their_labels(
    store: Store, pictures: Path, options: Options
) -> None:
    report, dataset = take(store, pictures, options)
    assert report.left_out == []
    table = pd.read_csv(pictures / "labels.csv")
    assert len(dataset) == len(table) == 12
    by_age = {image.labels["age"]: image for image in dataset}
    for _, row in table.iterrows():
        image = by_age[row["age"]]
        assert np.array_equal(image.pixels, np.asarray(Image.open(pictures / row["file"])))
        assert (image.label, image.patient_id) == (row["kind"], row["patient_id"])
    assert dataset.classes == ("a", "b")
    assert dataset.card.deidentified == "Declared de-identified by who imported it."


def test_no_patient_is_in_two_splits(store: Store, pictures: Path, options: Options) -> None:
    _, dataset = take(store, pictures, options)
    table = dataset.table()
    assert leaks(list(zip(table["patient_id"], table["split"], strict=True))) == []
    assert set(dataset.splits) == {"train", "validation", "test"}


def test_without_the_declaration_nothing_is_imported(
    store: Store, pictures: Path, undeclared: Options
) -> None:
    assert "--declare-deidentified" in refused(store, pictures, undeclared, NotDeclared)


def test_broken_files_are_named_and_left_out(
    store: Store, pictures: Path, options: Options
) -> None:
    whole = (pictures / "p03.png").read_bytes()
    (pictures / "p03.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "p04.png").write_bytes(b"")
    (pictures / "p05.png").write_text("not a picture")
    (pictures / "notes.txt").write_text("by hand")
    report, dataset = take(store, pictures, options)
    reasons = dict(report.left_out)
    assert "no readable picture" in reasons["p03.png"]
    assert reasons["p04.png"] == "it is empty"
    assert "is no PNG or JPEG" in reasons["p05.png"]
    assert len(dataset) == 9
    assert report.other_files == 1  # the notes; the table was read


def test_an_image_without_a_row_or_a_target_is_named_and_left_out(
    store: Store, pictures: Path, options: Options
) -> None:
    table = pd.read_csv(pictures / "labels.csv").iloc[1:]
    table.loc[table["file"] == "p05.png", "kind"] = None
    table.to_csv(pictures / "labels.csv", index=False)
    report, dataset = take(store, pictures, options)
    reasons = dict(report.left_out)
    assert reasons["p00.png"] == "labels.csv has no row for it"
    assert reasons["p05.png"] == "its row in labels.csv has no 'kind'"
    assert len(dataset) == 10


def test_rows_that_name_no_image_are_counted(
    store: Store, pictures: Path, options: Options
) -> None:
    (pictures / "p11.png").unlink()
    report, _ = take(store, pictures, options)
    assert report.rows_without_image == 1


@pytest.mark.parametrize("broken", [False, True])
def test_a_folder_without_a_usable_image_is_refused(
    store: Store, tmp_path: Path, options: Options, broken: bool
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "labels.csv").write_text("file,patient_id,kind\na.png,p,x\n")
    if broken:
        (folder / "a.png").write_bytes(b"")
    said = refused(store, folder, options, NothingToPublish)
    assert ("it is empty" in said) if broken else ("There is no image" in said)


def test_a_folder_that_does_not_exist_is_refused(store: Store, options: Options) -> None:
    said = refused(store, Path("/nowhere/at/all"), options, NothingToPublish)
    assert "There is no folder /nowhere/at/all" in said


def test_a_wrong_target_names_the_nearest_column(
    store: Store, pictures: Path, options: Options
) -> None:
    said = refused(store, pictures, replace(options, target="kindd"), BadLabels)
    assert "Did you mean 'kind'?" in said


def test_a_target_that_is_no_class_is_refused(
    store: Store, make_pictures: Callable[..., Path], options: Options
) -> None:
    folder = make_pictures([(f"p{k}.png", f"P{k}", "ab"[k % 2]) for k in range(25)])
    said = refused(store, folder, replace(options, target="age"), BadLabels)
    assert "25 different values" in said


def test_a_table_that_names_no_image_says_how_images_are_named(
    store: Store, pictures: Path, options: Options
) -> None:
    table = pd.read_csv(pictures / "labels.csv")
    table["file"] = "other-" + table["file"]
    table.drop(columns="patient_id").to_csv(pictures / "labels.csv", index=False)
    said = refused(store, pictures, replace(options, image_is_patient=True), BadLabels)
    assert "p00.png" in said and "--file-column" in said


def test_pictures_without_a_patient_column_are_refused(
    store: Store, pictures: Path, options: Options
) -> None:
    table = pd.read_csv(pictures / "labels.csv").rename(columns={"patient_id": "who"})
    table.to_csv(pictures / "labels.csv", index=False)
    said = refused(store, pictures, options, BadLabels)
    assert "--patient-column" in said and "--image-is-patient" in said
    _, dataset = take(store, pictures, replace(options, patient_column="who"))
    assert len(dataset.patients) == 6
    _, dataset = take(store, pictures, replace(options, image_is_patient=True, version="2.0.0"))
    assert len(dataset.patients) == 12


def test_no_table_and_two_tables_are_refused(
    store: Store, pictures: Path, options: Options
) -> None:
    shutil.copy(pictures / "labels.csv", pictures / "more.csv")
    assert "2 CSV tables" in refused(store, pictures, options, BadLabels)
    for table in pictures.glob("*.csv"):
        table.unlink()
    assert "no CSV table" in refused(store, pictures, options, BadLabels)


def test_importing_again_changes_nothing_and_other_images_are_refused(
    store: Store, pictures: Path, options: Options
) -> None:
    first, _ = take(store, pictures, options)
    second = import_images(store, pictures, options, published="2027-01-01T00:00:00Z")
    assert first.published and second.published
    assert (first.published.root, second.published.new) == (second.published.root, False)
    Image.new("L", (8, 8)).save(pictures / "p00.png")
    with pytest.raises(AlreadyPublished, match=r"--version 1\.1\.0"):
        import_images(store, pictures, options, published=NOON)
    assert Catalog(store.visible).versions("mine") == ["1.0.0"]


def test_columns_called_like_the_indexs_own_are_prefixed(
    store: Store, pictures: Path, options: Options
) -> None:
    table = pd.read_csv(pictures / "labels.csv").assign(rows=7, modality="CR")
    table.to_csv(pictures / "labels.csv", index=False)
    _, dataset = take(store, pictures, replace(options, target="kind"))
    assert dataset[0].labels["label_rows"] == 7
    assert dataset[0].rows == 12
    assert set(dataset.table()["modality"]) == {"CR"}


@pytest.mark.parametrize(
    ("mode", "dtype", "shape"),
    [("L", "uint8", (12, 17)), ("RGB", "uint8", (12, 17, 3)), ("I;16", "uint16", (12, 17))],
)
def test_each_kind_of_picture_keeps_its_values(
    store: Store, pictures: Path, options: Options, mode: str, dtype: str, shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(1)
    for path in pictures.glob("*.png"):
        values = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
        Image.fromarray(values).save(path)
    _, dataset = take(store, pictures, options)
    expected = {np.asarray(Image.open(path)).tobytes() for path in pictures.glob("*.png")}
    assert {image.pixels.tobytes() for image in dataset} == expected
    assert dataset[0].pixels.shape == shape
    images, _ = dataset.arrays(size=8)
    assert images.shape == (12, 3 if mode == "RGB" else 1, 8, 8)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (Fields("DX", "CHEST", "PA", "U", 0.143), "Digital X-Ray"),
        (Fields("OT"), "Secondary Capture"),
    ],
    ids=["radiograph", "capture"],
)
def test_wrapped_pictures_are_valid_objects(
    store: Store, pictures: Path, options: Options, fields: Fields, kind: str
) -> None:
    options = replace(options, fields=fields, modality=fields.modality)
    _, dataset = take(store, pictures, options)
    image = dataset[0]
    assert kind in image.dicom().SOPClassUID.name
    assert image.spacing == ((0.143, 0.143) if fields.pixel_spacing else None)
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not here; Debian's dicom3tools has it")
    done = subprocess.run([program, "-new", image.path], capture_output=True, text=True)
    said = (done.stdout + done.stderr).splitlines()
    assert [line for line in said if line.startswith("Error")] == []


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """DICOM films of five patients without preceding order, with a table by UID."""
    folder = tmp_path / "films"
    folder.mkdir()
    rows = []
    for number, plan in enumerate([p for p in draw_cohort(5, seed=41) if p.film == 0]):
        film = make_film(plan)
        data = film_dicom(film)
        (folder / f"IM{number}").write_bytes(data)
        rows.append((pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID, film.labels["finding"]))
    pd.DataFrame(rows, columns=["uid", "kind"]).to_csv(folder / "t.csv", index=False)
    return folder


def test_dicom_files_are_found_without_an_ending_and_matched_by_uid(
    store: Store, films: Path, options: Options
) -> None:
    report, dataset = take(store, films, options)
    assert len(dataset) == 5
    assert report.not_marked_deidentified == 5
    originals = {pydicom.dcmread(p).SOPInstanceUID: p for p in films.glob("IM*")}
    for image in dataset:
        assert image.path.read_bytes() == originals[image.uid].read_bytes()


def test_dicom_files_are_matched_by_patient_where_the_table_names_patients(
    store: Store, films: Path, options: Options
) -> None:
    who = [str(pydicom.dcmread(path).PatientID) for path in sorted(films.glob("IM*"))]
    table = pd.DataFrame({"who": who, "kind": ["a", "b", "a", "b", "a"]})
    table.to_csv(films / "t.csv", index=False)
    _, dataset = take(store, films, options)
    assert {i.patient_id: i.label for i in dataset} == dict(zip(who, table["kind"], strict=True))


def test_copies_and_other_bytes_under_one_uid_are_named_never_overwritten(
    store: Store, films: Path, options: Options
) -> None:
    shutil.copy(films / "IM0", films / "copy")
    other = pydicom.dcmread(films / "IM1")
    other.PatientAge = "001Y"
    other.save_as(films / "other")
    report, dataset = take(store, films, options)
    reasons = dict(report.left_out)
    assert reasons["copy"] == "it is a copy of IM0"
    assert reasons["other"] == "it is another image with the UID of IM1"
    assert len(dataset) == 5


def test_a_broken_dicom_file_is_named_and_left_out(
    store: Store, films: Path, options: Options
) -> None:
    data = (films / "IM2").read_bytes()
    (films / "IM2").write_bytes(data[:-100])
    (films / "text.dcm").write_text("no")
    report, dataset = take(store, films, options)
    assert set(dict(report.left_out)) == {"IM2", "text.dcm"}
    assert len(dataset) == 4


@pytest.mark.shared_data
def test_the_films_of_hannover_come_in_with_one_command(store: Store) -> None:
    if not HANNOVER.is_dir():
        pytest.skip("the chest films of shared/data are not here")
    options = Options(
        name="chest-film-hannover", version="1.0.0", target="projection", declared=True
    )
    report, dataset = take(store, HANNOVER, options)
    table = pd.read_csv(HANNOVER / "data.csv", dtype={"image_id": str, "patient_id": str})
    assert report.left_out == []
    assert (len(dataset), len(dataset.patients)) == (243, 71)
    assert (dataset.target, dataset.classes) == ("projection", ("ap", "pa"))
    assert dict(dataset.table()["projection"].value_counts()) == {"ap": 194, "pa": 49}
    assert dataset.table()["projection"].groupby(dataset.table()["split"]).nunique().min() == 2
    row = table.iloc[100]
    expected = np.asarray(Image.open(HANNOVER / "png" / f"{row['image_id']}.png"))
    same = [
        i for i in dataset.where(patient_id=row["patient_id"]) if i.pixels.shape == expected.shape
    ]
    assert any(np.array_equal(image.pixels, expected) for image in same)
    assert {str(image.dicom().SOPClassUID) for image in dataset.where(modality="CR")} == {
        str(SecondaryCaptureImageStorage)
    }
    images, labels = dataset.split("test").arrays(size=32)
    assert images.shape[1:] == (1, 32, 32) and images.shape[0] == len(labels)
