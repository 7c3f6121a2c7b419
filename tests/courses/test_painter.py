"""The painter says of a drawing what the metrics say of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from course_kit import metrics
from course_kit.widgets.painter import MaskPainter

GREY = np.linspace(0, 1, 20 * 24).reshape(20, 24)
TRUTH = np.zeros((20, 24), dtype=bool)
TRUTH[5:12, 6:15] = True


@pytest.fixture
def painter(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RADLAB_LANGUAGE", "en")
    return MaskPainter(GREY, TRUTH, (0.5, 0.2))


def test_what_is_drawn_in_the_browser_comes_back_as_a_mask(painter: Any) -> None:
    painter.drawn = TRUTH.astype(np.uint8).tobytes()
    assert np.array_equal(painter.mask, TRUTH)
    assert painter.dice == 1
    assert painter.hd95 == 0


def test_a_drawing_gets_the_numbers_that_judge_the_network(painter: Any) -> None:
    drawing = np.roll(TRUTH, (2, 3), (0, 1))
    painter.mask = drawing
    assert painter.dice == metrics.dice(drawing, TRUTH)
    assert painter.hd95 == metrics.hd95(drawing, TRUTH, (0.5, 0.2))
    assert painter.told == f"Dice {painter.dice:.2f}, HD95 {painter.hd95:.1f} mm"


def test_wiping_all_is_nothing_drawn_and_no_score(painter: Any) -> None:
    before = painter.told
    painter.mask = TRUTH
    painter.mask = np.zeros_like(TRUTH)
    assert painter.told == before
    assert "Dice" not in before


def test_millimetres_are_said_only_where_the_file_knows_them() -> None:
    painter = MaskPainter(GREY, TRUTH, unit="px")
    painter.mask = TRUTH
    assert painter.told.endswith("px")


def test_a_painter_speaks_the_language_of_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADLAB_LANGUAGE", "zh_CN")
    assert MaskPainter(GREY, TRUTH).words["clear"] == "重画"


def test_an_image_and_a_truth_of_other_shapes_are_refused_by_their_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(20, 24\) and \(5, 5\)"):
        MaskPainter(GREY, np.zeros((5, 5)))


def test_a_mask_of_another_shape_is_refused(painter: Any) -> None:
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        painter.mask = np.ones((3, 3))


def test_a_page_without_a_kernel_shows_the_image(painter: Any) -> None:
    bundle = painter._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "data:image/png;base64," in data["text/html"]
