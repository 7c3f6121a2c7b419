"""What a notebook sees: the catalog, a dataset, its table, its arrays, and errors that help."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dicom_archive.store import Published
from dicom_catalog import Catalog, CatalogError, Dataset
from dicom_catalog.errors import NotAVolume, NotMounted, NotReadable, Withdrawn
from dicom_catalog.layout import TABLES


@pytest.fixture
def catalog(sample: Published) -> Catalog:
    return Catalog(sample.folder.parents[1])


@pytest.fixture
def films(catalog: Catalog) -> Dataset:
    return catalog["chest-film"]


def test_the_catalog_finds_what_is_mounted_without_an_argument(
    sample: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADLAB_DATASETS", str(sample.folder.parents[1]))
    catalog = Catalog()
    assert list(catalog) == catalog.names == ["chest-film"]
    assert "chest-film" in catalog and len(catalog) == 1


def test_a_version_is_named_or_the_newest(catalog: Catalog) -> None:
    (version,) = catalog.versions("chest-film")
    assert catalog[f"chest-film@{version}"].version == catalog["chest-film"].version == version


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda c: c["chest-flim"], "Did you mean 'chest-film'"),
        (lambda c: c["chest-film@1.1"], "Did you mean '1.1.0'"),
        (lambda c: c["chest-film"].split("vaildation"), "Did you mean 'validation'"),
        (lambda c: c["chest-film"].column("diamter_mm"), "Did you mean 'diameter_mm'"),
        (lambda c: c["chest-film"].where(finding="opacty"), "Did you mean 'opacity'"),
        (lambda c: c["chest-film"].where(findng="opacity"), "Did you mean 'finding'"),
        (lambda c: c["chest-film"].arrays(target="findng"), "Did you mean 'finding'"),
        (lambda c: c["chest-film"].image("1.2.3"), "There is no image"),
        (lambda c: c["chest-film"][10_000], "numbered from 0 to"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_name_names_the_nearest(
    catalog: Catalog, ask: Callable[[Catalog], object], said: str
) -> None:
    with pytest.raises(CatalogError, match=said):
        ask(catalog)


def test_a_missing_mount_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotMounted, match="launch page"):
        Catalog(tmp_path / "none")
    with pytest.raises(NotMounted, match="dataset generate"):
        Catalog(tmp_path)["chest-film"]


def test_the_table_has_a_row_an_image_with_its_labels_and_a_path_that_exists(
    films: Dataset,
) -> None:
    table = films.table()
    assert len(table) == len(films)
    for name in ("patient_id", "split", "finding", "diameter_mm", "instance_uid", "series_uid"):
        assert name in table.columns
    assert all(Path(path).is_file() for path in table["path"])
    has = table["finding"] == "opacity"
    assert table.loc[has, "diameter_mm"].notna().all()
    assert table.loc[~has, "diameter_mm"].isna().all()


def test_changing_the_table_changes_nothing_else(films: Dataset) -> None:
    table = films.table()
    table["split"] = "mine"
    assert "mine" not in films.splits


def test_splits_are_parts_that_share_no_patient_and_make_the_whole(films: Dataset) -> None:
    parts = [films.split(name) for name in films.splits]
    assert sum(len(part) for part in parts) == len(films)
    patients = [set(part.patients) for part in parts]
    assert sum(map(len, patients)) == len(set.union(*patients)) == len(films.patients)
    assert {image.split for image in films.split("test")} == {"test"}


def test_where_takes_several_columns(films: Dataset) -> None:
    some = films.where(finding="opacity", split="train")
    assert {(image.label, image.split) for image in some} == {("opacity", "train")}


def test_an_image_has_pixels_geometry_and_labels_as_pydicom_reads_them(films: Dataset) -> None:
    for image in films:
        found = image.dicom()
        assert np.array_equal(image.pixels, found.pixel_array)
        assert image.spacing == tuple(map(float, found.PixelSpacing))
        assert (image.rows, image.columns) == (found.Rows, found.Columns)
        assert (image.uid, image.patient_id) == (found.SOPInstanceUID, found.PatientID)
        assert image.photometric == found.PhotometricInterpretation
        assert films.image(image.uid).path == image.path


def test_bone_is_white_whatever_the_file_says(films: Dataset) -> None:
    assert {image.photometric for image in films} == {"MONOCHROME1", "MONOCHROME2"}
    for image in films:
        grey = image.windowed()
        assert grey.dtype == np.float32
        assert (grey.min(), grey.max()) == (pytest.approx(0, abs=0.1), pytest.approx(1, abs=0.1))
        assert grey[90:160, 118:138].mean() > grey[90:160, 60:90].mean()


def test_pixels_may_be_changed_without_changing_the_next_read(films: Dataset) -> None:
    image = films[0]
    image.pixels[:] = 0
    assert image.pixels.any()


@pytest.mark.parametrize("size", [16, 48, 256, 300])
def test_arrays_are_ready_for_training_in_the_order_of_the_table(films: Dataset, size: int) -> None:
    steps: list[tuple[int, int]] = []
    images, labels = films.arrays(size, progress=lambda done, total: steps.append((done, total)))
    assert images.shape == (len(films), 1, size, size)
    assert images.dtype == np.float32 and labels.dtype == np.int64
    assert np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1
    assert [films.classes[k] for k in labels] == list(films.table()["finding"])
    assert steps[-1] == (len(films), len(films))
    for number in (0, len(films) - 1):
        assert images[number].mean() == pytest.approx(films[number].windowed().mean(), abs=0.01)


def test_arrays_take_another_column_as_the_target(films: Dataset) -> None:
    _, labels = films.arrays(8, target="photometric")
    assert set(labels) == {0, 1}
    assert list(labels) == [int(image.photometric[-1]) - 1 for image in films]


def test_the_card_speaks_the_sessions_language(
    films: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADLAB_LANGUAGE", "zh_CN")
    assert films.card.title == "有或无类圆形阴影的胸片"
    assert films.card.target is not None
    assert films.card.target.name("opacity") == "类圆形阴影"
    assert films.card.target.name("opacity", "en") == "rounded opacity"
    assert films.card.target.number("opacity") == 1


def test_pages_show_catalog_and_dataset_readably(catalog: Catalog, films: Dataset) -> None:
    for text in (repr(catalog), catalog._repr_html_(), repr(films), films._repr_html_()):
        assert "chest-film" in text and "opacity" in text
    assert "<table>" in films._repr_html_()
    assert "patient SYN" in repr(films[0])


@pytest.fixture
def copied(sample: Published, tmp_path: Path) -> Path:
    folder = tmp_path / "chest-film" / sample.folder.name
    shutil.copytree(sample.folder, folder)
    for inner, _, names in os.walk(folder):
        os.chmod(inner, 0o755)
        for name in names:
            os.chmod(Path(inner, name), 0o644)
    return folder


def test_a_damaged_version_is_refused_with_what_to_do(copied: Path) -> None:
    catalog = Catalog(copied.parents[1])
    image = catalog["chest-film"][0]
    image.path.write_bytes(image.path.read_bytes()[:5000])
    with pytest.raises(NotReadable, match="dataset verify"):
        _ = image.pixels
    (copied / "card.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(NotReadable, match="no card"):
        _ = catalog["chest-film"]
    (copied / "index.sqlite").write_bytes(b"no index")
    with pytest.raises(NotReadable, match="cannot be read"):
        _ = catalog["chest-film"]


def test_an_index_of_a_newer_layout_is_refused(copied: Path) -> None:
    connection = sqlite3.connect(copied / "index.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(NotReadable, match="index layout 99"):
        _ = Catalog(copied.parents[1])["chest-film"]


def test_other_files_and_folders_in_the_mount_are_no_datasets(copied: Path) -> None:
    root = copied.parents[1]
    (root / "notes.txt").write_text("x")
    (root / "empty").mkdir()
    (copied.parent / "draft").mkdir()
    assert Catalog(root).names == ["chest-film"]
    assert Catalog(root).versions("chest-film") == [copied.name]


def withdraw(folder: Path, **more: str) -> None:
    """Leave of a version what the archive leaves of one that it takes back."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "card.json":
            path.unlink()
    content = {"reason": "Two patients were one.", "when": "2026-02-03T10:00:00Z", **more}
    (folder / "withdrawn.json").write_text(json.dumps(content))


def test_a_withdrawn_version_is_named_and_refused_with_the_reason(copied: Path) -> None:
    newer = copied.with_name("9.0.0")
    shutil.copytree(copied, newer)
    withdraw(copied)
    catalog = Catalog(copied.parents[1])
    said = r"withdrawn on 2026-02-03: Two patients were one\. Use chest-film@9\.0\.0"
    with pytest.raises(Withdrawn, match=said):
        _ = catalog[f"chest-film@{copied.name}"]
    assert catalog["chest-film"].folder == newer
    assert catalog.versions("chest-film") == ["9.0.0"]
    assert catalog.withdrawn("chest-film") == {copied.name: "Two patients were one."}
    assert f"{copied.name} (withdrawn), 9.0.0" in repr(catalog)


def test_a_dataset_of_which_all_is_withdrawn_is_named_and_refused(copied: Path) -> None:
    withdraw(copied, instead="chest-film-new@1.0.0")
    catalog = Catalog(copied.parents[1])
    assert catalog.names == ["chest-film"] and catalog.versions("chest-film") == []
    with pytest.raises(Withdrawn, match=r"Use chest-film-new@1\.0\.0"):
        _ = catalog["chest-film"]
    assert "(withdrawn)" in repr(catalog)


def make_layout_1(folder: Path) -> None:
    """The index as the first versions have it: a row an image, without series and frames."""
    connection = sqlite3.connect(folder / "index.sqlite")
    for table in set(TABLES) - {"images"}:
        connection.execute(f"DROP TABLE {table}")
    for column in ("number_of_frames", "pixel_keyword", "lossy", "suv_factor", "sha256"):
        connection.execute(f"ALTER TABLE images DROP COLUMN {column}")
    for column in ("rescale_type", "frame_seconds"):
        connection.execute(f"ALTER TABLE images DROP COLUMN {column}")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()


def test_a_version_of_the_first_layout_stays_readable(copied: Path, films: Dataset) -> None:
    make_layout_1(copied)
    old = Catalog(copied.parents[1])["chest-film"]
    assert list(old.table().columns) == list(films.table().columns)
    assert np.array_equal(old[0].pixels, films[0].pixels)
    assert np.array_equal(old.arrays(16)[0], films.arrays(16)[0])
    assert len(old.series) == len(films.series) == len(old.series_table())
    for series, other in zip(old.series, films.series, strict=True):
        assert np.array_equal(series.array(), other.array()) and series.kind == "images"
    assert old[0].masks() == {} and old[0].boxes() == []
    with pytest.raises(NotAVolume, match="older RadLab"):
        old.series[0].affine()


def test_masks_and_boxes_lie_on_their_image(films: Dataset) -> None:
    for image in films.where(finding="opacity"):
        (mask,) = image.masks().values()
        assert mask.shape == image.pixels.shape and mask.any()
        label_map = image.label_map()
        assert label_map is not None and np.array_equal(label_map.values[0] > 0, mask)
        (box,) = image.boxes()
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        edges = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        assert (box.left, box.top, box.right, box.bottom) == pytest.approx(edges)
        assert {one.modality for one in image.objects()} == {"SEG", "SR"}
        (series,) = (one for one in films.series if one.uid == image.series_uid)
        place = [one.uid for one in series.images].index(image.uid)
        assert np.array_equal(next(iter(series.masks().values()))[place], mask)


def test_a_dataset_is_taken_into_another_process(films: Dataset) -> None:
    copy = pickle.loads(pickle.dumps(films.split("train")))
    assert len(copy) == len(films.split("train"))
    assert np.array_equal(copy[0].pixels, films.split("train")[0].pixels)


def test_limits_and_structures_are_in_the_sessions_language(
    films: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = films.card.limits
    (name,) = films.card.structures
    assert films.card.structure("unnamed") == "unnamed"
    named = films.card.structure(name)
    monkeypatch.setenv("RADLAB_LANGUAGE", "zh_CN")
    assert films.card.limits != english and len(films.card.limits) == len(english)
    assert films.card.structure(name) != named
