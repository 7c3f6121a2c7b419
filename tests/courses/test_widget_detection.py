"""The two widgets of module 10: what they show is what the kit's metrics and detector say."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from course_kit import metrics
from course_kit.widgets.frocs import FrocBuilder
from course_kit.widgets.nms import NmsExplorer

PAIR = [(0, 0, 10, 10), (0, 1, 10, 11), (20, 20, 30, 30)]  # the first two share 9/11


def still(widget: NmsExplorer | FrocBuilder) -> ElementTree.Element:
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    page = data["text/html"]
    return ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])


@pytest.mark.parametrize(
    ("overlap", "threshold", "kept"),
    [(0.5, 0.1, [1, 2]), (0.9, 0.1, [1, 0, 2]), (0.5, 0.5, [1]), (0.5, 0.99, [])],
)
def test_it_keeps_the_surest_of_boxes_that_overlap(
    overlap: float, threshold: float, kept: list[int]
) -> None:
    explorer = NmsExplorer(np.zeros((40, 40)), PAIR, [0.6, 0.9, 0.3], [PAIR[0]])
    explorer.overlap, explorer.threshold = overlap, threshold
    assert explorer.kept == kept


def test_its_still_picture_has_each_box_in_its_colour() -> None:
    explorer = NmsExplorer(np.zeros((40, 40)), PAIR, [0.6, 0.9, 0.3], [PAIR[0]])
    colours = [rect.get("stroke") for rect in still(explorer).iter("rect")]
    assert colours == ["#cbd5e1", "#2563eb", "#2563eb", "#fb923c"]


def test_boxes_without_their_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="3 boxes and 1 scores"):
        NmsExplorer(np.zeros((40, 40)), PAIR, [0.6])


def test_each_point_of_the_builder_lies_on_the_curve_that_the_page_reports() -> None:
    rng = np.random.default_rng(3)
    truth = {image: [(0, 0, 10, 10), (40, 40, 50, 50)] for image in range(6)}
    marks = [
        metrics.Mark(image, float(rng.random()), box)
        for image in range(6)
        for box in (*truth[image][: image % 3], (20, 20, 30, 30), (60, 0, 70, 9))
    ]
    curve = metrics.froc(marks, truth, images=6)
    scores = [mark.score for mark in marks]
    builder = FrocBuilder(scores, metrics.match(marks, truth), 12, 6)
    points = [builder.at(score) for score in sorted(scores, reverse=True)]
    assert np.allclose(points, np.column_stack([curve.false_positives, curve.sensitivity])[1:])


def test_its_still_picture_has_the_curve_and_the_point_on_it() -> None:
    builder = FrocBuilder([0.9, 0.8, 0.2], [True, False, True], 2, 1)
    shown = still(builder)
    line = next(shown.iter("polyline")).get("points", "").split()
    dot = next(shown.iter("circle"))
    assert len(line) == 4
    assert f"{float(dot.get('cx', 0)):.1f},{float(dot.get('cy', 0)):.1f}" == line[2]


@pytest.mark.parametrize(("findings", "images"), [(0, 1), (1, 0)])
def test_a_curve_of_nothing_is_refused(findings: int, images: int) -> None:
    with pytest.raises(ValueError, match="at least one finding and image"):
        FrocBuilder([0.5], [True], findings, images)
