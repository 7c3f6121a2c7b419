"""The contract of the endoscopy: polyps seen where the masks say, the same colon without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from dicom_synthetic.endo_light import frame_shape
from dicom_synthetic.endoscopy import FRAMES, KNOBS, Frame, Plan, draw, make_frame

DEFAULTS = {name: float(knob.default) for name, knob in KNOBS.items()}


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    return [plan for plan in draw(10, 2024, DEFAULTS) if plan.polyps and not plan.frame]


@pytest.fixture(scope="module")
def pairs(plans: list[Plan]) -> list[tuple[Frame, Frame]]:
    """The same frames with and without their polyps."""
    return [(make_frame(plan), make_frame(replace(plan, polyps=0))) for plan in plans[:4]]


def test_half_of_the_patients_have_a_polyp() -> None:
    plans = draw(72, 1, DEFAULTS)
    assert len(plans) == 72 * FRAMES
    assert sum(plan.polyps > 0 for plan in plans) == 72


def test_each_polyp_is_seen_inside_the_round_picture(pairs: list[tuple[Frame, Frame]]) -> None:
    outside = frame_shape() < 0.5
    for with_polyp, without in pairs:
        assert with_polyp.labels["polyp"] == "yes" and without.labels["polyp"] == "no"
        assert with_polyp.labels["polyps"] == len(np.unique(with_polyp.owner)) - 1
        assert (with_polyp.owner > 0).sum() > 60
        assert not with_polyp.owner[outside].any() and not without.owner.any()
        assert with_polyp.pixels[outside].max() < 130


def test_a_polyp_differs_from_the_wall_that_it_hides(pairs: list[tuple[Frame, Frame]]) -> None:
    for with_polyp, without in pairs:
        change = abs(with_polyp.pixels.astype(float) - without.pixels).mean(2)
        assert change[with_polyp.owner > 0].mean() > 5


def test_mimics_have_nothing_to_do_with_polyps() -> None:
    plans = draw(10, 4, DEFAULTS)
    assert {plan.forceps for plan in plans} == {0.0}
    ill = next(plan for plan in plans if plan.polyps)
    assert make_frame(ill).labels["mimics"] == make_frame(replace(ill, polyps=0)).labels["mimics"]


def test_larger_polyps_take_more_of_the_picture(plans: list[Plan]) -> None:
    areas = [
        sum(int((make_frame(replace(plan, size=size)).owner > 0).sum()) for plan in plans[:3])
        for size in (0.6, 1.6)
    ]
    assert areas[0] < areas[1]


def blobs(pixels: NDArray[np.uint8]) -> list[tuple[float, int, int]]:
    """Where brightness bulges both ways at once, best first: score, row, column.

    The weaker curvature of the logarithm, so that folds, bright one way only, do not count; glare
    and the dark lumen are left out.
    """
    colour = pixels / 255.0
    grey = colour.mean(2)
    line = (np.arange(len(grey)) + 0.5) / len(grey) * 2 - 1
    inside = np.hypot(line[:, None], line[None, :]) < 0.93
    glare = ndimage.binary_dilation(colour.min(2) > 0.62, iterations=2)
    seen = (inside & ~glare & (grey > 0.12)).astype(float)
    bright = np.log(np.maximum(grey, 0.05)) * seen
    found: list[tuple[float, int, int]] = []
    for size in (7, 10, 14):
        there = ndimage.gaussian_filter(seen, size * 0.6)
        field = ndimage.gaussian_filter(bright, size * 0.6) / np.maximum(there, 0.05)
        down, right, both = (
            ndimage.gaussian_filter(field, 2, order) for order in ((2, 0), (0, 2), (1, 1))
        )
        weaker = -(down + right + np.sqrt((down - right) ** 2 + 4 * both**2)) / 2 * size**2
        score = weaker * inside * (ndimage.gaussian_filter(seen, size * 0.5) > 0.4)
        peaks = (score == ndimage.maximum_filter(score, 2 * size)) & (score > 1e-6)
        found += [(float(score[r, c]), int(r), int(c)) for r, c in np.argwhere(peaks)]
    kept: list[tuple[float, int, int]] = []
    for one in sorted(found, reverse=True):
        if all(np.hypot(one[1] - row, one[2] - column) > 18 for _, row, column in kept[:8]):
            kept.append(one)
    return kept[:8]


def test_a_blob_detector_finds_some_polyps_at_one_false_positive_an_image() -> None:
    frames = [make_frame(plan) for plan in draw(24, 2024, DEFAULTS)]
    hits: list[float] = []
    false: list[float] = []
    for frame in frames:
        near = ndimage.grey_dilation(frame.owner, size=5)
        best: dict[int, float] = {}
        for score, row, column in blobs(frame.pixels):
            if near[row, column]:
                best.setdefault(int(near[row, column]), score)
            else:
                false.append(score)
        hits += best.values()
    polyps = sum(int(frame.labels["polyps"] or 0) for frame in frames)
    level = sorted(false, reverse=True)[len(frames)]
    sensitivity = sum(score > level for score in hits) / polyps
    assert 0.3 < sensitivity < 0.6
