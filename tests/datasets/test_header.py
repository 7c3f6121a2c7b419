"""A header as rows of the index: geometry, rescale, windows and doses from where they stand."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest
from dicom_headers import AXIAL, by_uid, cine, image, slices
from pydicom.dataset import Dataset

from dicom_archive.instance import instance_from_dataset
from dicom_catalog.header import describe, series_rows
from dicom_catalog.layout import TABLES

ADDED_LATER = {"images": {"path", "split"}, "frames": {"place"}}


def test_a_description_has_every_column_of_the_layout() -> None:
    described = describe(cine(), 100, 216)
    row, frames, _ = series_rows([described])
    assert set(described.image) == set(TABLES["images"]) - ADDED_LATER["images"]
    assert set(described.frames[0]) == set(TABLES["frames"]) - ADDED_LATER["frames"]
    assert set(described.study) == set(TABLES["studies"])
    assert list(row) == list(TABLES["series"])
    assert set(frames[0]) == set(TABLES["frames"])


def test_a_series_is_the_same_whatever_the_order_of_its_files() -> None:
    described = [describe(one, 0, 0) for one in slices([(0, 0, 2 * k) for k in range(7)])]
    expected = series_rows(described)
    random.Random(2).shuffle(described)
    again = series_rows(described)
    assert again[:2] == expected[:2]
    assert [json.loads(row["position"])[2] for row in again[1]] == [0, 2, 4, 6, 8, 10, 12]
    assert again[0]["slice_spacing"] == 2


def test_each_frame_of_a_cine_has_its_own_bytes() -> None:
    dataset = cine(frames=4, size=(6, 9))
    instance = instance_from_dataset(dataset)
    for k, row in enumerate(instance.described.frames):
        begin = row["pixel_offset"]
        pixels = np.frombuffer(instance.data[begin : begin + row["pixel_length"]], np.uint8)
        assert np.array_equal(pixels, np.arange(54, dtype=np.uint8) + 54 * k)
    assert instance.row["frame_seconds"] == 0.04
    assert instance.row["number_of_frames"] == 4


def test_single_bits_begin_in_the_byte_that_holds_the_frames_first_bit() -> None:
    header = image("bits", np.zeros((3, 5), np.uint8), BitsAllocated=1, NumberOfFrames=3)
    ranges = [(row["pixel_offset"], row["pixel_length"]) for row in describe(header, 7, 6).frames]
    assert ranges == [(7, 2), (8, 3), (10, 3)]


def groups(**sequences: dict[str, Any]) -> Dataset:
    item = Dataset()
    for name, elements in sequences.items():
        inner = Dataset()
        for keyword, value in elements.items():
            setattr(inner, keyword, value)
        setattr(item, name, [inner])
    return item


def enhanced() -> Dataset:
    frames = [
        groups(
            PlanePositionSequence={"ImagePositionPatient": [0.0, 0.0, 3.0 * (k // 2)]},
            PixelValueTransformationSequence={"RescaleSlope": k + 1, "RescaleIntercept": -k},
            MREchoSequence={"EffectiveEchoTime": 10.0 + k % 2},
        )
        for k in range(6)
    ]
    shared = groups(
        PixelMeasuresSequence={"PixelSpacing": [0.4, 0.6], "SliceThickness": 3},
        PlaneOrientationSequence={"ImageOrientationPatient": list(AXIAL)},
        FrameVOILUTSequence={"WindowCenter": 40, "WindowWidth": 400},
    )
    return image(
        "enhanced",
        np.zeros((6, 4, 5), np.int16),
        Modality="MR",
        NumberOfFrames=6,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
    )


def test_an_enhanced_image_is_described_from_its_functional_groups() -> None:
    described = describe(enhanced(), 0, 240)
    assert (described.image["row_spacing"], described.image["column_spacing"]) == (0.4, 0.6)
    assert (described.image["window_center"], described.image["window_source"]) == (40, "file")
    assert [row["slope"] for row in described.frames] == [1, 2, 3, 4, 5, 6]
    assert [row["intercept"] for row in described.frames] == [0, -1, -2, -3, -4, -5]
    row, frames, found = series_rows([described])
    assert "told apart by echo times" in row["reason"]
    assert [one["frame"] for one in frames] == [0, 2, 4, 1, 3, 5]
    assert [part.name for part in found.parts] == ["echo_time=10.0", "echo_time=11.0"]


def test_a_dose_grid_of_the_standards_kind_is_a_volume() -> None:
    path = str(pydicom.data.get_testdata_file("rtdose.dcm", download=False))
    header = pydicom.dcmread(path, stop_before_pixels=True)
    row, frames, _ = series_rows([describe(header, 0, 0)])
    assert (row["kind"], row["slice_spacing"], len(frames)) == ("volume", 5, 15)
    assert frames[0]["slope"] == float(header.DoseGridScaling)


def test_hounsfield_units_are_told_where_the_standard_implies_them() -> None:
    (one,) = slices([(0, 0, 0)])
    assert describe(one, 0, 0).image["rescale_type"] == "HU"
    assert describe(one, 0, 0).image["intercept"] == -1024


def test_an_ultrasound_region_in_centimetres_gives_the_spacing_in_millimetres() -> None:
    region = Dataset()
    region.RegionSpatialFormat = 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.02, 0.03
    one = cine()
    one.SequenceOfUltrasoundRegions = [region]
    row = describe(one, 0, 0).image
    assert (row["row_spacing"], row["column_spacing"]) == pytest.approx((0.3, 0.2))
    one.SequenceOfUltrasoundRegions = [region, region]
    assert describe(one, 0, 0).image["row_spacing"] is None


def test_a_window_comes_from_the_file_then_from_pixels_then_from_the_bits() -> None:
    pixels = np.arange(1000, dtype=np.int16).reshape(20, 50)
    one = image("window", pixels, RescaleSlope=2, RescaleIntercept=-100)
    bits = describe(one, 0, 0).image
    assert (bits["window_source"], bits["window_center"], bits["window_width"]) == (
        "bits",
        -100,
        131072,
    )
    found = describe(one, 0, 0, pixels=pixels).image
    assert found["window_source"] == "percentiles"
    low, high = np.percentile(pixels * 2.0 - 100, [0.5, 99.5])
    assert found["window_center"] == pytest.approx((low + high) / 2)
    one.WindowCenter, one.WindowWidth = [40, 600], [400, 1500]
    assert describe(one, 0, 0, pixels=pixels).image["window_center"] == 40


def pet(**elements: Any) -> Dataset:
    tracer = Dataset()
    tracer.RadionuclideTotalDose = 400e6
    tracer.RadionuclideHalfLife = 6586.2
    tracer.RadiopharmaceuticalStartTime = "110000"
    given = {
        "Modality": "PT",
        "Units": "BQML",
        "PatientWeight": 80,
        "DecayCorrection": "START",
        "SeriesDate": "20260101",
        "SeriesTime": "120000",
        "AcquisitionDate": "20260101",
        "AcquisitionTime": "120000",
        "RadiopharmaceuticalInformationSequence": [tracer],
    }
    return image("pet", np.zeros((2, 2), np.int16), **given | elements)


def test_suv_is_activity_times_weight_over_the_dose_that_is_left() -> None:
    left = 400e6 * 2 ** (-3600 / 6586.2)
    assert describe(pet(), 0, 0).image["suv_factor"] == pytest.approx(80_000 / left)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"DecayCorrection": "ADMIN"}, 80_000 / 400e6),
        ({"SeriesTime": "150000"}, 80_000 / (400e6 * 2 ** (-3600 / 6586.2))),
        ({"Units": "GML"}, 1.0),
        ({"Units": "GML", "SUVType": "LBM"}, None),
        ({"Units": "CNTS"}, None),
        ({"PatientWeight": None}, None),
        ({"DecayCorrection": "NONE"}, None),
        ({"RadiopharmaceuticalInformationSequence": None}, None),
        ({"Modality": "CT"}, None),
    ],
    ids=["admin", "later", "gml", "lean", "counts", "weight", "uncorrected", "dose", "ct"],
)
def test_suv_is_known_only_where_the_header_says_enough(
    elements: dict[str, Any], expected: float | None
) -> None:
    assert describe(pet(**elements), 0, 0).image["suv_factor"] == pytest.approx(expected)


def test_a_number_that_is_none_is_absent() -> None:
    one = image("broken", np.zeros((2, 2), np.int16), SeriesNumber=None, PatientAge="")
    described = describe(one, 0, 0)
    assert described.series["series_number"] is None
    assert described.study["patient_age"] is None


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.float32, np.float64])
def test_every_kind_of_stored_value_is_taken_unchanged(dtype: type) -> None:
    pixels = np.arange(30, dtype=dtype).reshape(5, 6)
    one = image("kind", pixels.astype(np.uint8))
    if np.dtype(dtype).kind == "f":
        del one.PixelData, one.BitsStored, one.HighBit, one.PixelRepresentation
        keyword = "FloatPixelData" if dtype is np.float32 else "DoubleFloatPixelData"
        setattr(one, keyword, pixels.tobytes())
        one.BitsAllocated = np.dtype(dtype).itemsize * 8
    else:
        one = image("kind", pixels)
    instance = instance_from_dataset(one)
    begin, length = instance.row["pixel_offset"], instance.row["pixel_length"]
    assert np.array_equal(
        np.frombuffer(instance.data[begin : begin + length], dtype)[:30], pixels.ravel()
    )
    assert by_uid([pydicom.dcmread(io.BytesIO(instance.data))])[instance.uid].Rows == 5
