"""The kit's metrics say what scikit-learn, SciPy and a pen say; the rest is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.stats import mannwhitneyu
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from course_kit import metrics
from course_kit.metrics import Mark


@st.composite
def judged(draw):
    """Truth with both classes, and scores with many draws."""
    count = draw(st.integers(4, 40))
    truth = np.array([0, 1, *(draw(st.integers(0, 1)) for _ in range(count - 2))])
    score = np.array([draw(st.integers(0, 10)) / 10 for _ in range(count)])
    return truth, score


@st.composite
def masks(draw):
    """Two masks of one small shape, in two or three dimensions."""
    shape = draw(st.sampled_from([(6, 7), (4, 5, 6)]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    share = draw(st.sampled_from([0.0, 0.1, 0.5]))
    return rng.random(shape) < share, rng.random(shape) < draw(st.sampled_from([0.0, 0.3]))


@given(judged())
@settings(max_examples=60, deadline=None)
def test_what_ranks_is_what_scikit_learn_and_the_rank_sum_say(case):
    truth, score = case
    assert metrics.auroc(truth, score) == pytest.approx(sk.roc_auc_score(truth, score))
    having, free = score[truth == 1], score[truth == 0]
    pairs = mannwhitneyu(having, free).statistic / (len(having) * len(free))
    assert metrics.auroc(truth, score) == pytest.approx(pairs)
    assert metrics.auprc(truth, score) == pytest.approx(sk.average_precision_score(truth, score))
    alarms, found, thresholds = metrics.roc(truth, score)
    other = sk.roc_curve(truth, score, drop_intermediate=False)
    for mine, theirs in zip((alarms, found, thresholds), other, strict=True):
        np.testing.assert_allclose(mine, theirs)


@given(judged())
@settings(max_examples=40, deadline=None)
def test_probabilities_are_judged_as_scikit_learn_judges_them(case):
    truth, probability = case
    assert metrics.brier(truth, probability) == pytest.approx(
        sk.brier_score_loss(truth, probability)
    )
    # Off the edges of the bins, where it is a matter of taste which bin a probability is of.
    inside = np.clip(probability, 0, 1) * 0.98 + 0.011
    mine = metrics.calibration(truth, inside, bins=5)
    true, said = calibration_curve(truth, inside, n_bins=5)
    np.testing.assert_allclose(mine.true, true)
    np.testing.assert_allclose(mine.said, said)
    assert mine.count.sum() == len(truth)
    assert mine.ece == pytest.approx(np.sum(mine.count * np.abs(true - said)) / len(truth))


@given(judged(), st.floats(0.05, 0.95))
@settings(max_examples=40, deadline=None)
def test_net_benefit_and_counts_follow_the_confusion_matrix(case, threshold):
    truth, probability = case
    counts = metrics.confusion(truth, probability >= threshold)
    quiet, wrong, missed, hits = sk.confusion_matrix(truth, probability >= threshold).ravel()
    assert counts == {"hits": hits, "misses": missed, "false_alarms": wrong, "quiet": quiet}
    expected = hits / len(truth) - wrong / len(truth) * threshold / (1 - threshold)
    assert metrics.net_benefit(truth, probability, [threshold])[0] == pytest.approx(expected)


@given(masks())
@settings(max_examples=60, deadline=None)
def test_overlap_is_what_scikit_learn_says(case):
    mask, truth = case
    flat = truth.ravel(), mask.ravel()
    assert metrics.dice(mask, truth) == pytest.approx(sk.f1_score(*flat, zero_division=1))
    assert metrics.iou(mask, truth) == pytest.approx(sk.jaccard_score(*flat, zero_division=1))


@given(masks(), st.floats(0.5, 3), st.floats(0.5, 4))
@settings(max_examples=60, deadline=None)
def test_distances_of_borders_are_those_to_the_nearest_point(case, across, tolerance):
    mask, truth = case
    spacing = [2.0, *([across] * (mask.ndim - 1))]
    if not mask.any() or not truth.any():
        empty = mask.any() == truth.any()
        assert metrics.hd95(mask, truth, spacing) == (0 if empty else np.inf)
        assert metrics.surface_dice(mask, truth, spacing, tolerance) == float(empty)
        return
    points = [np.argwhere(one & ~ndimage.binary_erosion(one)) * spacing for one in (mask, truth)]
    there = cKDTree(points[1]).query(points[0])[0]
    back = cKDTree(points[0]).query(points[1])[0]
    expected = max(np.percentile(there, 95), np.percentile(back, 95))
    assert metrics.hd95(mask, truth, spacing) == pytest.approx(expected)
    ways = np.concatenate([there, back])
    near = [np.mean(ways <= tolerance + shift) for shift in (-1e-9, 1e-9)]
    assert near[0] <= metrics.surface_dice(mask, truth, spacing, tolerance) <= near[1]


def test_a_volume_is_in_millilitres():
    assert metrics.volume_ml(np.ones((2, 10, 10)), (5, 1, 1)) == pytest.approx(1)


BOX = (10, 10, 20, 20)
FAR = (50, 50, 60, 60)


def test_a_froc_curve_is_what_a_pen_draws():
    truth = {"a": [BOX, FAR], "b": []}
    found = [Mark("a", 0.9, BOX), Mark("b", 0.8, BOX), Mark("a", 0.7, FAR), Mark("b", 0.6, FAR)]
    curve = metrics.froc(found, truth, images=2, at=(1 / 4, 1 / 2, 1))
    np.testing.assert_allclose(curve.false_positives, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_allclose(curve.sensitivity, [0, 0.5, 0.5, 1, 1])
    assert curve.at == {1 / 4: 0.5, 1 / 2: 1, 1: 1}
    assert curve.mean == pytest.approx(5 / 6)


def test_a_second_mark_on_one_finding_is_neither_found_nor_false():
    twice = [Mark("a", 0.9, BOX), Mark("a", 0.8, BOX)]
    curve = metrics.froc(twice, {"a": [BOX]}, images=1)
    assert curve.false_positives.max() == 0
    assert curve.sensitivity.max() == 1
    # Average precision, as VOC has it, does punish it.
    order = [Mark("a", 0.9, BOX), Mark("a", 0.8, BOX), Mark("a", 0.7, FAR)]
    assert metrics.average_precision(order, {"a": [BOX, FAR]}) == pytest.approx(0.5 + 0.5 * 2 / 3)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 1000)), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_average_precision_of_marks_is_the_best_precision_from_each_recall_on(marks):
    scores = [score / 1000 + number * 1e-7 for number, (_, score) in enumerate(marks)]
    found = [
        Mark(number, score, BOX if hit else FAR)
        for number, ((hit, _), score) in enumerate(zip(marks, scores, strict=True))
    ]
    truth = {number: [BOX] for number, (hit, _) in enumerate(marks) if hit} | {"missed": [BOX]}
    hits = np.array([hit for hit, _ in marks])[np.argsort(scores)[::-1]]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    expected = sum(precision[place:].max() for place in np.flatnonzero(hits)) / len(truth)
    assert metrics.average_precision(found, truth) == pytest.approx(expected)


def test_an_interval_is_drawn_by_patient_and_not_by_image():
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(20), 30)
    value = np.repeat(rng.normal(size=20), 30)
    by_patient = metrics.bootstrap(np.mean, people, value, times=400)
    by_image = metrics.bootstrap(np.mean, np.arange(600), value, times=400)
    # A patient's images are no separate witnesses: sqrt(30) times as wide.
    ratio = (by_patient.high - by_patient.low) / (by_image.high - by_image.low)
    assert ratio == pytest.approx(np.sqrt(30), rel=0.25)
    assert by_patient.low < by_patient.value < by_patient.high


def test_intervals_hold_the_truth_as_often_as_they_promise():
    rng = np.random.default_rng(2)
    people = np.arange(60)
    held = 0
    for number in range(200):
        drawn = metrics.bootstrap(np.mean, people, rng.normal(size=60), times=200, seed=number)
        held += drawn.low <= 0 <= drawn.high
    assert 178 <= held <= 198  # of 95 in 100, four standard deviations


def test_the_interval_of_a_difference_is_paired():
    rng = np.random.default_rng(3)
    truth = np.tile([0, 1], 50)
    score = truth + rng.normal(size=100)
    same = metrics.difference(metrics.auroc, np.arange(100), truth, score, score, times=50)
    assert (same.low, same.value, same.high) == (0, 0, 0)


def test_the_same_seed_draws_the_same_interval_and_prints_it():
    people, value = np.arange(30), np.linspace(0, 1, 30)
    one = metrics.bootstrap(np.mean, people, value, times=100, seed=5)
    assert str(one) == str(metrics.bootstrap(np.mean, people, value, times=100, seed=5))
    assert str(one) == f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: metrics.auroc([1, 1], [0.1, 0.2]), "one class only"),
        (lambda: metrics.auroc([0, 1], [np.nan, 0.2]), "NaN"),
        (lambda: metrics.auroc([0, 1, 1], [0.1, 0.2]), "length"),
        (lambda: metrics.auroc([0, 2], [0.1, 0.2]), "0 and 1"),
        (lambda: metrics.brier([0, 1], [0.1, 1.2]), "from 0 to 1"),
        (lambda: metrics.net_benefit([0, 1], [0.1, 0.2], [1.0]), "below 1"),
        (lambda: metrics.dice(np.zeros((2, 2)), np.zeros((2, 3))), "shape"),
        (lambda: metrics.dice(np.full((2, 2), np.nan), np.zeros((2, 2))), "NaN"),
        (lambda: metrics.surface_distances(np.zeros((2, 2)), np.ones((2, 2))), "empty"),
        (lambda: metrics.froc([], {}, images=1), "finding"),
        (lambda: metrics.average_precision([], {}), "finding"),
        (lambda: metrics.bootstrap(metrics.auroc, [1, 2], [1, 1], [0.0, 1.0], times=5), "too few"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_reason(call, says):
    with pytest.raises(ValueError, match=says):
        call()
