"""Masks read from their bytes: bit by bit, on the slices that the caller names, and boxes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_catalog.annotations import Box, LabelMap
from dicom_catalog.errors import NotReadable, OverlappingMasks
from dicom_catalog.layout import LAYOUT, TABLES, statements
from dicom_catalog.masks import read_boxes, read_label_map, read_masks, read_objects

SERIES = "1.2.3"
SIZE = (5, 7)  # 35 pixels: no frame but the first begins at a byte's edge
FRAMES = [(f"1.2.3.{k}", 0) for k in range(4)]


class Version:
    """A folder with an index of layout 2 and raw files for SEGs: what `masks.py` looks at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = sqlite3.connect(":memory:")
        for statement in statements():
            self.index.execute(statement)
        self.index.execute(f"PRAGMA user_version = {LAYOUT}")
        for place, (uid, frame) in enumerate(FRAMES):
            self.put("images", instance_uid=uid, series_uid=SERIES, rows=SIZE[0], columns=SIZE[1])
            self.put("frames", series_uid=SERIES, place=place, instance_uid=uid, frame=frame)

    def put(self, table: str, **values: Any) -> None:
        """A row; columns that these tests do not look at get a nought."""
        row = {name: values.get(name, 0) for name in TABLES[table]} | values
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" * len(row))
        self.index.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))

    def seg(
        self,
        uid: str,
        segments: Sequence[tuple[int, str]],
        frames: Sequence[tuple[int, int, np.ndarray]],
        kind: str = "binary",
        objects: int = 0,
    ) -> Path:
        """A SEG of (number, slice, values): 100 bytes of header, then the frames."""
        path = self.folder / f"{uid}.dcm"
        self.put(
            "objects", instance_uid=uid, path=path.name, modality="SEG",
            references_series_uid=SERIES, sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4",
        )  # fmt: skip
        for number, name in segments:
            code = json.dumps([name.upper(), "99T", name])
            self.put(
                "segments", object_uid=uid, number=number, name=name, code=code, kind=kind,
                objects=objects,
            )  # fmt: skip
        bits = {"binary": 1, "fractional": 8}.get(kind) or frames[0][2].dtype.itemsize * 8
        for k, (number, place, _) in enumerate(frames):
            instance, frame = FRAMES[place]
            self.put(
                "masks", object_uid=uid, number=number, series_uid=SERIES, instance_uid=instance,
                frame=frame, bit_offset=800 + k * SIZE[0] * SIZE[1] * bits, bits=bits,
                rows=SIZE[0], columns=SIZE[1],
            )  # fmt: skip
        values = np.concatenate([frame.ravel() for _, _, frame in frames] or [np.zeros(0)])
        if kind == "binary":
            values = np.packbits(values.astype(bool), bitorder="little")
        path.write_bytes(bytes(100) + values.tobytes())
        return path

    def masks(self, frames: Sequence[tuple[str, int]] = FRAMES) -> dict[str, np.ndarray]:
        return read_masks(self.folder, self.index, SERIES, frames)

    def label_map(self, frames: Sequence[tuple[str, int]] = FRAMES) -> LabelMap | None:
        return read_label_map(self.folder, self.index, SERIES, frames)


@pytest.fixture
def version(tmp_path: Path) -> Iterator[Version]:
    made = Version(tmp_path)
    yield made
    made.index.close()


def some(seed: int, share: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).random(SIZE) < share


def test_a_frame_that_begins_within_a_byte_is_read_from_its_bit(version: Version) -> None:
    wanted = [some(k) for k in range(3)]
    version.seg("9", [(1, "lung")], [(1, place, wanted[place]) for place in range(3)])
    lung = version.masks()["lung"]
    assert lung.dtype == bool and lung.shape == (4, *SIZE)
    np.testing.assert_array_equal(lung, np.stack([*wanted, np.zeros(SIZE, bool)]))


def test_masks_follow_the_slices_that_are_named_whatever_their_order(version: Version) -> None:
    wanted = [some(k) for k in range(4)]
    version.seg("9", [(1, "lung")], [(1, place, wanted[place]) for place in (2, 0, 3, 1)])
    np.testing.assert_array_equal(version.masks(FRAMES[::-1])["lung"], np.stack(wanted[::-1]))
    np.testing.assert_array_equal(version.masks(FRAMES[2:3])["lung"], wanted[2][None])


def test_segments_that_overlap_are_masks_but_no_label_map(version: Version) -> None:
    version.seg("9", [(1, "core"), (2, "whole")], [(1, 0, some(1, 0.9)), (2, 0, some(2, 0.9))])
    masks = version.masks()
    np.testing.assert_array_equal(masks["core"][0], some(1, 0.9))
    np.testing.assert_array_equal(masks["whole"][0], some(2, 0.9))
    with pytest.raises(OverlappingMasks, match=r"core, whole.*\.masks\(\)"):
        version.label_map()


def test_segments_apart_are_one_label_map_with_their_numbers(version: Version) -> None:
    left, right = some(1), ~some(1)
    version.seg("9", [(1, "left"), (4, "right")], [(1, 0, left), (4, 0, right), (4, 2, left)])
    found = version.label_map()
    assert found is not None and found.frames == tuple(FRAMES) and not found.objects
    np.testing.assert_array_equal(found.values[0], np.where(left, 1, 4))
    np.testing.assert_array_equal(found.values[2], np.where(left, 4, 0))
    assert [(s.number, s.name, s.code) for s in found.segments] == [
        (1, "left", ("LEFT", "99T", "left")), (4, "right", ("RIGHT", "99T", "right")),
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_label_map_of_objects_keeps_each_object(version: Version, dtype: type) -> None:
    values = np.arange(35, dtype=dtype).reshape(SIZE)
    version.seg("9", [(1, "nucleus")], [(0, 1, values)], kind="labelmap", objects=1)
    found = version.label_map()
    assert found is not None and found.objects and found.values.dtype == dtype
    np.testing.assert_array_equal(found.values[1], values)
    np.testing.assert_array_equal(version.masks()["nucleus"], found.mask("nucleus"))


def test_a_label_map_of_structures_gives_each_its_mask(version: Version) -> None:
    values = np.arange(35, dtype=np.uint8).reshape(SIZE) % 3
    version.seg("9", [(1, "fat"), (2, "muscle")], [(0, 3, values)], kind="labelmap")
    masks = version.masks()
    np.testing.assert_array_equal(masks["fat"][3], values == 1)
    np.testing.assert_array_equal(masks["muscle"][3], values == 2)


def test_two_segs_of_a_series_are_numbered_on(version: Version) -> None:
    version.seg("8", [(1, "a")], [(1, 0, some(1))])
    version.seg("9", [(1, "b")], [(1, 0, ~some(1))])
    found = version.label_map()
    assert found is not None
    assert [(s.number, s.name) for s in found.segments] == [(1, "a"), (2, "b")]
    np.testing.assert_array_equal(found.values[0], np.where(some(1), 1, 2))


def test_segs_of_single_images_of_a_series_keep_their_objects(version: Version) -> None:
    values = [np.arange(35, dtype=np.uint8).reshape(SIZE), np.full(SIZE, 7, np.uint8)]
    for place, uid in ((0, "8"), (2, "9")):
        frames = [(0, place, values[place // 2])]
        version.seg(uid, [(1, "nucleus")], frames, kind="labelmap", objects=1)
    one, whole = version.label_map(FRAMES[2:3]), version.label_map()
    assert one is not None and whole is not None
    np.testing.assert_array_equal(one.values, values[1][None])
    np.testing.assert_array_equal(whole.values[[0, 2]], values)
    assert one.objects and whole.objects and len(one.segments) == len(whole.segments) == 1
    assert version.label_map(FRAMES[1:2]) is None and version.masks(FRAMES[1:2]) == {}


def test_a_fractional_seg_is_inside_from_half_on(version: Version) -> None:
    probability = np.linspace(0, 255, 35).astype(np.uint8).reshape(SIZE)
    path = version.seg("9", [(1, "lesion")], [(1, 0, probability)], kind="fractional")
    header = Dataset()
    header.MaximumFractionalValue = 200
    header.BitsAllocated, header.PixelRepresentation = 8, 0
    header.PixelData = probability.tobytes() + b"\0"
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.file_meta.MediaStorageSOPInstanceUID = "9"
    header.save_as(path, enforce_file_format=True)
    offset = 8 * path.read_bytes().index(header.PixelData)
    version.index.execute("UPDATE masks SET bit_offset = ?", (offset,))
    np.testing.assert_array_equal(version.masks()["lesion"][0], probability >= 100)


def test_a_structure_that_was_looked_for_and_not_found_is_an_empty_mask(version: Version) -> None:
    version.seg("9", [(1, "tumour")], [])
    assert not version.masks()["tumour"].any()
    found = version.label_map()
    assert found is not None and not found.values.any()


def test_where_nothing_is_marked_there_is_nothing(version: Version) -> None:
    assert version.masks() == {} and version.label_map() is None
    assert read_boxes(version.index, SERIES, FRAMES) == []
    assert read_objects(version.folder, version.index, SERIES) == []


def test_an_index_of_the_first_layout_has_no_masks(tmp_path: Path) -> None:
    index = sqlite3.connect(":memory:")
    index.execute("PRAGMA user_version = 1")
    assert read_masks(tmp_path, index, SERIES, FRAMES) == {}
    assert read_boxes(index, SERIES, FRAMES) == []


def test_a_file_that_ends_too_early_is_named(version: Version) -> None:
    path = version.seg("9", [(1, "lung")], [(1, 0, some(1))])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NotReadable, match=r"9\.dcm ends before a mask.*verify"):
        version.masks()
    path.unlink()
    with pytest.raises(NotReadable, match=r"9\.dcm cannot be read"):
        version.masks()


def test_a_mask_of_another_size_is_refused(version: Version) -> None:
    version.seg("9", [(1, "lung")], [(1, 0, some(1))])
    version.index.execute("UPDATE masks SET rows = 7, columns = 5")
    with pytest.raises(NotReadable, match=r"7 x 5 pixels, its image has 5 x 7"):
        version.masks()


def test_boxes_are_those_of_the_frames_asked_for(version: Version) -> None:
    wanted = Box(FRAMES[1][0], "nodule", 1.5, 2, 6, 5, 0, 0, 2, "n1", {"diameter_mm": 7.5})
    other = Box(FRAMES[3][0], "nodule", 0, 0, 1, 1, object="n2")
    for box in (wanted, other):
        values = dict(vars(box)) | {"more": json.dumps(dict(box.more))}
        version.put("boxes", series_uid=SERIES, **values)
    assert read_boxes(version.index, SERIES, FRAMES) == [wanted, other]
    assert read_boxes(version.index, SERIES, FRAMES[1:2]) == [wanted]


def test_the_objects_of_a_series_are_found(version: Version) -> None:
    path = version.seg("9", [(1, "lung")], [])
    (found,) = read_objects(version.folder, version.index, SERIES)
    assert (found.uid, found.modality, found.path) == ("9", "SEG", path)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), order=st.permutations(range(4)), count=st.integers(0, 4))
def test_any_order_of_frames_gives_the_same_masks(
    tmp_path_factory: pytest.TempPathFactory, seed: int, order: list[int], count: int
) -> None:
    version = Version(tmp_path_factory.mktemp("version"))
    wanted = np.random.default_rng(seed).random((4, *SIZE)) < 0.3
    wanted[order[count:]] = False
    version.seg("9", [(1, "lung")], [(1, place, wanted[place]) for place in order[:count]])
    np.testing.assert_array_equal(version.masks()["lung"], wanted)
    version.index.close()


def test_a_box_through_several_slices_is_on_each_of_them(version: Version) -> None:
    box = Box(FRAMES[2][0], "nodule", 1, 2, 3, 4, first=1, last=2)
    values = {name: getattr(box, name) for name in Box.__dataclass_fields__} | {"more": "{}"}
    version.put("boxes", series_uid=SERIES, **values)
    found = [read_boxes(version.index, SERIES, FRAMES[k : k + 1]) for k in range(4)]
    assert found == [[], [box], [box], []]
