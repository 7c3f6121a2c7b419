"""The contract of the endoscopy: polyps seen where the masks say, the same colon without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

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
