"""Sliders that draw a picture anew, and what stands there where no slider is shown."""

from __future__ import annotations

import base64

import pytest

pytest.importorskip("matplotlib")

from course_kit.widgets.by_hand import ByHand

SLIDERS = {"height": ("how high", 0.0, 4.0, 1.0)}


def draw(axes: object, height: float) -> str:
    axes.axhline(height)  # type: ignore[attr-defined]
    return f"Height {height:g}"


def test_a_slider_draws_the_picture_and_the_sentence_anew() -> None:
    widget = ByHand(draw, SLIDERS)
    slider, picture, words = widget.children
    before = picture.value
    assert "Height 1" in words.value
    slider.value = 3.0
    assert widget.values == {"height": 3.0}
    assert "Height 3" in words.value
    assert picture.value != before


def test_a_page_without_a_kernel_shows_the_picture() -> None:
    widget = ByHand(draw, SLIDERS)
    shown = widget._repr_mimebundle_()
    data = shown[0] if isinstance(shown, tuple) else shown
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")


def test_a_drawing_that_fails_leaves_no_figure_open() -> None:
    import matplotlib.pyplot as plt

    def broken(axes: object, height: float) -> str:
        raise ValueError("no such height")

    before = plt.get_fignums()
    with pytest.raises(ValueError, match="no such height"):
        ByHand(broken, SLIDERS)
    assert plt.get_fignums() == before
