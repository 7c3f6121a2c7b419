"""Others' SEG and SR files as rows: equal to what highdicom reads, or refused with the reason."""

from __future__ import annotations

import io
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_headers import by_uid, slices
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from dicom_archive import derived
from dicom_archive.errors import BadImage
from dicom_archive.flatten import derived_from_bytes, is_derived
from dicom_catalog.annotations import Box, LabelMap, Segment


@pytest.fixture(scope="module")
def images(shared_data: Path) -> dict[str, Dataset]:
    """Headers of the images of seg-sr and of the three CT slices of pydicom's package."""
    paths = [*(shared_data / "seg-sr").rglob("*.dcm")]
    paths += [Path(p) for p in pydicom.data.get_testdata_files("dicomdirtests/77654033/CT2/*")]
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    return by_uid([h for h in headers if "Rows" in h and not is_derived(str(h.SOPClassUID))])


BINARY = (
    "dcmqi/liver.dcm",
    "dcmqi/partial_overlaps.dcm",
    "highdicom/seg_image_ct_binary_single_frame.dcm",
)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", BINARY)
def test_masks_lie_where_highdicom_reads_them(
    name: str, shared_data: Path, images: dict[str, Dataset]
) -> None:
    data = (shared_data / "seg-sr" / name).read_bytes()
    found = derived_from_bytes(data, images)
    seg = hd.seg.Segmentation.from_dataset(pydicom.dcmread(io.BytesIO(data)))
    uids = list(dict.fromkeys(row["instance_uid"] for row in found.masks))
    expected = read_by_highdicom(seg, uids)
    got = np.zeros_like(expected)
    order = [row["number"] for row in found.segments]
    every = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    for row in found.masks:
        begin, size = row["bit_offset"], row["rows"] * row["columns"]
        mask = every[begin : begin + size].reshape(row["rows"], row["columns"])
        got[uids.index(row["instance_uid"]), ..., order.index(row["number"])] = mask
    assert got.any()
    assert np.array_equal(got, expected)


def read_by_highdicom(seg: hd.seg.Segmentation, uids: list[str]) -> np.ndarray:
    frames = []
    for uid in uids:
        frames.append(
            seg.get_pixels_by_source_instance(
                [uid], assert_missing_frames_are_empty=True, ignore_spatial_locations=True
            )[0]
        )
    return np.stack(frames)


COUNTS = {
    "dcmqi/partial_overlaps.dcm": ("binary", 5, 7),
    "highdicom/seg_image_cr_binary.dcm": ("binary", 1, 1),
    "highdicom/seg_image_sm_control.dcm": ("binary", 20, 20),
    "highdicom/seg_image_sm_control_labelmap.dcm": ("labelmap", 20, 20),
    "highdicom/seg_image_sm_control_labelmap_palette_color.dcm": ("labelmap", 20, 20),
    "highdicom/seg_image_sm_dots.dcm": ("binary", 50, 62),
}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", sorted(COUNTS))
def test_every_kind_of_segmentation_gives_its_segments_and_masks(
    name: str, shared_data: Path, images: dict[str, Dataset]
) -> None:
    kind, segments, masks = COUNTS[name]
    if "cr_binary" in name:
        images = images | cr_image()
    found = derived_from_bytes((shared_data / "seg-sr" / name).read_bytes(), images)
    assert {row["kind"] for row in found.segments} == {kind}
    assert (len(found.segments), len(found.masks)) == (segments, masks)
    assert {row["number"] for row in found.masks} <= (
        {0} if kind == "labelmap" else {row["number"] for row in found.segments}
    )


def cr_image() -> dict[str, Dataset]:
    path = pydicom.data.get_testdata_files("dicomdirtests/77654033/CR1/*")
    paths = [*path, *pydicom.data.get_testdata_files("*CR*")]
    headers = [pydicom.dcmread(p, stop_before_pixels=True, force=True) for p in paths]
    return by_uid([one for one in headers if "Rows" in one and "SOPInstanceUID" in one])


@pytest.mark.shared_data
def test_a_report_of_others_gives_its_regions_as_boxes(
    shared_data: Path, images: dict[str, Dataset]
) -> None:
    folder = shared_data / "seg-sr" / "highdicom"
    found = derived_from_bytes((folder / "sr_document.dcm").read_bytes(), images)
    (box,) = found.boxes
    assert (box["left"], box["top"], box["right"], box["bottom"]) == (47, 41, 69, 63)
    assert (box["name"], box["frame"]) == ("Spinal cord", 0)
    assert box["instance_uid"] in images
    several = (folder / "sr_document_with_multiple_groups.dcm").read_bytes()
    names = [box["name"] for box in derived_from_bytes(several, images).boxes]
    assert names[0] == "Nodule"


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dcmqi/seg.dcm", "no image that is here"),
        ("dcmqi/sr.dcm", "no image that is here"),
        ("dcmqi/rwvm.dcm", "Real World Value Mapping"),
    ],
)
def test_what_speaks_of_other_images_is_refused(
    name: str, reason: str, shared_data: Path, images: dict[str, Dataset]
) -> None:
    with pytest.raises(BadImage, match=reason):
        derived_from_bytes((shared_data / "seg-sr" / name).read_bytes(), images)


def one_seg() -> tuple[bytes, dict[str, Dataset]]:
    headers = slices([(0, 0, 0), (0, 0, 2)])
    frames = tuple((str(one.SOPInstanceUID), 0) for one in headers)
    label_map = LabelMap(frames, np.ones((2, 6, 8), np.uint8), (Segment(1, "all"),))
    (made,) = derived.write([label_map], [], by_uid(headers), {})
    return made.data, by_uid(headers)


def test_a_seg_without_sources_is_found_by_its_position() -> None:
    data, images = one_seg()
    dataset = pydicom.dcmread(io.BytesIO(data))
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    again = derived_from_bytes(buffer.getvalue(), images)
    expected = derived_from_bytes(data, images)
    assert [row["instance_uid"] for row in again.masks] == [
        row["instance_uid"] for row in expected.masks
    ]


def without_sources(data: bytes, **removed: None) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    for keyword in removed:
        del dataset[keyword]
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "other",
    [
        {"PatientID": "P0"},
        {"SeriesInstanceUID": "2.25.77"},
        {"FrameOfReferenceUID": "2.25.78"},
    ],
)
def test_a_seg_without_sources_lies_on_no_other_patient_series_or_frame(
    other: dict[str, str],
) -> None:
    data, images = one_seg()
    strangers = slices([(0, 0, 0), (0, 0, 2)], **other)
    for number, one in enumerate(strangers):
        one.SOPInstanceUID = f"2.25.90{number}"
    again = derived_from_bytes(without_sources(data), by_uid(strangers) | images)
    assert {row["instance_uid"] for row in again.masks} == set(images)


def test_a_seg_that_names_neither_source_nor_series_is_refused_beside_two_series() -> None:
    data, images = one_seg()
    twins = slices([(0, 0, 0), (0, 0, 2)], SeriesInstanceUID="2.25.77")
    for number, one in enumerate(twins):
        one.SOPInstanceUID = f"2.25.90{number}"
    bare = without_sources(data, ReferencedSeriesSequence=None)
    with pytest.raises(BadImage, match="which of them it marks"):
        derived_from_bytes(bare, by_uid(twins) | images)


@pytest.mark.parametrize("keep", [0, 200, 1000, -1])
def test_a_seg_cut_short_is_refused(keep: int) -> None:
    data, images = one_seg()
    with pytest.raises(BadImage):
        derived_from_bytes(data[:keep], images)


def test_compressed_masks_are_refused_by_the_name_of_their_syntax() -> None:
    data, images = one_seg()
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = pydicom.encaps.encapsulate([b"\0" * 8])
    dataset["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    with pytest.raises(BadImage, match="RLE Lossless"):
        derived_from_bytes(buffer.getvalue(), images)


def region(kind: str, points: list[float]) -> dict[str, float]:
    headers = slices([(0, 0, 0)])
    (uid,) = by_uid(headers)
    (made,) = derived.write([], [Box(uid, "x", 0, 0, 1, 1)], by_uid(headers), {})
    dataset = pydicom.dcmread(io.BytesIO(made.data))

    def change(parent: Dataset, element: pydicom.DataElement) -> None:
        if element.keyword == "GraphicData":
            element.value = points
            parent.GraphicType = kind

    dataset.walk(change)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    (box,) = derived_from_bytes(buffer.getvalue(), by_uid(headers)).boxes
    return box


def test_circles_and_ellipses_get_the_box_around_them() -> None:
    circle = region("CIRCLE", [4, 3, 6, 3])
    assert (circle["left"], circle["top"], circle["right"], circle["bottom"]) == (2, 1, 6, 5)
    ellipse = region("ELLIPSE", [1, 3, 7, 3, 4, 2, 4, 4])
    assert (ellipse["left"], ellipse["top"], ellipse["right"], ellipse["bottom"]) == (1, 2, 7, 4)
