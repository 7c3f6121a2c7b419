"""SEG and SR that are written: highdicom reads them, dciodvfy finds no error, always alike."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_headers import by_uid, cine, image, slices
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import VLMicroscopicImageStorage

from dicom_archive import derived
from dicom_archive.derived import Derived
from dicom_archive.errors import BadImage
from dicom_catalog.annotations import Box, LabelMap, Segment

LUNG = Segment(1, "lung", ("39607008", "SCT", "Lung"), ("123037004", "SCT", "Anatomical Structure"))
NODULE = Segment(4, "nodule", ("27925004", "SCT", "Nodule"))


def ct(count: int = 5) -> list[Dataset]:
    return slices([(-100.0, -80.0, 2.5 * k) for k in range(count)])


def two_structures(headers: Sequence[Dataset]) -> LabelMap:
    values = np.zeros((len(headers), headers[0].Rows, headers[0].Columns), np.uint8)
    values[:, 1:4, 2:5] = 1
    values[1:3, 2, 3] = 4
    frames = tuple((str(one.SOPInstanceUID), 0) for one in headers)
    return LabelMap(frames, values, (LUNG, NODULE))


def box_on(header: Dataset, **given: object) -> Box:
    more = {"diameter_mm": 6.25, "density": "solid"}
    return Box(str(header.SOPInstanceUID), "nodule", 1.1, 2.0, 4.5, 5.0, object="n1", more=more)


def read(written: Derived) -> Dataset:
    return pydicom.dcmread(io.BytesIO(written.data))


def bits(written: Derived, row: dict[str, int]) -> NDArray[np.uint8]:
    """The mask of one row of `masks`, straight from the file's bits."""
    count = row["rows"] * row["columns"]
    unpacked = np.unpackbits(np.frombuffer(written.data, np.uint8), bitorder="little")
    begin = row["bit_offset"]
    if row["bits"] == 1:
        return unpacked[begin : begin + count].reshape(row["rows"], row["columns"])
    data = written.data[begin // 8 : begin // 8 + count * row["bits"] // 8]
    return np.frombuffer(data, f"<u{row['bits'] // 8}").reshape(row["rows"], row["columns"])


def test_a_label_map_of_a_volume_is_a_binary_seg_that_highdicom_reads_back() -> None:
    headers = ct()
    label_map = two_structures(headers)
    (made,) = derived.write([label_map], [], by_uid(headers), {})
    seg = hd.seg.Segmentation.from_dataset(read(made))
    uids = [uid for uid, _ in label_map.frames]
    masks = seg.get_pixels_by_source_instance(uids)
    assert np.array_equal(masks[..., 0], label_map.values == 1)
    assert np.array_equal(masks[..., 1], label_map.values == 4)
    assert [seg.get_segment_description(n).segment_label for n in (1, 2)] == ["lung", "nodule"]
    assert seg.FrameOfReferenceUID == headers[0].FrameOfReferenceUID


def test_the_rows_of_masks_point_at_the_bits_of_each_image() -> None:
    headers = ct()
    label_map = two_structures(headers)
    (made,) = derived.write([label_map], [], by_uid(headers), {})
    assert len(made.masks) == 5 + 2
    numbers = {row["number"]: row["name"] for row in made.segments}
    for row in made.masks:
        at = label_map.frames.index((row["instance_uid"], row["frame"]))
        value = {"lung": 1, "nodule": 4}[numbers[row["number"]]]
        assert np.array_equal(bits(made, row), label_map.values[at] == value)
    assert derived.derived_from_bytes(made.data, by_uid(headers)).masks == made.masks


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_single_objects_become_a_label_map_that_highdicom_reads_back(dtype: type) -> None:
    tile = image(
        "tile",
        np.zeros((30, 40), np.uint8),
        Modality="GM",
        SOPClassUID=VLMicroscopicImageStorage,
        PixelSpacing=[0.001, 0.001],
    )
    count = 200 if dtype is np.uint8 else 300
    values = np.arange(30 * 40, dtype=np.int64).reshape(1, 30, 40) % (count + 1)
    kind = (Segment(1, "nucleus", ("84640000", "SCT", "Nucleus")),)
    label_map = LabelMap(((str(tile.SOPInstanceUID), 0),), values.astype(dtype), kind, objects=True)
    (made,) = derived.write([label_map], [], by_uid([tile]), {})
    seg = hd.seg.Segmentation.from_dataset(read(made))
    assert seg.segmentation_type == hd.seg.SegmentationTypeValues.LABELMAP
    assert np.array_equal(np.squeeze(seg.pixel_array), values[0])
    assert [(row["name"], row["objects"]) for row in made.segments] == [("nucleus", 1)]
    (row,) = made.masks
    assert (row["number"], row["bits"]) == (0, np.dtype(dtype).itemsize * 8)
    assert np.array_equal(bits(made, row), values[0])


def test_frames_of_a_cine_keep_their_masks() -> None:
    film = cine(frames=4)
    uid = str(film.SOPInstanceUID)
    values = np.zeros((2, 6, 9), np.uint8)
    values[0, 1, 2] = values[1, 3, 4:6] = 1
    label_map = LabelMap(((uid, 3), (uid, 1)), values, (LUNG,))
    (made,) = derived.write([label_map], [], by_uid([film]), {})
    found = {row["frame"]: bits(made, row) for row in made.masks}
    assert sorted(found) == [1, 3]
    assert np.array_equal(found[3], values[0]) and np.array_equal(found[1], values[1])
    seg = hd.seg.Segmentation.from_dataset(read(made))
    again = seg.get_pixels_by_source_frame(uid, [2, 4], ignore_spatial_locations=True)
    assert np.array_equal(again[..., 0], values[::-1])


def test_images_that_lie_nowhere_get_a_seg_each() -> None:
    shots = [image(name, np.zeros((6, 8), np.uint8)) for name in "ab"]
    values = np.zeros((2, 6, 8), np.uint8)
    values[0, 1], values[1, 2] = 1, 1
    label_map = LabelMap(tuple((str(one.SOPInstanceUID), 0) for one in shots), values, (LUNG,))
    made = derived.write([label_map], [], by_uid(shots), {})
    assert [row["instance_uid"] for one in made for row in one.masks] == list(by_uid(shots))
    assert all(np.array_equal(bits(o, o.masks[0]), v) for o, v in zip(made, values, strict=True))
    assert len({one.uid for one in made}) == 2


def test_chinese_names_and_labels_come_back() -> None:
    shot = image(
        "c",
        np.zeros((6, 8), np.uint8),
        PatientName="M\u00fcller",
        SpecificCharacterSet="ISO_IR 100",
    )
    (uid,) = by_uid([shot])
    label_map = LabelMap(((uid, 0),), np.ones((1, 6, 8), np.uint8), (Segment(1, "肺"),))
    box = Box(uid, "结节", 1, 2, 3, 4, object="一", more={"密度": "实性"})
    made = derived.write([label_map], [box], by_uid([shot]), {uid: {"诊断": "肺炎"}})
    seg, report = (derived.derived_from_bytes(one.data, by_uid([shot])) for one in made)
    assert [row["name"] for row in seg.segments] == ["肺"]
    assert [(row["name"], row["object"]) for row in report.boxes] == [("结节", "一")]
    assert json.loads(report.boxes[0]["more"]) == {"密度": "实性"}
    assert str(read(made[1]).PatientName) == "Müller"


def test_a_mask_without_a_pixel_is_still_an_answer() -> None:
    headers = ct(3)
    empty = LabelMap(
        tuple((str(one.SOPInstanceUID), 0) for one in headers),
        np.zeros((3, 6, 8), np.uint8),
        (LUNG,),
    )
    (made,) = derived.write([empty], [], by_uid(headers), {})
    assert [row["name"] for row in made.segments] == ["lung"]
    assert not any(bits(made, row).any() for row in made.masks)


def test_boxes_and_labels_are_one_report_that_highdicom_reads_back() -> None:
    headers = ct(3)
    box = box_on(headers[1])
    labels = {uid: {"finding": "nodule", "count": 2, "age": 61.5} for uid in by_uid(headers)}
    (made,) = derived.write([], [box], by_uid(headers), labels)
    report = hd.sr.ComprehensiveSR.from_dataset(read(made))
    (group,) = report.content.get_planar_roi_measurement_groups()
    assert group.finding_type.meaning == "nodule"
    assert group.tracking_identifier == "n1"
    (measurement,) = group.get_measurements()
    assert (measurement.name.meaning, measurement.value) == ("diameter_mm", 6.25)
    assert group.roi.value.min(axis=0).tolist() == pytest.approx([1.1, 2.0])
    (known,) = report.content.get_image_measurement_groups()
    assert {m.name.meaning: m.value for m in known.get_measurements()} == {"count": 2, "age": 61.5}
    assert known.get_qualitative_evaluations()[0].value.meaning == "nodule"
    assert {one.referenced_sop_instance_uid for one in known.source_images} == set(labels)


def test_boxes_stand_exactly_in_the_rows_and_nearly_in_the_report() -> None:
    headers = ct(3)
    through = Box(str(headers[1].SOPInstanceUID), "nodule", 1.1, 2, 4.7, 5, first=0, last=2)
    (made,) = derived.write([], [through, box_on(headers[0])], by_uid(headers), {})
    row = made.boxes[0]
    assert (row["left"], row["right"], row["first"], row["last"]) == (1.1, 4.7, 0, 2)
    assert json.loads(made.boxes[1]["more"]) == {"diameter_mm": 6.25, "density": "solid"}
    again = derived.derived_from_bytes(made.data, by_uid(headers)).boxes
    for given, found in zip(made.boxes, again, strict=True):
        assert found["left"] == pytest.approx(given["left"], abs=1e-6)
        assert {k: found[k] for k in ("name", "first", "last", "more", "instance_uid")} == {
            k: given[k] for k in ("name", "first", "last", "more", "instance_uid")
        }


def test_each_series_has_its_own_report_and_no_labels_no_report() -> None:
    one, other = image("a", np.zeros((4, 4), np.uint8)), image("b", np.zeros((4, 4), np.uint8))
    other.SeriesInstanceUID += ".1"
    labels = {str(one.SOPInstanceUID): {"kind": "a"}, str(other.SOPInstanceUID): {"kind": "b"}}
    made = derived.write([], [], by_uid([one, other]), labels)
    assert [each.row["references_series_uid"] for each in made] == [
        one.SeriesInstanceUID,
        other.SeriesInstanceUID,
    ]
    assert derived.write([], [], by_uid([one]), {}) == []


WRITE = """
import pickle, sys
from hashlib import sha256
from dicom_archive import derived
given = pickle.load(open(sys.argv[1], "rb"))
print(*[sha256(one.data).hexdigest() for one in derived.write(*given)])
"""


def test_equal_input_gives_equal_bytes_in_every_process(tmp_path: Path) -> None:
    headers = ct(3)
    given = ([two_structures(headers)], [box_on(headers[0])], by_uid(headers), labels_of(headers))
    (tmp_path / "given").write_bytes(pickle.dumps(given))
    said = subprocess.run(
        [sys.executable, "-c", WRITE, str(tmp_path / "given")],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"},
    )
    here = [sha256(one.data).hexdigest() for one in derived.write(*given)]
    assert said.stdout.split() == here
    assert len(here) == 2


def labels_of(headers: Sequence[Dataset]) -> dict[str, dict[str, object]]:
    return {uid: {"finding": "nodule", "age": 40} for uid in by_uid(headers)}


def test_what_is_marked_synthetic_stays_so() -> None:
    headers = slices([(0.0, 0.0, 0.0)], PatientName="SYNTHETIC^SYN1")
    made = derived.write([two_structures(headers[:1])], [], by_uid(headers), labels_of(headers))
    for one in made:
        assert "SYNTHETIC" in read(one).SeriesDescription
        assert "SYNTHETIC" in str(read(one).PatientName)
    assert read(made[0]).SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"


def wrong_size(headers: Sequence[Dataset]) -> LabelMap:
    return LabelMap(((str(headers[0].SOPInstanceUID), 0),), np.zeros((1, 9, 9), np.uint8), (LUNG,))


def unknown_value(headers: Sequence[Dataset]) -> LabelMap:
    return LabelMap(
        ((str(headers[0].SOPInstanceUID), 0),), np.full((1, 6, 8), 7, np.uint8), (LUNG,)
    )


def unknown_image(headers: Sequence[Dataset]) -> LabelMap:
    return LabelMap((("1.2.3", 0),), np.zeros((1, 6, 8), np.uint8), (LUNG,))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [(wrong_size, "9 x 9 pixels"), (unknown_value, "value 7"), (unknown_image, "image 1.2.3")],
)
def test_marks_that_do_not_fit_their_image_are_refused(broken: object, reason: str) -> None:
    headers = ct(1)
    with pytest.raises(BadImage, match=reason):
        derived.write([broken(headers)], [], by_uid(headers), {})  # type: ignore[operator]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools are not installed")
def test_dciodvfy_finds_no_error_in_a_binary_seg_and_a_report(tmp_path: Path) -> None:
    # Debian's dicom3tools does not know the SOP class of label map SEGs yet: highdicom reads them.
    headers = ct(3)
    film = cine()
    made = derived.write(
        [two_structures(headers)], [box_on(headers[0])], by_uid(headers), labels_of(headers)
    )
    frame = LabelMap(((str(film.SOPInstanceUID), 0),), np.ones((1, 6, 9), np.uint8), (LUNG,))
    made += derived.write([frame], [], by_uid([film]), {})
    for number, one in enumerate(made):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(one.data)
        said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True)
        errors = [line for line in said.stderr.splitlines() if line.startswith("Error")]
        assert not errors, errors
