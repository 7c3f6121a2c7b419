"""The contract of the chest CT: densities in HU, nodules where the masks and the boxes say."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from dicom_synthetic.chest_ct import KNOBS, Scan, draw, make, make_scan
from dicom_synthetic.sample import Made

DEFAULTS = {name: float(knob.default) for name, knob in KNOBS.items()}
PIXEL_MM, SLICE_MM = 1.4, 3.0


@pytest.fixture(scope="module")
def scans() -> list[Scan]:
    return [make_scan(plan) for plan in draw(5, 2024, DEFAULTS)]


@pytest.fixture(scope="module")
def ill() -> tuple[Scan, Made]:
    plan = next(one for one in draw(5, 2024, DEFAULTS) if one.nodules > 1)
    return make_scan(plan), make(plan)


def lungs_of(hu: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Air within the body, slice by slice, with what lies in it filled."""
    body = np.stack([ndimage.binary_fill_holes(one > -400) for one in hu])
    body = ndimage.binary_opening(body, np.ones((1, 5, 5)))
    spots, _ = ndimage.label(body & (hu < -500))
    largest = 1 + int(np.argmax(np.bincount(spots.ravel())[1:]))
    filled = np.stack([ndimage.binary_fill_holes(one) for one in spots == largest])
    closed = ndimage.binary_closing(filled, np.ones((1, 7, 7)))
    return np.asarray(ndimage.binary_erosion(closed, np.ones((1, 3, 3))))


def candidates(hu: NDArray[np.int16]) -> list[tuple[float, tuple[int, ...]]]:
    """Blobs in the lungs as (score, place), by differences of Gaussians on every second pixel."""
    lungs = lungs_of(hu)
    values = np.where(lungs, np.clip(hu, -900, -400), -850).astype(np.float32)
    values = values.reshape(84, 128, 2, 128, 2).mean((2, 4))
    best = np.zeros(values.shape, dtype=np.float32)
    for mm in (2.5, 4.0, 6.0):
        sigma = np.array([mm / SLICE_MM, mm / PIXEL_MM / 2, mm / PIXEL_MM / 2])
        smooth = ndimage.gaussian_filter(values, sigma, truncate=3)
        wider = ndimage.gaussian_filter(values, 1.6 * sigma, truncate=3)
        best = np.maximum(best, smooth - wider)
    peaks = (best == ndimage.maximum_filter(best, (5, 5, 5))) & lungs[:, ::2, ::2] & (best > 20)
    return [(float(best[k, j, i]), (k, 2 * j, 2 * i)) for k, j, i in np.argwhere(peaks).tolist()]


def sensitivity(scans: list[Scan], false_a_scan: float) -> float:
    """The share of nodules that blobs hit before there are that many false ones a scan."""
    every = sorted(
        ((score, place, n) for n, scan in enumerate(scans) for score, place in candidates(scan.hu)),
        reverse=True,
    )
    numbered = [ndimage.label(scan.marks, np.ones((3, 3, 3))) for scan in scans]
    hit: set[tuple[int, int]] = set()
    false = 0
    for _, place, n in every:
        near = tuple(slice(max(0, p - w), p + w + 1) for p, w in zip(place, (1, 2, 2), strict=True))
        touched = int(numbered[n][0][near].max())
        if touched:
            hit.add((n, touched))
        else:
            false += 1
        if false > false_a_scan * len(scans):
            break
    return len(hit) / sum(int(count) for _, count in numbered)


def test_values_are_hu_of_air_lung_tissue_and_bone(scans: list[Scan]) -> None:
    for scan in scans:
        assert scan.hu.shape == scan.marks.shape == (84, 256, 256)
        assert scan.hu.dtype == np.int16
        assert scan.hu.min() >= -1024 and scan.hu.max() <= 3071
        corner, lung = scan.hu[:, :20, :20], lungs_of(scan.hu)
        assert -1010 < corner.mean() < -950
        assert -900 < np.median(scan.hu[lung]) < -780
        assert 1500 < lung.sum() * PIXEL_MM**2 * SLICE_MM / 1000 < 8000
        assert np.percentile(scan.hu, 99.7) > 250


def test_four_in_five_have_nodules_and_labels_measure_them(scans: list[Scan]) -> None:
    assert [scan.labels["nodules"] for scan in scans].count("yes") == 4
    for scan in scans:
        assert (scan.labels["nodules"] == "yes") == bool(scan.marks.any())
        assert scan.labels["count"] == scan.plan.nodules == len(scan.nodules)
        volume = scan.marks.sum() * PIXEL_MM**2 * SLICE_MM / 1000
        assert scan.labels["volume_ml"] == pytest.approx(volume, abs=0.01)


def test_a_nodule_is_denser_than_the_lung_around_it(scans: list[Scan]) -> None:
    for scan in scans:
        for nodule in scan.nodules:
            inside = np.zeros(scan.marks.shape, dtype=bool)
            inside[nodule.part] = nodule.mask
            around = ndimage.binary_dilation(inside, np.ones((1, 3, 3)), iterations=4)
            shell = around & ~ndimage.binary_dilation(inside, np.ones((1, 3, 3)), iterations=2)
            assert scan.hu[inside].mean() > 80 + np.median(scan.hu[shell])
            assert 4 < nodule.diameter_mm < 32


def test_blobs_find_many_nodules_but_not_all(scans: list[Scan]) -> None:
    assert 0.3 <= sensitivity(scans, 1.0) <= 0.8


def test_less_contrast_makes_a_nodule_less_dense_in_the_same_place(ill: tuple[Scan, Made]) -> None:
    clear, patient = ill[0], ill[0].plan.patient
    pale = make_scan(draw(5, 2024, DEFAULTS | {"contrast": 0.3})[patient])
    assert np.array_equal(clear.marks, pale.marks)
    inside = clear.marks > 0
    assert clear.hu[inside].mean() > 60 + pale.hu[inside].mean()


def test_noise_and_size_turn_what_they_say(ill: tuple[Scan, Made]) -> None:
    usual, patient = ill[0], ill[0].plan.patient
    turned = draw(5, 2024, DEFAULTS | {"noise": 3.0, "size": 1.5})[patient]
    scan = make_scan(turned)
    air = np.s_[:, :30, :30]
    assert scan.hu[air].std() > 1.5 * usual.hu[air].std()
    assert max(n.diameter_mm for n in scan.nodules) > max(n.diameter_mm for n in usual.nodules)


def test_the_bead_goes_with_nodules_only_and_is_seen(ill: tuple[Scan, Made]) -> None:
    worn = draw(40, 5, DEFAULTS | {"bead": 1.0})
    assert all(plan.bead == (plan.nodules > 0) for plan in worn)
    assert not any(plan.bead for plan in draw(40, 5, DEFAULTS))
    usual, patient = ill[0], ill[0].plan.patient
    scan = make_scan(draw(5, 2024, DEFAULTS | {"bead": 1.0})[patient])
    other = np.abs(scan.hu.astype(int) - usual.hu) > 1
    assert 5 < other.sum() < 400 and scan.hu[other].max() > 1500
    assert scan.labels["bead"] == 1 and usual.labels["bead"] == 0


def test_the_same_seed_gives_the_same_bytes_and_another_others(ill: tuple[Scan, Made]) -> None:
    def digest(made: Made) -> str:
        return hashlib.sha256(b"".join(made.files)).hexdigest()

    assert digest(make(ill[0].plan)) == digest(ill[1])
    assert digest(make(draw(5, 3, DEFAULTS)[ill[0].plan.patient])) != digest(ill[1])


def test_its_slices_ascend_and_its_boxes_are_the_bounds_of_the_masks(
    ill: tuple[Scan, Made],
) -> None:
    scan, made = ill
    headers = [pydicom.dcmread(io.BytesIO(data)) for data in made.files]
    assert len({header.FrameOfReferenceUID for header in headers}) == 1
    assert len({header.SeriesInstanceUID for header in headers}) == 1
    heights = [float(header.ImagePositionPatient[2]) for header in headers]
    assert np.allclose(np.diff(heights), SLICE_MM)
    middle = headers[40]
    assert np.array_equal(middle.pixel_array.astype(int) - 1024, scan.hu[40])
    assert (middle.RescaleSlope, middle.RescaleIntercept) == (1, -1024)
    (marks,) = made.label_maps
    assert [uid for uid, _ in marks.frames] == [header.SOPInstanceUID for header in headers]
    assert len(made.boxes) == len(scan.nodules)
    covered = np.zeros(marks.values.shape, dtype=bool)
    for number, box in enumerate(made.boxes, 1):
        assert box.object == str(number) and box.first is not None and box.last is not None
        part = np.s_[
            box.first : box.last + 1,
            int(box.top) : int(box.bottom),
            int(box.left) : int(box.right),
        ]
        covered[part] = True
        assert marks.values[part].any((1, 2)).all()
        assert marks.values[part].any((0, 2)).all() and marks.values[part].any((0, 1)).all()
    assert not (marks.values.astype(bool) & ~covered).any()


def test_every_text_says_synthetic_and_no_header_tells_the_label(ill: tuple[Scan, Made]) -> None:
    header = pydicom.dcmread(io.BytesIO(ill[1].files[0]))
    for word in ("PatientName", "StudyDescription", "SeriesDescription", "ProtocolName"):
        assert "SYNTHETIC" in str(header[word].value)
    assert "nodule" not in str(header).lower()


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_dciodvfy_finds_no_error(tmp_path: Path, ill: tuple[Scan, Made]) -> None:
    path = tmp_path / "ct.dcm"
    for data in ill[1].files[::40]:
        path.write_bytes(data)
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
        assert "Error" not in done.stderr, done.stderr
