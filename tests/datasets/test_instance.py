"""Reading DICOM for a version: pixels equal to pydicom's over its own files, or a reason."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRLittleEndian

from dicom_archive.errors import BadImage
from dicom_archive.instance import Instance, instance_from_bytes
from dicom_catalog.image import Image
from dicom_synthetic import draw_cohort, film_dicom, make_film

PACKAGED = sorted(
    path
    for path in (Path(pydicom.data.__file__).parent / "test_files").rglob("*")
    if path.is_file() and path.read_bytes()[128:132] == b"DICM"
)


@pytest.fixture(scope="module")
def film() -> bytes:
    return film_dicom(make_film(draw_cohort(1, seed=31)[0]))


def as_image(instance: Instance, folder: Path) -> Image:
    path = folder / "001.dcm"
    path.write_bytes(instance.data)
    return Image(instance.row, path, {"finding": "normal"}, "finding")


def as_pydicom_reads(path: Path) -> np.ndarray:
    """Stored values in this machine's byte order; a palette's colours."""
    pixels = pixel_array(path)
    header = pydicom.dcmread(path, stop_before_pixels=True)
    if header.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, header)[..., :3]
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def in_the_rows_bytes(instance: Instance) -> np.ndarray:
    """Stored values read from the byte ranges of the frames' rows."""
    row = instance.row
    kind = {"PixelData": "ui"[row["pixel_representation"]]}.get(row["pixel_keyword"], "f")
    ranges = [(one["pixel_offset"], one["pixel_length"]) for one in instance.described.frames]
    data = b"".join(instance.data[begin : begin + length] for begin, length in ranges)
    return np.frombuffer(data, f"<{kind}{row['bits_allocated'] // 8}")


@pytest.mark.filterwarnings("ignore")
def test_pixels_equal_pydicoms_on_all_files_of_its_package(tmp_path: Path) -> None:
    taken = 0
    for path in PACKAGED:
        try:
            instance = instance_from_bytes(path.read_bytes())
        except BadImage as error:
            assert len(str(error)) > 5
            continue
        taken += 1
        image = as_image(instance, tmp_path)
        expected = as_pydicom_reads(path)
        found = in_the_rows_bytes(instance)
        assert found.dtype == expected.dtype, path.name
        assert np.array_equal(found.reshape(expected.shape), expected), path.name
        again = pydicom.dcmread(io.BytesIO(instance.data))
        assert again.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert np.array_equal(pixel_array(again), expected), path.name
        assert instance.row["instance_uid"] == pydicom.dcmread(path).SOPInstanceUID
        grey = image.windowed()
        assert grey.dtype == np.float32
        assert grey.min() >= 0 and grey.max() <= 1
    assert taken >= 75


def test_a_plain_file_is_kept_byte_for_byte(film: bytes) -> None:
    assert instance_from_bytes(film).data == film


def changed(film: bytes, change: Callable[[Dataset], object]) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(film))
    change(dataset)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def set_to(keyword: str, value: object) -> Callable[[Dataset], object]:
    return lambda dataset: setattr(dataset, keyword, value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_to("PatientID", ""), "no Patient ID"),
        (set_to("NumberOfFrames", 7), "less than expected"),
        (set_to("SamplesPerPixel", 4), "4 samples a pixel"),
        (set_to("BitsAllocated", 24), "24 bits allocated"),
        (set_to("Modality", "SEG"), "goes with the images"),
        (set_to("PhotometricInterpretation", "PALETTE COLOR"), "PALETTE COLOR"),
        (set_to("StudyInstanceUID", "../../etc"), "StudyInstanceUID is no UID"),
        (set_to("SeriesInstanceUID", ""), "no SeriesInstanceUID"),
        (set_to("Rows", 900), "less than expected"),
        (lambda dataset: dataset.pop("PixelData"), "no pixels"),
    ],
    ids=[
        "patient",
        "frames",
        "samples",
        "bits",
        "seg",
        "palette",
        "traversal",
        "series",
        "rows",
        "pixels",
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_with_the_reason(
    film: bytes, change: Callable[[Dataset], object], reason: str
) -> None:
    with pytest.raises(BadImage, match=reason):
        instance_from_bytes(changed(film, change))


@pytest.mark.parametrize("keep", [0, 100, 132, 400, 1500, 60_000])
def test_a_file_cut_short_is_refused(film: bytes, keep: int) -> None:
    with pytest.raises(BadImage):
        instance_from_bytes(film[:keep])


def test_what_stands_behind_the_pixels_is_taken_off_so_that_pixels_are_last(film: bytes) -> None:
    padded = changed(film, lambda d: d.add_new(0xFFFCFFFC, "OB", b"\0" * 10))
    instance = instance_from_bytes(padded)
    assert instance.row["pixel_offset"] + instance.row["pixel_length"] == len(instance.data)


def test_spacing_is_calibrated_before_the_detectors_and_none_where_nobody_knows(
    film: bytes,
) -> None:
    row = instance_from_bytes(film).row
    assert row["spacing_source"] == "PixelSpacing"
    bare = changed(film, lambda d: d.pop("PixelSpacing"))
    assert instance_from_bytes(bare).row["spacing_source"] == "ImagerPixelSpacing"
    nothing = changed(bare, lambda d: d.pop("ImagerPixelSpacing"))
    assert instance_from_bytes(nothing).row["row_spacing"] is None


def test_a_window_is_computed_where_the_file_has_none(film: bytes) -> None:
    row = instance_from_bytes(changed(film, lambda d: d.pop("WindowWidth"))).row
    assert row["window_source"] == "percentiles"
    low, high = np.percentile(pydicom.dcmread(io.BytesIO(film)).pixel_array, [0.5, 99.5])
    assert row["window_center"] == pytest.approx((low + high) / 2)
    assert row["window_width"] == pytest.approx(high - low)
