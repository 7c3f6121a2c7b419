"""COCO, Pascal VOC, tables of boxes and masks: read as they mean, and written back the same."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from dicom_archive.errors import BadImage, BadLabels
from dicom_archive.importing.annotations import gather
from dicom_archive.importing.coco import (
    GivenBack,
    expanded_runs,
    is_coco,
    read_coco,
    write_coco,
)
from dicom_archive.importing.marks import (
    Marks,
    Naming,
    Rectangle,
    drawn,
    label_map,
    mask_runs,
    polygons_mask,
    runs_mask,
)
from dicom_archive.importing.masks import joined, naming, pair, read_mask, stem
from dicom_archive.importing.sources import Found
from dicom_archive.importing.tables import box_rows, is_box_table, read_boxes
from dicom_archive.importing.voc import is_voc, read_voc, write_voc
from dicom_archive.labels import Key
from dicom_catalog.annotations import Box

ROWS, COLUMNS = 40, 60


def boxes_of(marks: Marks) -> list[Box]:
    return drawn(marks, "1.2", ROWS, COLUMNS)[1]


def png(values: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


VOC = """<annotation><folder>f</folder><filename>one.jpg</filename>
<size><width>60</width><height>40</height><depth>3</depth></size><segmented>0</segmented>
<object><name>cell</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>3</ymin><xmax>60</xmax><ymax>40</ymax></bndbox></object>
<object><name>speck</name><bndbox><xmin>7</xmin><ymin>7</ymin><xmax>7</xmax><ymax>7</ymax></bndbox>
</object></annotation>"""


def voc_objects(data: bytes | str) -> list[dict[str, str | None]]:
    return [
        {one.tag: one.text for one in found.iter() if one.text and one.text.strip()}
        for found in ElementTree.fromstring(data).iterfind("object")
    ]


def test_a_voc_box_counts_pixels_from_one_and_has_its_last_inside(tmp_path: Path) -> None:
    path = tmp_path / "one.xml"
    path.write_text(VOC)
    assert is_voc(path)
    name, marks = read_voc(path)
    whole, speck = boxes_of(marks)
    assert name == "one.jpg"
    assert (whole.left, whole.top, whole.right, whole.bottom) == (0, 2, 60, 40)
    assert (speck.left, speck.top, speck.right, speck.bottom) == (6, 6, 7, 7)  # one pixel


def test_voc_comes_back_with_the_same_objects(tmp_path: Path) -> None:
    path = tmp_path / "one.xml"
    path.write_text(VOC)
    name, marks = read_voc(path)
    back = write_voc(name, ROWS, COLUMNS, 3, boxes_of(marks))
    assert voc_objects(back) == voc_objects(VOC)
    assert ElementTree.fromstring(back).findtext("size/width") == "60"


@pytest.mark.parametrize(
    "text",
    ["<annotation><object></object></annotation>", "<annotation>", VOC.replace(">7<", ">x<")],
    ids=["no box", "cut off", "no number"],
)
def test_a_broken_voc_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "one.xml"
    path.write_text(text)
    with pytest.raises(BadLabels, match=r"one\.xml"):
        read_voc(path)


def test_a_voc_file_with_entities_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY a "aaaa">]><annotation>&a;</annotation>')
    with pytest.raises(BadLabels, match="entities"):
        read_voc(path)


COCO: dict[str, Any] = {
    "images": [
        {"id": 7, "file_name": "a.png", "width": COLUMNS, "height": ROWS},
        {"id": 9, "file_name": "b.png", "width": COLUMNS, "height": ROWS},
    ],
    "categories": [{"id": 3, "name": "polyp"}, {"id": 5, "name": "tool"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1.5, 2, 10, 20.25], "area": 190.5,
         "iscrowd": 0, "segmentation": [[1.5, 2, 11.5, 2, 11.5, 22.25, 1.5, 22.25]]},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [5, 5, 10, 10], "area": 100,
         "iscrowd": 0, "segmentation": [[5, 5, 15, 5, 15, 15, 5, 15]], "score": 0.5},
        {"id": 4, "image_id": 7, "category_id": 5, "bbox": [0.1, 0.2, 0.3, 59.7], "iscrowd": 1,
         "area": 3, "segmentation": {"counts": [41, 39, 2320], "size": [ROWS, COLUMNS]}},
    ],
}  # fmt: skip


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(COCO))
    return path


def test_coco_comes_back_with_the_same_boxes_and_shapes(coco: Path) -> None:
    assert is_coco(coco)
    found = read_coco(coco)
    assert found["b.png"] == Marks()
    lower = {key: Marks(tuple(r for r in m.rectangles if r.name == "polyp"), ())
             for key, m in found.items()}  # fmt: skip
    images = [GivenBack(name, ROWS, COLUMNS, boxes_of(marks)) for name, marks in lower.items()]
    back = write_coco(images, ["polyp"])
    assert [one["file_name"] for one in back["images"]] == ["a.png", "b.png"]
    for one, known in zip(back["annotations"], COCO["annotations"][:2], strict=True):
        for key in known.keys() - {"image_id", "category_id"}:
            assert one[key] == known[key], key


@given(st.lists(st.floats(0, 20), min_size=4, max_size=4))
def test_a_coco_box_of_any_numbers_comes_back_the_same(numbers: list[float]) -> None:
    x, y, width, height = numbers
    bbox = [x, y, width + 0.5, height + 0.5]
    given_ = {"id": 1, "image_id": 1, "category_id": 1, "bbox": bbox}
    document = {"images": [{"id": 1, "file_name": "a"}], "categories": [{"id": 1, "name": "n"}]}
    file = io.BytesIO(json.dumps(document | {"annotations": [given_]}).encode())

    class Path_:
        name = "x.json"

        def read_bytes(self) -> bytes:
            return file.getvalue()

    marks = read_coco(Path_())["a"]  # type: ignore[arg-type]
    back = write_coco([GivenBack("a", ROWS, COLUMNS, boxes_of(marks))], ["n"])
    assert back["annotations"][0]["bbox"] == bbox


def test_shapes_that_overlap_go_to_two_label_maps(coco: Path) -> None:
    maps, _ = drawn(Marks(shapes=read_coco(coco)["a.png"].shapes), "1.2", ROWS, COLUMNS)
    polyps = [one for one in maps if one.segments[0].name == "polyp"]
    assert [sorted(np.unique(one.values)) for one in polyps] == [[0, 1], [0, 2]]
    assert [int((one.values > 0).sum()) for one in polyps] == [10 * 20, 10 * 10]
    (tool,) = [one for one in maps if one.segments[0].name == "tool"]
    assert int((tool.values > 0).sum()) == 39 and tool.values[0, 1, 1] == 1


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_coco_without_one_of_its_lists_is_no_coco(tmp_path: Path, key: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({name: part for name, part in COCO.items() if name != key}))
    assert not is_coco(path)


def test_coco_that_names_no_category_of_its_own_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(COCO | {"categories": []}))
    with pytest.raises(BadLabels, match=r"x\.json"):
        read_coco(path)


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_runs_are_the_mask_and_the_mask_its_runs(mask: np.ndarray) -> None:
    assert np.array_equal(runs_mask(mask_runs(mask), *mask.shape), mask)


def compressed(runs: list[int]) -> str:
    """`rleToString` of pycocotools, from its description: the far end of `expanded_runs`."""
    text = ""
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            bits, value = value & 31, value >> 5
            more = value != -1 if bits & 16 else value != 0
            text += chr((bits | 32 if more else bits) + 48)
    return text


@given(st.lists(st.integers(0, 100_000), max_size=12))
def test_compressed_runs_are_read(runs: list[int]) -> None:
    assert list(expanded_runs(compressed(runs))) == runs


def test_a_polygon_fills_the_pixels_whose_middle_it_holds() -> None:
    triangle = polygons_mask([[0, 0, 10, 0, 0, 10]], 12, 12)
    row, column = np.mgrid[:12, :12] + 0.5
    assert np.array_equal(triangle, row + column < 10)
    with pytest.raises(BadImage, match="4 numbers"):
        polygons_mask([[0, 0, 1, 1]], 4, 4)


def test_a_box_outside_the_image_is_refused_and_one_on_its_edge_is_cut() -> None:
    with pytest.raises(BadImage, match="not inside the 60 x 40"):
        boxes_of(Marks((Rectangle("a", 50, 0, 70, 10),)))
    with pytest.raises(BadImage, match="not inside"):
        boxes_of(Marks((Rectangle("a", 5, 5, 5, 10),)))
    (cut,) = boxes_of(Marks((Rectangle("a", -1, 0, 10, 10),)))
    assert cut.left == 0 and cut.more["edges"] == [-1, 0, 10, 10]


@pytest.mark.parametrize(
    "columns", ["left,top,right,bottom", "xmin,ymin,xmax,ymax", "x,y,width,height"]
)
def test_a_table_of_boxes_comes_back_the_same(tmp_path: Path, columns: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(f"file,name,{columns},reader\na.png,cell,1,2,30.5,20,007\nb.png,,,,,,\n")
    assert is_box_table(path)
    found = read_boxes(path)
    assert found["b.png"] == Marks()
    rows = [row for name, marks in found.items() for row in box_rows(name, boxes_of(marks))]
    pd.DataFrame(rows).to_csv(tmp_path / "back.csv", index=False)
    assert read_boxes(tmp_path / "back.csv") == found
    right, bottom = (31.5, 22) if "width" in columns else (30.5, 20)
    assert (rows[0]["right"], rows[0]["bottom"], rows[0]["reader"]) == (right, bottom, "007")


def test_a_row_that_is_no_box_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("file,name,left,top,right,bottom\na,c,1,2,3,4\na,c,1,two,3,4\n")
    with pytest.raises(BadLabels, match=r"boxes\.csv, line 3"):
        read_boxes(path)


def test_label_files_are_known_by_what_stands_in_them(coco: Path, tmp_path: Path) -> None:
    (tmp_path / "one.xml").write_text(VOC)
    (tmp_path / "boxes.csv").write_text("file,name,left,top,right,bottom\nz.png,c,1,2,3,4\n")
    (tmp_path / "ages.csv").write_text("file,age\na.png,7\n")
    (tmp_path / "other.json").write_text("{}")
    found = gather(sorted(tmp_path.iterdir()), None)
    assert found.formats == {"coco", "voc", "csv"}
    assert [path.name for path in found.tables] == ["ages.csv"]
    keys = [Key("x/a.png"), Key("y/one.jpg"), Key("z.png")]
    marks, unused = found.by_path(keys)
    assert [len(marks[key.path].rectangles) for key in keys] == [3, 2, 1]
    assert unused == ["b.png"]


def test_two_files_of_one_name_are_told_apart_only_by_path(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("file,name,left,top,right,bottom\na.png,c,1,2,3,4\ny/b.png,c,1,2,3,4\n")
    keys = [Key("x/a.png"), Key("y/a.png"), Key("x/b.png"), Key("y/b.png")]
    marks, _ = gather([path], None).by_path(keys)
    assert list(marks) == ["y/b.png"]


def test_what_marks_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no")
    with pytest.raises(BadLabels, match="nor COCO"):
        gather([], tmp_path)
    with pytest.raises(BadLabels, match="There is no"):
        gather([], tmp_path / "gone")


def found(*paths: str) -> list[Found]:
    kinds = {"png": "picture", "gz": "nifti", "dcm": "dicom"}
    return [Found(Path(path), Key(path), kinds[path.rpartition(".")[2]]) for path in paths]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a/x.png", "a/x_mask.png"),
        ("a/x.png", "a/x_labels.png"),
        ("a/benign (1).png", "a/benign (1)_mask_1.png"),
        ("images/x.png", "masks/x.png"),
        ("train/images/x.png", "train/labels/x_seg.png"),
        ("imagesTr/p_0000.nii.gz", "labelsTr/p.nii.gz"),
        ("p/t1.nii.gz", "p/t1_seg.nii.gz"),
        ("x.dcm", "x_mask.png"),
    ],
)
def test_a_mask_is_known_by_its_name(image: str, mask: str) -> None:
    images, masks = pair(found(image, mask))
    assert [one.key.path for one in images] == [image]
    assert [one.key.path for one in masks[image]] == [mask]


@pytest.mark.parametrize("names", [("x_mask.png", "y_mask.png"), ("masks/x.png",), ("x.png",)])
def test_without_its_image_a_mask_is_an_image(names: tuple[str, ...]) -> None:
    images, masks = pair(found(*names))
    assert (len(images), masks) == (len(names), {})
    assert stem("a/b.nii.gz") == "b"


FRAME = (("1.2", 0),)


def test_a_mask_of_one_value_is_one_structure_and_of_many_must_be_named() -> None:
    one = label_map(np.array([[[0, 255]]]), FRAME, Naming({0: "lesion"}))
    assert one.values.tolist() == [[[0, 1]]] and one.segments[0].name == "lesion"
    two = label_map(np.array([[[0, 1, 2]]]), FRAME, Naming({1: "liver", 2: "tumour"}))
    assert [s.name for s in two.segments] == ["liver", "tumour"]
    with pytest.raises(BadImage, match="value 2"):
        label_map(np.array([[[1, 2]]]), FRAME, Naming({1: "liver"}))
    with pytest.raises(BadImage, match="--objects"):
        label_map(np.arange(30).reshape(1, 5, 6), FRAME, Naming())
    many = label_map(np.arange(300).reshape(1, 15, 20), FRAME, Naming(objects="nucleus"))
    assert many.objects and many.values.dtype == np.uint16


def test_several_masks_of_an_image_are_joined_or_numbered() -> None:
    left, right = np.array([[255, 255, 0]]), np.array([[0, 255, 255]])
    (one,) = joined([left, right], Naming({0: "lesion"}))
    assert one.tolist() == [[255, 255, 255]]
    layers = joined([left, right], Naming(objects="lesion"))
    assert [layer.tolist() for layer in layers] == [[[1, 1, 0]], [[0, 2, 2]]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, bool])
def test_mask_values_are_read_as_they_are(dtype: type) -> None:
    values: np.ndarray = np.array([[0, 500 if dtype is np.uint16 else 1], [1, 0]]).astype(dtype)
    assert read_mask(png(values)).tolist() == values.astype(int).tolist()
    grey = np.repeat(np.array([[[0], [9]]], np.uint8), 3, axis=2)
    assert read_mask(png(grey)).tolist() == [[0, 9]]
    with pytest.raises(BadImage, match="coloured"):
        read_mask(png(np.array([[[0, 1, 2]]], np.uint8)))


@pytest.mark.parametrize(
    ("said", "objects"), [(["1"], ""), (["a=b"], ""), (["x", "1=y"], ""), (["1=x"], "y")]
)
def test_names_of_structures_that_make_no_sense_are_refused(said: list[str], objects: str) -> None:
    if said == ["1"]:
        assert naming(said, objects).structures == {0: "1"}
        return
    with pytest.raises(BadLabels, match=re.escape("--structure")):
        naming(said, objects)
