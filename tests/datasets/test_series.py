"""A series as one array with its affine: volumes, tilt, gaps, cines, colour, values, refusals."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from dicom_catalog import Series
from dicom_catalog.errors import (
    NoSuchImage,
    NoSuchValues,
    NotAVolume,
)

sys.path.insert(0, str(Path(__file__).parent))  # for series_cases.py

from series_cases import SPACING, ct, instance, one, save, stack

__all__ = ["one", "save"]  # fixtures


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
    made: list[Dataset] = ct([0, 3], slope=2, intercept=0)
    for slope, image in zip((2, 4), made, strict=True):
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
            setattr(image, name, value)
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
