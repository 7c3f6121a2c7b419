"""Two pictures over each other: what is moved back fits, and the explorer says how well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_kit.widgets.aligner import Aligner, overlay, shifted


@given(st.integers(-12, 12), st.integers(-12, 12))
def test_a_picture_moved_and_moved_back_is_the_same_inside(rows: int, columns: int) -> None:
    picture = np.random.default_rng(1).random((40, 50))
    back = shifted(shifted(picture, rows, columns), -rows, -columns)
    assert np.array_equal(back[12:-12, 12:-12], picture[12:-12, 12:-12])


def test_a_picture_moves_down_and_to_the_right() -> None:
    picture = np.zeros((5, 5))
    picture[1, 1] = 1
    assert shifted(picture, 2, 1)[3, 2] == 1
    assert shifted(picture, 2, 1).sum() == 1
    assert not shifted(picture, 5, 0).any()


def test_what_is_bright_in_one_alone_has_its_colour() -> None:
    one, other = np.zeros((20, 20)), np.zeros((20, 20))
    one[:5, :5], other[10:15, 10:15] = 1, 1
    colours = overlay(one, other)
    assert colours[2, 2, 0] > colours[2, 2, 2]
    assert colours[12, 12, 2] > colours[12, 12, 0]
    assert not colours[19, 0].any()


def score(fixed: Any, moving: Any) -> float:
    return -float(np.abs(fixed - moving).mean())


def test_the_explorer_remembers_the_best_place() -> None:
    picture = np.random.default_rng(1).random((40, 40))
    aligner = Aligner(picture, shifted(picture, 3, -2), score)
    before = aligner.best
    aligner.down.value, aligner.right.value = -3, 2
    assert aligner.best > before
    found = aligner.best
    aligner.down.value = 5
    assert aligner.best == found
    bundle = aligner._repr_mimebundle_()
    assert "data:image/png" in (bundle[0] if isinstance(bundle, tuple) else bundle)["text/html"]


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shapes \(4, 4\) and \(4, 5\)"):
        Aligner(np.zeros((4, 4)), np.zeros((4, 5)), score)
