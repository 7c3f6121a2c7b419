"""The neuron by hand of module 03: its loss, and a step against the slope of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

pytest.importorskip("anywidget")

from course_kit.widgets.neuron import NeuronSliders


def dots() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 200)
    return rng.normal(1 + 0.5 * truth[:, None], 0.3, (200, 2)), truth


def test_who_knows_nothing_has_the_loss_of_a_coin() -> None:
    assert NeuronSliders(*dots()).loss == pytest.approx(math.log(2))


def test_its_loss_is_that_of_scikit_learn() -> None:
    x, truth = dots()
    widget = NeuronSliders(x, truth)
    widget.values = [1.5, -0.5, 0.25]
    assert widget.loss == pytest.approx(log_loss(truth, widget.answers))


def test_a_step_goes_against_the_slope() -> None:
    widget = NeuronSliders(*dots())
    widget.values = [1.0, 1.0, -1.0]
    before, place, tiny = widget.loss, np.array(widget.values), 1e-5
    slope = []
    for knob in range(3):
        widget.values = [float(v) for v in place + tiny * (np.arange(3) == knob)]
        slope.append((widget.loss - before) / tiny)
    widget.values = [float(v) for v in place]
    widget.step(rate=0.1)
    assert np.array(widget.values) == pytest.approx(place - 0.1 * np.array(slope), abs=1e-4)
    assert widget.loss < before


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        ([[1.0, 2.0]], [1, 0], "one answer a dot"),
        ([[1.0, 2.0, 3.0]], [1], "dots of two numbers"),
        ([[1.0, float("nan")]], [1], "1 of the dots' numbers are NaN"),
    ],
)
def test_what_are_no_dots_is_refused_with_why(x: object, y: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        NeuronSliders(x, y)  # type: ignore[arg-type]


def test_pictures_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="two pictures of one shape"):
        NeuronSliders(*dots(), pictures=(np.zeros((2, 2)), np.zeros((3, 3))))
