"""The contract of the brain MR: one grid for three series, tumours where the masks say."""

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

from dicom_synthetic.brain_mr import KNOBS, SEGMENTS, Scan, draw, make, make_scan

DEFAULTS = {name: float(knob.default) for name, knob in KNOBS.items()}


@pytest.fixture(scope="module")
def scans() -> list[Scan]:
    return [make_scan(plan) for plan in draw(8, 2024, DEFAULTS)]


def baseline(flair: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """The largest spot that is bright on FLAIR within the brain, by a threshold and opening."""
    values = ndimage.gaussian_filter(flair.astype(float), (0, 1, 1))
    head = ndimage.binary_fill_holes(values > 0.15 * np.percentile(values, 99))
    inner = ndimage.binary_erosion(head, np.ones((1, 3, 3)), iterations=9)
    middle = np.median(values[inner])
    bright = ndimage.binary_opening(inner & (values > 1.3 * middle), np.ones((1, 3, 3)))
    spots, count = ndimage.label(bright)
    if not count:
        return np.zeros(flair.shape, dtype=bool)
    sizes = ndimage.sum_labels(bright, spots, range(1, count + 1))
    return np.asarray(spots == 1 + int(np.argmax(sizes)))


def test_values_are_those_of_twelve_bits_and_no_series_is_flat(scans: list[Scan]) -> None:
    for scan in scans:
        assert list(scan.series) == ["T1", "T2", "FLAIR"]
        for pixels in scan.series.values():
            assert pixels.shape == scan.marks.shape == (20, 144, 144)
            assert pixels.dtype == np.uint16 and pixels.max() <= 4095
            assert pixels.std() > 100


def test_three_in_four_have_a_tumour_and_labels_measure_it(scans: list[Scan]) -> None:
    assert [scan.labels["tumour"] for scan in scans].count("yes") == 6
    for scan in scans:
        assert (scan.labels["tumour"] == "yes") == bool(scan.marks.any())
        for segment in SEGMENTS:
            volume = (scan.marks == segment.number).sum() * 1.5 * 1.5 * 6 / 1000
            assert scan.labels[f"{segment.name}_ml"] == pytest.approx(volume, abs=0.01)


def test_oedema_is_bright_on_flair_and_the_rim_on_t1(scans: list[Scan]) -> None:
    for scan in scans:
        if not scan.marks.any():
            continue
        around = ndimage.binary_dilation(scan.marks > 0, np.ones((1, 3, 3)), iterations=4)
        near = around & (scan.marks == 0)
        flair, t1 = scan.series["FLAIR"], scan.series["T1"]
        assert flair[scan.marks == 1].mean() > 1.2 * flair[near].mean()
        assert t1[scan.marks == 2].mean() > 1.1 * t1[near].mean()


def test_a_threshold_finds_much_of_a_tumour_but_not_all(scans: list[Scan]) -> None:
    dice = []
    for scan in scans:
        if scan.marks.any():
            found, truth = baseline(scan.series["FLAIR"]), scan.marks > 0
            dice.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
    assert 0.4 < np.mean(dice) < 0.85


def test_less_contrast_makes_a_tumour_less_bright() -> None:
    plan = next(one for one in draw(4, 5, DEFAULTS) if one.tumour)
    faint = draw(4, 5, DEFAULTS | {"contrast": 0.3})[plan.patient]
    clear, pale = make_scan(plan), make_scan(faint)
    assert np.array_equal(clear.marks, pale.marks)
    inside = clear.marks > 0
    assert clear.series["FLAIR"][inside].mean() > 1.05 * pale.series["FLAIR"][inside].mean()


def test_motion_blurs_and_the_capsule_goes_with_tumours_only() -> None:
    still = make_scan(draw(4, 5, DEFAULTS)[0])
    moved = make_scan(draw(4, 5, DEFAULTS | {"motion": 5.0})[0])
    assert not np.array_equal(still.series["T2"], moved.series["T2"])
    taped = draw(40, 5, DEFAULTS | {"capsule": 1.0})
    assert all(plan.capsule == plan.tumour for plan in taped)
    assert not any(plan.capsule for plan in draw(40, 5, DEFAULTS))


def test_the_same_seed_gives_the_same_bytes_and_another_others() -> None:
    def digest(seed: int) -> str:
        return hashlib.sha256(b"".join(make(draw(2, seed, DEFAULTS)[0]).files)).hexdigest()

    assert digest(3) == digest(3) != digest(4)


def test_its_series_share_a_frame_of_reference_and_its_marks_their_slices() -> None:
    plan = next(one for one in draw(4, 2024, DEFAULTS) if one.tumour)
    made = make(plan)
    headers = [pydicom.dcmread(io.BytesIO(data)) for data in made.files]
    assert len({header.FrameOfReferenceUID for header in headers}) == 1
    assert len({header.SeriesInstanceUID for header in headers}) == 3
    assert all("SYNTHETIC" in header.SeriesDescription for header in headers)
    assert not any("tumour" in str(header).lower() for header in headers)
    for number, (marks, box) in enumerate(zip(made.label_maps, made.boxes, strict=True)):
        own = [header.SOPInstanceUID for header in headers[number * 20 : number * 20 + 20]]
        assert [uid for uid, _ in marks.frames] == own
        rows = np.flatnonzero((marks.values > 0).any((0, 2)))
        assert (box.top, box.bottom) == (rows[0], rows[-1] + 1)
        seen = np.flatnonzero((marks.values > 0).any((1, 2)))
        assert (box.first, box.last) == (seen[0], seen[-1])


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_dciodvfy_finds_no_error(tmp_path: Path) -> None:
    path = tmp_path / "mr.dcm"
    for data in make(draw(1, 3, DEFAULTS)[0]).files[::25]:
        path.write_bytes(data)
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
        assert "Error" not in done.stderr, done.stderr
