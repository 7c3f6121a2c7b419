"""Where a series comes from: loose files of any syntax, or a published version with its index."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, RLELossless

from dicom_catalog import Series, read_folder
from dicom_catalog.errors import (
    NoSuchSeries,
    NotDecodable,
    NotReadable,
)

sys.path.insert(0, str(Path(__file__).parent))  # for series_cases.py

from series_cases import ct, instance, one, publish, save, stack

__all__ = ["one", "save"]  # fixtures


@pytest.mark.parametrize("count", [1, 3, 40])
def test_compressed_slices_are_decoded_to_the_same_values(
    one: Callable[..., Series], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Any work is worth a process here, so that the way through processes is the one that is tried.
    monkeypatch.setattr("dicom_catalog.decoding._WORTH_PROCESSES", 0)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    slices = ct([3 * k for k in range(count)])
    expected = stack(slices)
    for image in slices:
        image.compress(RLELossless)
    series = one(*slices)
    assert np.array_equal(series.array(), expected)
    assert np.array_equal(series.array("hu"), expected - 1024)
    assert np.array_equal(series.slice(-1), expected[-1])


def test_damaged_compressed_pixels_are_refused_from_a_process_too(
    one: Callable[..., Series], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_catalog.decoding._WORTH_PROCESSES", 0)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    slices = ct([0, 3, 6, 9])
    for image in slices:
        image.compress(RLELossless)
    slices[2].PixelData = pydicom.encaps.encapsulate([b"\1" + b"\0" * 70])
    with pytest.raises(NotDecodable, match="RLE Lossless"):
        one(*slices).array()


def test_big_endian_files_give_the_same_values(tmp_path: Path) -> None:
    (image,) = ct([0])
    expected = image.pixel_array.copy()
    image["PixelData"].VR = "OW"
    image.PixelData = expected.astype(">i2").tobytes()
    image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    path = tmp_path / "big.dcm"
    image.save_as(path, implicit_vr=False, little_endian=False, enforce_file_format=True)
    (series,) = read_folder(path)
    assert np.array_equal(series.array()[0], expected)


def test_a_folder_is_read_into_its_series_without_copies_and_other_files(
    save: Callable[[Sequence[Dataset]], Path],
) -> None:
    slices = ct([0, 3])
    other = ct([5])
    other[0].SeriesInstanceUID = "1.2.3.5"
    other[0].SeriesNumber = 9
    folder = save([*slices, slices[0], *other])
    (folder / "notes.txt").write_text("no DICOM")
    found = read_folder(folder)
    assert [(series.uid, len(series)) for series in found] == [("1.2.3.4", 2), ("1.2.3.5", 1)]
    assert found[0].masks() == {} and found[0].boxes() == [] and found[0].label_map() is None


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no DICOM")
    with pytest.raises(NotReadable, match="no DICOM image among the 1 files"):
        read_folder(tmp_path)
    with pytest.raises(NotReadable, match="no folder"):
        read_folder(tmp_path / "none")


def test_a_published_series_is_the_same_as_that_of_its_folder(
    tmp_path: Path, one: Callable[..., Series]
) -> None:
    slices = ct([6, 0, 3])
    dataset = publish(tmp_path / "root", slices)["mine"]
    (series,) = dataset.series
    own = one(*slices)
    assert np.array_equal(series.array(), own.array())
    assert np.array_equal(series.array("hu"), own.array("hu"))
    assert np.array_equal(series.affine(), own.affine())
    assert (series.kind, series.shape, series.spacing) == (own.kind, own.shape, own.spacing)
    assert [image.uid for image in series.images] == [image.uid for image in own.images]


def test_a_published_cine_of_single_bits_is_read_frame_by_frame(tmp_path: Path) -> None:
    bits = np.random.default_rng(2).integers(0, 2, (3, 3, 5), dtype=np.uint8)
    image = instance(bits, Modality="OT", BitsAllocated=1, BitsStored=1, HighBit=0)
    image.PixelData = np.packbits(bits.ravel(), bitorder="little").tobytes()
    (series,) = publish(tmp_path, [image])["mine"].series
    assert np.array_equal(series.array(), bits) and np.array_equal(series.slice(2), bits[2])
    assert np.array_equal(series.images[0].pixels, bits)


def test_a_series_says_which_labels_all_its_images_share(tmp_path: Path) -> None:
    dataset = publish(tmp_path, ct([0, 3]))["mine"]
    (series,) = dataset.series
    assert series.labels == {} and series.label is None and series.split == "train"
    (part,) = dataset.where(kind="a").series
    # A part that holds some of its images names the series whole, and only those that it has.
    assert part.uid == series.uid and np.array_equal(part.array(), series.array())
    assert [image.uid for image in part.images] == [image.uid for image in series.images]
    table = dataset.series_table()
    assert list(table["kind"]) == ["volume"] and list(table["frames"]) == [2]
    assert list(table["slice_spacing"]) == [3.0]


def test_an_unknown_series_is_refused_with_what_exists(tmp_path: Path) -> None:
    dataset = publish(tmp_path, ct([0, 3]))["mine"]
    with pytest.raises(NoSuchSeries, match=r"There is: 1\.2\.3\.4"):
        dataset.one_series("1.2.3.9")
    with pytest.raises(NoSuchSeries, match="numbered from 0 to 0"):
        _ = dataset.series[1]
    assert dataset.series[0].uid == dataset.one_series("1.2.3.4").uid


def test_a_file_that_ends_early_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (series,) = publish(tmp_path, ct([0, 3]))["mine"].series
    path = series.images[1].path
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(NotReadable, match="dataset verify"):
        series.array()
    path.unlink()
    with pytest.raises(NotReadable, match="cannot be read"):
        series.array("hu")


def test_series_and_images_describe_themselves(tmp_path: Path) -> None:
    (series,) = publish(tmp_path, ct([0, 3]))["mine"].series
    assert repr(series) == "<Series: CT, patient P1, train, 2 x 6 x 5, volume>"
    assert series._repr_png_().startswith(b"\x89PNG")
    assert "6 x 5, 0.8 x 0.5 mm" in repr(series.images[0])


def test_a_series_is_taken_into_another_process(tmp_path: Path, one: Callable[..., Series]) -> None:
    slices = ct([0, 3])
    (published,) = publish(tmp_path / "root", slices)["mine"].series
    for series in (published, one(*slices)):
        copy = pickle.loads(pickle.dumps(series))
        assert np.array_equal(copy.array(), series.array())
        assert [image.uid for image in copy.images] == [image.uid for image in series.images]
