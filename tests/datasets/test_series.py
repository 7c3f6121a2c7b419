"""A series as one array with its affine: volumes, tilt, gaps, cines, colour, values, refusals."""

from __future__ import annotations

import json
import pickle
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless, generate_uid

from dicom_catalog import Catalog, Series, read_folder
from dicom_catalog.errors import (
    NoSuchImage,
    NoSuchSeries,
    NoSuchValues,
    NotAVolume,
    NotDecodable,
    NotReadable,
)
from dicom_catalog.header import describe, series_rows
from dicom_catalog.layout import TABLES, statements

SPACING = (0.8, 0.5)  # from row to row, from column to column, in mm
CT = "1.2.840.10008.5.1.4.1.1.2"


def instance(pixels: np.ndarray, **elements: Any) -> Dataset:
    """A DICOM object of grey or colour `pixels`, of several frames where they have them."""
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    colour = pixels.ndim > 2 and pixels.shape[-1] == 3
    rows, columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    bits = 8 * pixels.dtype.itemsize
    given = {
        "SOPClassUID": CT,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "PatientID": "P1",
        "Modality": "CT",
        "Rows": rows,
        "Columns": columns,
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    } | elements
    if colour:
        given["PlanarConfiguration"] = 0
    if pixels.ndim - colour > 2:
        given.setdefault("NumberOfFrames", len(pixels))
    keyword = {"f4": "FloatPixelData", "f8": "DoubleFloatPixelData"}.get(pixels.dtype.str[1:])
    data = pixels.tobytes()
    given[keyword or "PixelData"] = data + b"\0" * (len(data) % 2)
    for name, value in given.items():
        setattr(found, name, value)
    return found


def ct(
    heights: Sequence[float], slope: float = 1, intercept: float = -1024, tilt: float = 0
) -> list[Dataset]:
    """CT slices at `heights` in mm, 6 x 5 pixels, each moved by `tilt` rows a mm of height."""
    rng = np.random.default_rng(7)
    made = []
    for number, z in enumerate(heights, start=1):
        pixels = rng.integers(0, 3000, (6, 5), dtype=np.int16)
        made.append(
            instance(
                pixels,
                InstanceNumber=number,
                ImagePositionPatient=[-10.0, 20.0 + tilt * z, float(z)],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                PixelSpacing=list(SPACING),
                SliceThickness=3,
                RescaleSlope=slope,
                RescaleIntercept=intercept,
                WindowCenter=40,
                WindowWidth=400,
            )
        )
    return made


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Sequence[Dataset]], Path]:
    def write(datasets: Sequence[Dataset]) -> Path:
        folder = tmp_path / "given"
        folder.mkdir()
        for number, one in enumerate(datasets):
            one.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)
        return folder

    return write


@pytest.fixture
def one(save: Callable[[Sequence[Dataset]], Path]) -> Callable[..., Series]:
    """The only series of the instances given, read as a student's own folder."""

    def read(*datasets: Dataset) -> Series:
        (found,) = read_folder(save(datasets))
        return found

    return read


def publish(folder: Path, datasets: Sequence[Dataset]) -> Catalog:
    """A version of these instances of one series, in the layout of today."""
    version = folder / "mine" / "1.0.0"
    version.mkdir(parents=True)
    described = []
    for number, dataset in enumerate(datasets):
        path = version / f"{number:03d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        data = path.read_bytes()
        length = len(dataset.PixelData)
        found = describe(dataset, len(data) - length, length)
        found.image.update(path=path.name, split="train")
        described.append(found)
    series, frames, _ = series_rows(described)
    rows = {
        "series": [series],
        "studies": [described[0].study],
        "images": [one.image for one in described],
        "frames": frames,
    }
    connection = sqlite3.connect(version / "index.sqlite")
    for line in [*statements(), "CREATE TABLE labels (instance_uid, kind)"]:
        connection.execute(line)
    for table, lines in rows.items():
        names = list(TABLES[table])
        quoted = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join("?" * len(names))
        values = [[line[name] for name in names] for line in lines]
        connection.executemany(f"INSERT INTO {table} ({quoted}) VALUES ({marks})", values)
    labels = [(one.image["instance_uid"], "ab"[k % 2]) for k, one in enumerate(described)]
    connection.executemany("INSERT INTO labels VALUES (?, ?)", labels)
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    card: dict[str, Any] = {"name": "mine", "version": "1.0.0", "modality": "CT"}
    card |= {"titles": {"en": "Mine"}}
    card |= {"task": "segmentation", "source": "s", "licence": "l", "population": "p"}
    card |= {"limits": [{"en": "small", "zh_CN": "小"}, "old"], "synthetic": True}
    card |= {"deidentified": "", "structures": {"nodule": {"en": "lung nodule"}}}
    (version / "card.json").write_text(json.dumps(card))
    return Catalog(folder)


def stack(datasets: Sequence[Dataset]) -> np.ndarray:
    by_height = sorted(datasets, key=lambda one: float(one.ImagePositionPatient[2]))
    return np.stack([one.pixel_array for one in by_height])


def test_a_volume_is_sorted_by_place_whatever_the_names_and_numbers_say(
    one: Callable[..., Series],
) -> None:
    slices = ct([9, 0, 6, 3])
    series = one(*slices)
    assert series.kind == "volume" and not series.reason
    assert series.shape == (4, 6, 5) and series.spacing == (3.0, 0.8, 0.5)
    assert np.array_equal(series.array(), stack(slices))
    assert np.array_equal(series.slice(2), stack(slices)[2])
    assert [image.dicom().ImagePositionPatient[2] for image in series.images] == [0, 3, 6, 9]


def test_the_affine_takes_column_row_and_slice_to_millimetres(one: Callable[..., Series]) -> None:
    series = one(*ct([0, 3, 6]))
    lps = series.affine()
    assert np.allclose(lps @ [2, 1, 2, 1], [-10 + 2 * 0.5, 20 + 0.8, 6, 1])
    assert np.allclose(series.affine("RAS") @ [2, 1, 2, 1], [10 - 1, -20.8, 6, 1])
    with pytest.raises(ValueError, match="'LPS'"):
        series.affine("RSA")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [None, np.float64, np.int16, np.int32])
@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (2, 5), (0.5, -3.25), (1, 0)])
def test_hounsfield_units_are_what_pydicom_computes(
    one: Callable[..., Series], dtype: Any, slope: float, intercept: float
) -> None:
    slices = ct([0, 3], slope, intercept)
    found = one(*slices).array("hu", dtype)
    exact = stack(slices) * slope + intercept
    assert found.dtype == (dtype or np.float32)
    expected = np.rint(exact) if np.dtype(found.dtype).kind == "i" else exact
    assert np.array_equal(found, expected)


def test_integers_that_do_not_fit_are_held_within_the_range(one: Callable[..., Series]) -> None:
    slices = ct([0, 3], slope=20)
    exact = stack(slices).astype(float) * 20 - 1024
    assert exact.max() > 32767
    assert np.array_equal(one(*slices).array("hu", np.int16), np.clip(exact, -32768, 32767))


def test_an_array_that_is_given_is_filled_and_one_of_another_shape_refused(
    one: Callable[..., Series],
) -> None:
    series = one(*ct([0, 3, 6]))
    out = np.zeros((3, 6, 5), np.int16)
    assert series.array(out=out) is out
    assert np.array_equal(out, series.array())
    wide = np.zeros((3, 6, 10), np.float32)
    assert np.array_equal(series.array("hu", out=wide[:, :, ::2]), series.array("hu"))
    with pytest.raises(ValueError, match=r"\(3, 6, 5\)"):
        series.array(out=np.zeros((2, 6, 5), np.int16))


def test_arrays_may_be_changed_without_changing_the_next(one: Callable[..., Series]) -> None:
    series = one(*ct([0, 3]))
    series.array()[:] = 0
    assert series.array().any()


def test_a_tilted_gantry_has_no_affine_and_is_made_upright(one: Callable[..., Series]) -> None:
    # 0.8 mm of height move a slice by one row: with rows 0.8 mm apart that is 45 degrees.
    series = one(*ct([0, 0.8, 1.6], tilt=1))
    assert series.tilt == pytest.approx(45)
    with pytest.raises(NotAVolume, match=r"tilt.*\.even\(\)"):
        series.affine()
    with pytest.raises(NotAVolume, match="tilt"):
        series.to_sitk()
    upright = series.even()
    stored = series.array("rescaled")
    assert upright.array.shape == (3, 6 + 2, 5)
    for k in range(3):
        assert np.allclose(upright.array[k, k : k + 6], stored[k])
        assert np.allclose(upright.affine() @ [1, k, k, 1], [-10 + 0.5, 20 + 0.8 * k, 0.8 * k, 1])
    assert upright.array[0, 6:].max() == stored.min()
    assert upright.spacing == pytest.approx((0.8, 0.8, 0.5))


def test_half_a_row_of_tilt_is_interpolated(one: Callable[..., Series]) -> None:
    series = one(*ct([0, 0.4], tilt=1))
    stored = series.array("rescaled")
    found = series.even().array
    assert np.allclose(found[1, 1:6], (stored[1, :-1] + stored[1, 1:]) / 2)


def test_gaps_are_named_and_interpolated(one: Callable[..., Series]) -> None:
    series = one(*ct([0, 1, 2, 4]))
    assert series.kind == "stack" and series.gaps == (1, 1, 2)
    with pytest.raises(NotAVolume, match=r"1, 1, 2.*\.even"):
        series.affine()
    stored = series.array("rescaled")
    found = series.even(1.0)
    assert found.array.shape == (5, 6, 5)
    assert np.allclose(found.array[[0, 1, 2, 4]], stored)
    assert np.allclose(found.array[3], (stored[2] + stored[3]) / 2)
    assert np.allclose(found.affine() @ [0, 0, 4, 1], [-10, 20, 4, 1])


def test_an_even_volume_is_not_changed_by_even(one: Callable[..., Series]) -> None:
    series = one(*ct([0, 3, 6]))
    found = series.even()
    assert np.array_equal(found.array, series.array("hu"))
    assert np.allclose(found.affine(), series.affine())


def test_several_slices_at_one_place_are_refused_with_the_reason(
    one: Callable[..., Series],
) -> None:
    series = one(*ct([0, 3, 3, 6]))
    assert series.kind == "stack" and series.array().shape == (4, 6, 5)
    for ask in (series.affine, series.even, series.to_sitk):
        with pytest.raises(NotAVolume, match="at one place"):
            ask()


def test_images_of_different_size_are_read_one_by_one(one: Callable[..., Series]) -> None:
    films = [instance(np.full((4, 3 + k), k, np.uint16), InstanceNumber=k) for k in range(2)]
    series = one(*films)
    assert series.kind == "images"
    with pytest.raises(NotAVolume, match="differ in size"):
        series.array()
    assert [image.pixels.shape for image in series.images] == [(4, 3), (4, 4)]


def test_a_cine_is_an_array_of_its_frames_and_one_image(one: Callable[..., Series]) -> None:
    pixels = np.arange(4 * 3 * 2, dtype=np.uint8).reshape(4, 3, 2)
    series = one(instance(pixels, Modality="US", FrameTime=40))
    assert series.shape == (4, 3, 2) and len(series.images) == 1
    assert np.array_equal(series.array(), pixels)
    (image,) = series.images
    assert np.array_equal(image.pixels, pixels) and image.frame_count == 4
    assert image.frame_seconds == pytest.approx(0.04)
    assert image.picture().shape == (3, 2)


def test_an_enhanced_object_is_a_volume_sorted_along_its_normal(
    one: Callable[..., Series],
) -> None:
    pixels = np.arange(3 * 4 * 2, dtype=np.uint16).reshape(3, 4, 2)
    heights = [4.0, 0.0, 2.0]
    groups, shared = [], Dataset()
    for z in heights:
        plane, group = Dataset(), Dataset()
        plane.ImagePositionPatient = [0.0, 0.0, z]
        group.PlanePositionSequence = DicomSequence([plane])
        groups.append(group)
    turn, measures = Dataset(), Dataset()
    turn.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing = list(SPACING)
    shared.PlaneOrientationSequence = DicomSequence([turn])
    shared.PixelMeasuresSequence = DicomSequence([measures])
    series = one(
        instance(
            pixels,
            Modality="MR",
            SharedFunctionalGroupsSequence=DicomSequence([shared]),
            PerFrameFunctionalGroupsSequence=DicomSequence(groups),
        )
    )
    assert series.kind == "volume" and series.spacing == (2.0, 0.8, 0.5)
    assert np.array_equal(series.array(), pixels[[1, 2, 0]])
    assert np.array_equal(series.slice(-1), pixels[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint32, np.float32, np.float64])
def test_all_types_of_pixels_keep_theirs(one: Callable[..., Series], dtype: type) -> None:
    pixels: np.ndarray = np.array([[0, 1, 2], [100, 101, 120]], dtype)
    found = one(instance(pixels, Modality="OT")).array()
    assert found.dtype == dtype and np.array_equal(found[0], pixels)


def test_single_bits_begin_within_a_byte(one: Callable[..., Series]) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (3, 3, 5), dtype=np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little")
    image = instance(bits, Modality="OT", BitsAllocated=1, BitsStored=1, HighBit=0)
    image.PixelData = packed.tobytes()
    series = one(image)
    assert np.array_equal(series.array(), bits)
    assert np.array_equal(series.slice(1), bits[1])
    assert np.array_equal(series.array("rescaled"), bits.astype(np.float32))


def test_colour_has_a_last_axis(one: Callable[..., Series]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 4, 3, 3), dtype=np.uint8)
    series = one(instance(pixels, Modality="ES"))
    assert series.shape == (2, 4, 3, 3) and np.array_equal(series.array(), pixels)
    assert series.slice(0).shape == (4, 3, 3)


def test_monochrome1_keeps_its_values_and_is_shown_white(one: Callable[..., Series]) -> None:
    pixels = np.array([[0, 100], [200, 255]], np.uint8)
    series = one(instance(pixels, Modality="CR", PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(series.array()[0], pixels)
    assert series.photometric == "MONOCHROME1"
    assert series.images[0].windowed()[0, 0] == 1


def pet(**more: Any) -> list[Dataset]:
    dose = Dataset()
    dose.RadionuclideTotalDose = 100e6
    dose.RadionuclideHalfLife = 6000
    dose.RadiopharmaceuticalStartTime = "090000"
    made = ct([0, 3], slope=2, intercept=0)
    for slope, one in zip((2, 4), made, strict=True):
        for name, value in {
            "Modality": "PT",
            "Units": "BQML",
            "CorrectedImage": ["ATTN", "DECY"],
            "DecayCorrection": "START",
            "SeriesDate": "20200101",
            "SeriesTime": "100000",
            "AcquisitionDate": "20200101",
            "AcquisitionTime": "100000",
            "RadiopharmaceuticalInformationSequence": DicomSequence([dose]),
            "RescaleSlope": slope,
            **more,
        }.items():
            setattr(one, name, value)
    return made


def test_suv_is_activity_over_the_dose_that_is_left_by_weight(one: Callable[..., Series]) -> None:
    slices = pet(PatientWeight=70)
    found = one(*slices).array("suv", np.float64)
    left = 100e6 * 2 ** (-3600 / 6000)
    slopes = np.array([2, 4])[:, None, None]
    assert np.allclose(found, stack(slices) * slopes * 70_000 / left, rtol=1e-6)


def test_values_that_an_image_has_not_are_refused(one: Callable[..., Series]) -> None:
    series = one(*pet())
    with pytest.raises(NoSuchValues, match="weight"):
        series.array("suv")
    with pytest.raises(NoSuchValues, match="Only a CT"):
        series.array("hu")
    with pytest.raises(NoSuchValues, match="Did you mean 'suv'"):
        series.array("suvs")


def test_only_a_pet_has_suv(one: Callable[..., Series]) -> None:
    with pytest.raises(NoSuchValues, match="Only a PET"):
        one(*ct([0])).array("suv")


def test_a_slice_outside_is_refused_with_how_many_there_are(one: Callable[..., Series]) -> None:
    with pytest.raises(NoSuchImage, match="0 to 1"):
        one(*ct([0, 3])).slice(2)


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
