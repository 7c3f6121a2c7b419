"""The neuron by hand: its loss is scikit-learn's, and a step downhill makes it smaller."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from course_kit.widgets import neuron
from course_kit.widgets.neuron import NeuronSliders


@pytest.fixture
def dots() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(1)
    y = np.arange(60) % 2
    return rng.normal(size=(60, 2)) + 0.8 * y[:, None], y


def test_an_untouched_neuron_has_the_loss_of_one_half(
    dots: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    assert NeuronSliders(*dots).loss == pytest.approx(math.log(2))


def test_the_loss_is_that_of_scikit_learn(
    dots: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    widget = NeuronSliders(*dots)
    widget.values = [1.5, -0.5, 0.25]
    assert widget.loss == pytest.approx(metrics.log_loss(dots[1], widget.answers), rel=1e-6)


def test_steps_downhill_make_the_loss_smaller(
    dots: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    widget = NeuronSliders(*dots)
    before = widget.loss
    widget.step(times=20)
    assert widget.loss < before
    assert min(widget.weights) > 0


def test_weights_stay_within_the_sliders(
    dots: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    widget = NeuronSliders(*dots, reach=0.1)
    widget.step(times=200)
    assert max(map(abs, widget.values)) <= 0.2


def test_a_page_without_a_kernel_shows_the_dots(
    dots: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    bundle = NeuronSliders(*dots)._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "data:image/png;base64," in data["text/html"]


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (np.zeros((4, 3)), np.zeros(4), "two numbers each"),
        (np.zeros((4, 2)), np.zeros(3), "one answer a dot"),
        (np.full((4, 2), np.nan), np.zeros(4), "NaN"),
    ],
)
def test_other_dots_are_refused_by_a_sentence(
    x: NDArray[np.float64], y: NDArray[np.float64], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        NeuronSliders(x, y)


def test_pictures_of_two_shapes_are_refused(
    dots: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    with pytest.raises(ValueError, match="one shape"):
        NeuronSliders(*dots, pictures=(np.zeros((3, 3)), np.zeros((4, 4))))


def test_each_text_has_both_languages() -> None:
    assert all(
        set(text) == {"en", "zh_CN"} and all(text.values()) for text in neuron.TEXTS.values()
    )


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_is_sound_javascript(tmp_path: Path) -> None:
    script = tmp_path / "neuron.mjs"
    source = Path(neuron.__file__).with_suffix(".js").read_text(encoding="utf-8")
    script.write_text(source, encoding="utf-8")
    subprocess.run(["node", "--check", str(script)], check=True, timeout=60)
