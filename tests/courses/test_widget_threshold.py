"""The threshold explorer of module 06: what it counts is what scikit-learn counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from course_kit import metrics
from course_kit.widgets import threshold
from course_kit.widgets.threshold import ThresholdExplorer


def worlds() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 300)
    return truth, np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0, 1)


@pytest.mark.parametrize("at", [0.0, 0.13, 0.5, 0.77, 1.0])
def test_its_four_boxes_are_those_of_scikit_learn(at: float) -> None:
    truth, probability = worlds()
    quiet, false_alarms, misses, hits = confusion_matrix(truth, probability >= at).ravel()
    explorer = ThresholdExplorer(truth, probability, threshold=at)
    wanted = {"hits": hits, "misses": misses, "false_alarms": false_alarms, "quiet": quiet}
    assert explorer.counts == wanted


def test_its_curves_are_those_of_the_metrics_that_the_page_reports() -> None:
    truth, probability = worlds()
    curves = ThresholdExplorer(truth, probability).curves
    assert curves["auroc"] == pytest.approx(metrics.auroc(truth, probability))
    at = 0.3
    (benefit,) = metrics.net_benefit(truth, probability, [at])
    assert curves["net"][30] == pytest.approx(benefit)
    assert curves["net_all"][0] == pytest.approx(truth.mean())
    assert sum(curves["bars_with"]) == truth.sum()


def test_a_threshold_outside_of_0_to_1_is_brought_back() -> None:
    explorer = ThresholdExplorer([0, 1], [0.2, 0.8])
    explorer.threshold = 7
    assert explorer.threshold == 1
    assert explorer.counts["hits"] == 0


def test_where_nobody_is_alarmed_the_sentence_divides_by_nothing() -> None:
    explorer = ThresholdExplorer([0, 1], [0.2, 0.8], threshold=1.0)
    assert "–" in explorer.told


@pytest.mark.parametrize(
    ("truth", "probability", "told"),
    [
        ([0, 1], [0.2], "2 and 1"),
        ([1, 1], [0.2, 0.3], "both must be there"),
        ([0, 2], [0.2, 0.3], "1 with the finding"),
        ([0, 1], [0.2, 1.4], "from 0 to 1"),
        ([0, 1], [0.2, float("nan")], "from 0 to 1"),
    ],
)
def test_what_is_no_probability_is_refused_with_why(
    truth: list[int], probability: list[float], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        ThresholdExplorer(truth, probability)


def test_its_texts_are_in_both_languages_and_its_script_stands_beside_it() -> None:
    for key, text in threshold.TEXTS.items():
        assert set(text) == {"en", "zh_CN"} and all(text.values()), key
    assert Path(threshold.__file__).with_suffix(".js").is_file()
