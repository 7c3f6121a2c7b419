"""Volumes, slides, photographs, masks and boxes: imported whole, and their labels given back."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.fileset import FileSet

from dicom_archive.errors import BadImage, BadLabels, NotGivenBack
from dicom_archive.importing import nifti
from dicom_archive.importing.giving_back import give_back, nifti_bytes
from dicom_archive.importing.nifti import decimal, read_volume
from dicom_archive.importing.slides import tile_place
from dicom_archive.ingest import Options, Report, import_images
from dicom_archive.store import Store
from dicom_archive.wrap import Fields
from dicom_catalog import Catalog, Dataset

NOON = "2026-01-01T12:00:00Z"


@pytest.fixture
def mine() -> Options:
    return Options("mine", "1.0.0", None, True, image_is_patient=True)


def take(store: Store, folder: Path, options: Options) -> tuple[Report, Dataset]:
    report = import_images(store, folder, options, published=NOON, processes=1)
    return report, Catalog(store.visible)[f"{options.name}@{options.version}"]


def errors_of(path: Path) -> list[str]:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not here; Debian's dicom3tools has it")
    done = subprocess.run([program, "-new", path], capture_output=True, text=True)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def save_nifti(path: Path, values: Any, affine: Any, **header: float) -> Path:
    kind: Any = nibabel.Nifti1Image
    image = kind(values, affine)
    if header:
        image.header.set_slope_inter(header["slope"], header["inter"])
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


OBLIQUE = np.array(
    [[-0.8, 0.24, 0.1, 10], [0.24, 0.8, 0.3, -20.5], [0.0, 0.0, 2.5, 30.25], [0, 0, 0, 1]]
)
OBLIQUE[:3, 2] = np.cross(OBLIQUE[:3, 0], OBLIQUE[:3, 1]) * 3  # slices stand upright on rows
LEFT_HANDED = OBLIQUE @ np.diag([1.0, 1.0, -1.0, 1.0])
SHEARED = OBLIQUE @ np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("affine", [OBLIQUE, LEFT_HANDED], ids=["right", "left"])
@pytest.mark.parametrize("modality", ["CT", "MR", "OT"])
def test_a_nifti_volume_keeps_its_values_and_its_place(
    store: Store, tmp_path: Path, mine: Options, affine: Any, modality: str
) -> None:
    values = np.random.default_rng(1).integers(-900, 900, (7, 6, 5), dtype=np.int16)
    mask = (values > 500).astype(np.uint8) + (values > 800)
    save_nifti(tmp_path / "in" / "v.nii.gz", values, affine)
    save_nifti(tmp_path / "in" / "v_seg.nii.gz", mask, affine)
    named = ("1=bright", "2=brightest")
    _, dataset = take(store, tmp_path / "in", replace(mine, modality=modality, structures=named))
    (series,) = dataset.series
    assert (len(dataset), series.modality, series.kind) == (5, modality, "volume")
    array, place = series.array("stored"), np.linalg.inv(affine) @ series.affine("RAS")
    for k, j, i in [(0, 0, 0), (4, 5, 6), (2, 1, 3)]:
        there = place @ [i, j, k, 1]
        assert np.allclose(there, np.rint(there), atol=1e-5)
        assert array[k, j, i] == values[tuple(np.rint(there[:3]).astype(int))]
    assert errors_of(dataset[0].path) == []
    masks = series.masks()
    assert int(masks["bright"].sum() + masks["brightest"].sum()) == int((mask > 0).sum())
    assert (array[masks["brightest"]] > 800).all() and masks["brightest"].sum() == (mask == 2).sum()
    assert give_back(dataset, "nifti", tmp_path / "out") == 1
    back: Any = nibabel.load(tmp_path / "out" / "v_labels.nii.gz")
    assert np.array_equal(np.asanyarray(back.dataobj), mask)
    assert np.allclose(back.affine, affine, atol=1e-5)


def test_scaled_and_floating_voxels_say_what_was_kept(tmp_path: Path) -> None:
    stored = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    scaled = save_nifti(tmp_path / "s.nii", stored, OBLIQUE, slope=0.5, inter=-3)
    (volume,) = read_volume(scaled.read_bytes())
    assert np.array_equal(volume.values.T, stored) and (volume.slope, volume.intercept) == (0.5, -3)
    values = np.random.default_rng(2).normal(0, 40, (4, 5, 6)).astype(np.float32)
    (volume,) = read_volume(save_nifti(tmp_path / "f.nii", values, OBLIQUE).read_bytes())
    error = np.abs(volume.values.T * volume.slope + volume.intercept - values).max()
    assert error <= np.ptp(values) / 65535 * 0.51
    assert "largest error" in volume.note


@pytest.mark.parametrize(
    ("values", "affine", "reason"),
    [
        (np.zeros((3, 3, 3), np.int16), SHEARED, "not square"),
        (np.full((3, 3, 3), np.nan, np.float32), OBLIQUE, "no number"),
        (np.zeros((3, 3, 3), np.complex64), OBLIQUE, "real numbers"),
        (np.zeros((3, 3, 3, 2, 2), np.int16), OBLIQUE, "dimensions"),
    ],
    ids=["sheared", "nan", "complex", "five dimensions"],
)
def test_a_volume_that_dicom_cannot_hold_is_named_with_the_reason(
    tmp_path: Path, values: Any, affine: Any, reason: str
) -> None:
    with pytest.raises(BadImage, match=reason):
        read_volume(save_nifti(tmp_path / "v.nii", values, affine).read_bytes())


def test_a_volume_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nifti, "LARGEST_BYTES", 2**20)
    packed = save_nifti(tmp_path / "v.nii.gz", np.zeros((128, 128, 64), np.uint8), OBLIQUE)
    assert packed.stat().st_size < 10_000
    with pytest.raises(BadImage, match="more than 1 MiB"):
        read_volume(packed.read_bytes())


def test_a_mask_on_another_grid_is_named_and_left_out(
    store: Store, tmp_path: Path, mine: Options
) -> None:
    values = np.ones((4, 4, 4), np.int16)
    for name in ("a", "b", "c"):
        save_nifti(tmp_path / "in" / f"{name}.nii", values, OBLIQUE)
    save_nifti(tmp_path / "in" / "a_seg.nii", values, OBLIQUE)
    save_nifti(tmp_path / "in" / "b_seg.nii", values[:3], OBLIQUE)
    save_nifti(tmp_path / "in" / "c_seg.nii", values, LEFT_HANDED)
    report, dataset = take(store, tmp_path / "in", mine)
    reasons = dict(report.left_out)
    assert "shape" in reasons["b.nii"] and "affines differ" in reasons["c.nii"]
    assert len(dataset) == 4


@given(st.floats(-1e6, 1e6))
def test_a_decimal_string_has_at_most_16_characters_and_loses_little(value: float) -> None:
    text = decimal(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("s_x3_y5.png", (3, 5)),
        ("row5_col3.jpg", (3, 5)),
        ("r05-c03.png", (3, 5)),
        ("3_5.png", (3, 5)),
        ("tile_x3_x5.png", None),
        ("tile.png", None),
    ],
)
def test_a_tiles_name_tells_column_and_row(name: str, place: tuple[int, int] | None) -> None:
    assert tile_place(name) == place


def test_a_folder_of_tiles_is_one_slide_and_missing_tiles_are_white(
    store: Store, tmp_path: Path, mine: Options
) -> None:
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 255, (100, 150, 3), dtype=np.uint8)
    (tmp_path / "in" / "slide-1").mkdir(parents=True)
    for row in range(2):
        for column in range(3):
            if (column, row) != (1, 0):
                tile = whole[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64]
                Image.fromarray(tile).save(tmp_path / "in" / "slide-1" / f"x{column}_y{row}.png")
    _, dataset = take(
        store, tmp_path / "in", replace(mine, tiles=True, fields=Fields("SM", pixel_spacing=0.001))
    )
    (image,) = dataset
    assert (image.modality, image.frame_count, image.rows) == ("SM", 6, 64)
    read = image.dicom()
    assert (read.TotalPixelMatrixRows, read.TotalPixelMatrixColumns) == (100, 150)
    assert read.DimensionOrganizationType == "TILED_FULL"
    pixels = image.pixels
    assert np.array_equal(pixels[0], whole[:64, :64]) and (pixels[1] == 255).all()
    assert np.array_equal(pixels[5][:36, :22], whole[64:, 128:])
    assert errors_of(image.path) == []


def test_a_tiff_of_several_levels_is_a_series_of_them(
    store: Store, tmp_path: Path, mine: Options
) -> None:
    rng = np.random.default_rng(0)
    levels = [
        Image.fromarray(rng.integers(0, 255, (600 >> k, 800 >> k, 3), dtype=np.uint8))
        for k in range(2)
    ]
    thumbnail = Image.fromarray(np.zeros((90, 90, 3), np.uint8))
    (tmp_path / "in").mkdir()
    levels[0].save(
        tmp_path / "in" / "s.tif", save_all=True, append_images=[levels[1], thumbnail],
        description="Aperio |MPP = 0.25|",
    )  # fmt: skip
    _, dataset = take(store, tmp_path / "in", mine)
    assert [image.frame_count for image in dataset] == [3 * 4, 2 * 2]
    (series,) = dataset.series
    read = [image.dicom() for image in dataset]
    assert {image.series_uid for image in dataset} == {series.uid}
    spacing = [float(one.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[0])
               for one in read]  # fmt: skip
    assert spacing == [0.00025, 0.0005]
    assert np.array_equal(dataset[0].pixels[0], np.asarray(levels[0])[:256, :256])
    assert all(errors_of(image.path) == [] for image in dataset)


@pytest.mark.parametrize(
    ("modality", "kind"),
    [
        ("US", "Ultrasound Image"),
        ("ES", "VL Endoscopic"),
        ("GM", "VL Microscopic"),
        ("XC", "VL Photographic"),
    ],
)
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_a_photograph_is_wrapped_as_what_it_is_of(
    store: Store, tmp_path: Path, mine: Options, modality: str, kind: str, colour: bool
) -> None:
    (tmp_path / "in").mkdir()
    values = np.random.default_rng(3).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    picture = Image.fromarray(values if colour else values[:, :, 0])
    picture.save(tmp_path / "in" / "a.png")
    picture.save(tmp_path / "in" / "b.jpg")
    fields = Fields(modality, "BREAST", laterality="L", pixel_spacing=0.1)
    _, dataset = take(store, tmp_path / "in", replace(mine, modality=modality, fields=fields))
    exact, lossy = sorted(dataset, key=lambda image: str(image.labels["source_file"]))
    assert kind in exact.dicom().SOPClassUID.name
    assert np.array_equal(exact.pixels, np.asarray(picture))
    assert [image.dicom().LossyImageCompression for image in (exact, lossy)] == ["00", "01"]
    assert [errors_of(image.path) for image in (exact, lossy)] == [[], []]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abcd":
        values = np.random.default_rng(ord(name)).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{name}.png")
    return folder


def test_nuclei_come_back_value_by_value(
    store: Store, pictures: Path, mine: Options, tmp_path: Path
) -> None:
    masks = {}
    for number, name in enumerate("abc", start=1):
        values = np.zeros((40, 60), np.uint16)
        for k in range(number * 100):
            values[k // 55, k % 55] = k + 1
        masks[name] = values
        Image.fromarray(values).save(pictures / f"{name}_labels.png")
    report, dataset = take(store, pictures, replace(mine, objects="nucleus"))
    assert report.images_without_marks == 1
    assert dataset.card.task == "segmentation" and list(dataset.card.structures) == ["nucleus"]
    assert give_back(dataset, "png", tmp_path / "out") == 3
    for name, values in masks.items():
        back = np.asarray(Image.open(tmp_path / "out" / f"{name}_labels.png"))
        assert np.array_equal(back, values)
    give_back(dataset, "coco", tmp_path / "coco")
    made = json.loads((tmp_path / "coco" / "annotations.json").read_text())
    assert len(made["annotations"]) == 600
    assert {one["area"] for one in made["annotations"]} == {1}


def test_a_mask_of_one_structure_comes_back_as_0_and_255(
    store: Store, pictures: Path, mine: Options, tmp_path: Path
) -> None:
    (tmp_path / "m").mkdir()
    mask = np.zeros((40, 60), np.uint8)
    mask[5:20, 10:30] = 255
    Image.fromarray(mask).save(pictures / "a_mask.png")
    Image.fromarray(mask.T).save(pictures / "b_mask.png")
    report, dataset = take(store, pictures, replace(mine, structures=("lesion",)))
    assert "40 x 60 pixels, the image 60 x 40" in dict(report.left_out)["b.png"]
    give_back(dataset, "png", tmp_path / "out")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "a_mask.png")), mask)
    with pytest.raises(NotGivenBack, match="voc can hold"):
        give_back(dataset, "voc", tmp_path / "voc")
    with pytest.raises(NotGivenBack, match="not empty"):
        give_back(dataset, "png", tmp_path / "out")


def test_masks_in_a_folder_of_their_own_are_named_with_marks(
    store: Store, pictures: Path, mine: Options, tmp_path: Path
) -> None:
    (tmp_path / "gt").mkdir()
    for name in "abcd":
        Image.fromarray(np.eye(40, 60, dtype=np.uint8)).save(tmp_path / "gt" / f"{name}.png")
    options = replace(mine, marks=tmp_path / "gt", structures=("line",))
    _, dataset = take(store, pictures, options)
    assert len(dataset) == 4
    assert all(image.masks()["line"].sum() == 40 for image in dataset)


COCO_BOX = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 100.5}
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 60, "height": 40},
               {"id": 2, "file_name": "gone.png", "width": 60, "height": 40}],
    "categories": [{"id": 1, "name": "polyp"}],
    "annotations": [
        COCO_BOX | {"bbox": [1.5, 2.25, 30.1, 20], "segmentation": [[2, 3, 20, 3, 20, 15.5]]},
        COCO_BOX | {"id": 2, "bbox": [0, 0, 60, 40]},
    ],
}  # fmt: skip


def test_coco_goes_in_and_comes_back_the_same(
    store: Store, pictures: Path, mine: Options, tmp_path: Path
) -> None:
    (pictures / "coco.json").write_text(json.dumps(COCO))
    report, dataset = take(store, pictures, mine)
    assert report.marks_without_image == ["gone.png"]
    assert (report.images_without_marks, report.other_files) == (3, 0)
    marked = next(image for image in dataset if image.labels["source_file"] == "a.png")
    assert [(box.left, box.top, box.right) for box in marked.boxes()] == [(1.5, 2.25, 31.6),
                                                                          (0, 0, 60)]  # fmt: skip
    assert marked.masks()["polyp"].sum() > 80
    give_back(dataset, "coco", tmp_path / "out")
    back = json.loads((tmp_path / "out" / "annotations.json").read_text())
    files = {one["id"]: one["file_name"] for one in back["images"]}
    assert [files[one["image_id"]] for one in back["annotations"]] == ["a.png", "a.png"]
    for one, known in zip(back["annotations"], COCO["annotations"], strict=True):
        for key in known.keys() - {"image_id"}:
            assert one[key] == known[key], key


def test_boxes_and_columns_of_tables_come_back(
    store: Store, pictures: Path, mine: Options, tmp_path: Path
) -> None:
    table = "file,name,left,top,right,bottom,reader\na.png,cell,1,2,30.5,20,007\nb.png,,,,,,\n"
    (pictures / "boxes.csv").write_text(table)
    (pictures / "t.csv").write_text("file,kind,age\na.png,x,1\nb.png,y,2\nc.png,x,\nd.png,y,4\n")
    _, dataset = take(store, pictures, replace(mine, target="kind"))
    assert dataset.classes == ("x", "y") and list(dataset.card.structures) == ["cell"]
    give_back(dataset, "csv", tmp_path / "out")
    boxes = pd.read_csv(tmp_path / "out" / "boxes.csv", dtype=str).set_index("file")
    row = boxes.loc["a.png"]
    assert list(row[["name", "left", "right", "reader"]]) == ["cell", "1.0", "30.5", "007"]
    labels = pd.read_csv(tmp_path / "out" / "labels.csv").set_index("file").sort_index()
    assert list(labels["kind"]) == ["x", "y", "x", "y"] and labels["age"].sum() == 7


def test_a_zip_file_with_patients_in_its_paths_is_imported(
    store: Store, tmp_path: Path, mine: Options, pictures: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number, path in enumerate(sorted(pictures.glob("*.png"))):
            archive.write(path, f"all/P{number // 2}/{path.name}")
    options = replace(mine, image_is_patient=False, patient_pattern=r"(P\d+)/")
    _, dataset = take(store, tmp_path / "x.zip", options)
    assert dataset.patients == ["P0", "P1"] and dataset.card.task == "exploration"
    with pytest.raises(BadLabels, match="--patient-pattern"):
        take(store, tmp_path / "x.zip", replace(mine, image_is_patient=False, version="1.1.0"))


def test_a_killed_import_goes_on_where_it_was(
    store: Store, pictures: Path, mine: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        import_images(store, pictures, mine, published=NOON, progress=stop, processes=1)
    assert store.published("mine", "1.0.0") is None
    report, dataset = take(store, pictures, mine)
    assert (report.resumed, len(dataset), report.left_out) == (3, 4, [])
    other = Store(store.root.with_name("other"))
    whole, _ = take(other, pictures, mine)
    assert report.published and whole.published
    assert report.published.root == whole.published.root


@pytest.mark.shared_data
def test_segmentations_of_others_come_in_with_their_images(
    store: Store, shared_data: Path, tmp_path: Path, mine: Options
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("ct_image", "seg_image_ct_binary_single_frame", "seg_image_cr_binary"):
        shutil.copy(shared_data / "seg-sr" / "highdicom" / f"{name}.dcm", tmp_path / "in")
    report, dataset = take(store, tmp_path / "in", mine)
    assert [path for path, _ in report.left_out] == ["seg_image_cr_binary.dcm"]
    (masks,) = [image.masks() for image in dataset]
    seg = pydicom.dcmread(tmp_path / "in" / "seg_image_ct_binary_single_frame.dcm")
    (mask,) = masks.values()
    assert np.array_equal(np.squeeze(mask), seg.pixel_array > 0)


def test_nifti_bytes_are_the_same_each_time() -> None:
    values = np.ones((2, 3, 4), np.uint8)
    assert nifti_bytes(values, OBLIQUE) == nifti_bytes(values, OBLIQUE)


def test_mr_of_a_disc_is_imported_by_its_dicomdir(
    store: Store, tmp_path: Path, mine: Options
) -> None:
    made = FileSet()
    for name in ("MR_small.dcm", "CT_small.dcm"):
        path = get_testdata_file(name)
        assert isinstance(path, str)
        made.add(path)
    made.write(tmp_path / "disc")
    _, dataset = take(store, tmp_path / "disc" / "DICOMDIR", mine)
    assert sorted(image.modality for image in dataset) == ["CT", "MR"]


def test_after_a_kill_another_table_or_mask_is_read_anew(
    store: Store, pictures: Path, mine: Options
) -> None:
    class Killed(BaseException):
        pass

    def stop(done: int, total: int) -> None:
        raise Killed

    table = pictures / "t.csv"
    table.write_text("file,kind\na.png,x\nb.png,y\nc.png,x\nd.png,y\n")
    options = replace(mine, target="kind")
    with pytest.raises(Killed):
        import_images(store, pictures, options, published=NOON, progress=stop, processes=1)
    table.write_text("file,kind\na.png,other\nb.png,y\nc.png,other\nd.png,y\n")
    report, dataset = take(store, pictures, options)
    assert (report.resumed, dataset.classes) == (0, ("other", "y"))
