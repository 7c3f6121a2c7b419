"""How a reader is judged: numbers for classifiers, masks and detectors, with patients' intervals.

Plain numpy and SciPy, so that each can be read; the tests hold every one against scikit-learn,
SciPy and MONAI. Scores are floats, truth is 0 or 1, masks are arrays of equal shape (any number of
dimensions), `spacing` is in mm along each axis, boxes are rows (top, left, bottom, right) in pixels.
Refused (ValueError, with the reason): NaN, other lengths, a truth of one class where both are
needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Box = Sequence[float]
FROC_AT = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)


# Classifiers


def roc(truth: ArrayLike, score: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """False-alarm rate, share found and threshold at each distinct score, from strict to lax.

    All three have one entry for each distinct score and one before them (threshold infinity).
    """
    y, s = _scored(truth, score)
    order = np.argsort(-s, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(s[order]) != 0, True))
    found = np.cumsum(y[order])[ends]
    alarms = 1.0 + ends - found
    first = np.zeros(1)
    thresholds = np.concatenate([[np.inf], s[order][ends]])
    return (
        np.concatenate([first, alarms / (len(y) - y.sum())]),
        np.concatenate([first, found / y.sum()]),
        thresholds,
    )


def auroc(truth: ArrayLike, score: ArrayLike) -> float:
    """The share of pairs (one with, one without) in which the first scores higher; a draw is half."""
    alarms, found, _ = roc(truth, score)
    return float(np.trapezoid(found, alarms))


def precision_recall(truth: ArrayLike, score: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and threshold at each distinct score, from strict to lax."""
    y, s = _scored(truth, score)
    alarms, found, thresholds = roc(y, s)
    hits, misses = found[1:] * y.sum(), alarms[1:] * (len(y) - y.sum())
    return hits / (hits + misses), found[1:], thresholds[1:]


def auprc(truth: ArrayLike, score: ArrayLike) -> float:
    """Average precision: precision at each threshold, weighed by the recall that it gains."""
    precision, recall, _ = precision_recall(truth, score)
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def confusion(truth: ArrayLike, alarm: ArrayLike) -> dict[str, int]:
    """Counts: `hits`, `misses`, `false_alarms`, `quiet` (rightly no alarm)."""
    y, a = _labels(truth), np.asarray(alarm).astype(bool)
    _same_length(y, a)
    return {
        "hits": int((y & a).sum()),
        "misses": int((y & ~a).sum()),
        "false_alarms": int((~y & a).sum()),
        "quiet": int((~y & ~a).sum()),
    }


def brier(truth: ArrayLike, probability: ArrayLike) -> float:
    """Mean squared distance of the probability from what was true; 0 is perfect."""
    y, p = _labels(truth), _probabilities(probability)
    _same_length(y, p)
    return float(np.mean((p - y) ** 2))


@dataclass(frozen=True)
class Calibration:
    """A reliability diagram: per bin the mean probability, the share with it, and the count.

    `ece` is the distance between the two, weighed by the counts (Guo et al. 2017).
    """

    said: Floats
    true: Floats
    count: NDArray[np.int64]
    ece: float


def calibration(truth: ArrayLike, probability: ArrayLike, bins: int = 10) -> Calibration:
    """Bins of equal width; empty ones are left out."""
    y, p = _labels(truth), _probabilities(probability)
    _same_length(y, p)
    place = np.minimum((p * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    full = count > 0
    said = np.bincount(place, p, bins)[full] / count[full]
    true = np.bincount(place, y, bins)[full] / count[full]
    ece = float(np.sum(count[full] * np.abs(said - true)) / len(p))
    return Calibration(said, true, count[full], ece)


def net_benefit(truth: ArrayLike, probability: ArrayLike, thresholds: ArrayLike) -> Floats:
    """Hits an image minus false alarms an image at the odds of each threshold (Vickers 2006)."""
    y, p = _labels(truth), _probabilities(probability)
    _same_length(y, p)
    asked = np.asarray(thresholds, dtype=float)
    if ((asked < 0) | (asked >= 1)).any():
        raise ValueError("thresholds of a decision curve lie from 0 to below 1")
    alarm = p[None, :] >= asked[:, None]
    hits, wrong = (alarm & y).mean(axis=1), (alarm & ~y).mean(axis=1)
    return np.asarray(hits - wrong * asked / (1 - asked))


# Masks


def dice(mask: ArrayLike, truth: ArrayLike) -> float:
    """Twice what both share, by the sum of both; 1 where both are empty."""
    a, b = _masks(mask, truth)
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def iou(mask: ArrayLike, truth: ArrayLike) -> float:
    """What both share, by what either has; 1 where both are empty."""
    a, b = _masks(mask, truth)
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 1.0


def volume_ml(mask: ArrayLike, spacing: Sequence[float]) -> float:
    """Volume of a mask in millilitres; `spacing` in mm."""
    return float(np.asarray(mask).astype(bool).sum() * np.prod(spacing) / 1000)


def surface_distances(
    mask: ArrayLike, truth: ArrayLike, spacing: Sequence[float] | None = None
) -> tuple[Floats, Floats]:
    """For each border pixel of either mask the way in mm to the border of the other.

    A border pixel is one that erosion by its face neighbours takes away. ValueError where one of
    the masks is empty: there is no way then.
    """
    from scipy import ndimage

    a, b = _masks(mask, truth)
    if not a.any() or not b.any():
        raise ValueError("an empty mask has no border to measure from")
    borders = [one & ~ndimage.binary_erosion(one) for one in (a, b)]
    ways = [ndimage.distance_transform_edt(~border, sampling=spacing) for border in borders]
    return np.asarray(ways[1][borders[0]]), np.asarray(ways[0][borders[1]])


def hd95(mask: ArrayLike, truth: ArrayLike, spacing: Sequence[float] | None = None) -> float:
    """The larger of both directions' 95th percentile of ways between the borders, in mm.

    0 where both are empty, infinity where one is: as MONAI's HausdorffDistanceMetric has it.
    """
    a, b = _masks(mask, truth)
    if not a.any() or not b.any():
        return 0.0 if a.any() == b.any() else float("inf")
    there, back = surface_distances(a, b, spacing)
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def surface_dice(
    mask: ArrayLike,
    truth: ArrayLike,
    spacing: Sequence[float] | None = None,
    tolerance: float = 1.0,
) -> float:
    """The share of both borders that lies within `tolerance` mm of the other (Nikolov 2018)."""
    a, b = _masks(mask, truth)
    if not a.any() or not b.any():
        return 1.0 if a.any() == b.any() else 0.0
    there, back = surface_distances(a, b, spacing)
    close = int((there <= tolerance).sum()) + int((back <= tolerance).sum())
    return close / (len(there) + len(back))


# Detectors


@dataclass(frozen=True)
class Mark:
    """What a detector says of one image: a place or box with its score."""

    image: Any
    score: float
    box: Box


@dataclass(frozen=True)
class Froc:
    """Sensitivity at false positives an image: the whole curve, and at the usual seven points.

    `mean` is the mean of those: the competition score of LUNA16.
    """

    false_positives: Floats
    sensitivity: Floats
    at: Mapping[float, float]

    @property
    def mean(self) -> float:
        """Mean sensitivity over the points of `at`."""
        return float(np.mean(list(self.at.values())))


def box_iou(one: Box, other: Box) -> float:
    """What two boxes share, by what either has."""
    height = min(one[2], other[2]) - max(one[0], other[0])
    width = min(one[3], other[3]) - max(one[1], other[1])
    if height <= 0 or width <= 0:
        return 0.0
    shared = height * width
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(shared / (sum(areas) - shared))


def holds_centre(found: Box, truth: Box) -> float:
    """1 where the middle of `found` lies in `truth`, else 0: LUNA16's rule, for `matching`."""
    row, column = (found[0] + found[2]) / 2, (found[1] + found[3]) / 2
    return float(truth[0] <= row <= truth[2] and truth[1] <= column <= truth[3])


def match(
    found: Sequence[Mark],
    truth: Mapping[Any, Sequence[Box]],
    *,
    overlap: float = 0.3,
    matching: Callable[[Box, Box], float] = box_iou,
) -> NDArray[np.bool_]:
    """For each mark, the highest score first, whether it hits a finding that none hit before.

    `truth` has the boxes of each image. A mark hits where `matching` gives at least `overlap`.
    """
    taken: set[tuple[Any, int]] = set()
    hits = np.zeros(len(found), dtype=bool)
    for place in np.argsort([-mark.score for mark in found], kind="stable"):
        mark = found[place]
        boxes = truth.get(mark.image, ())
        fits = [(matching(mark.box, box), number) for number, box in enumerate(boxes)]
        free = [fit for fit in fits if fit[0] >= overlap and (mark.image, fit[1]) not in taken]
        if free:
            taken.add((mark.image, max(free)[1]))
            hits[place] = True
    return hits


def froc(
    found: Sequence[Mark],
    truth: Mapping[Any, Sequence[Box]],
    *,
    images: int,
    at: Sequence[float] = FROC_AT,
    overlap: float = 0.3,
    matching: Callable[[Box, Box], float] = box_iou,
) -> Froc:
    """Free-response curve over `images` images; a second mark on one finding is no false positive.

    ValueError where there is no finding at all.
    """
    total = sum(map(len, truth.values()))
    if not total or images < 1:
        raise ValueError("a FROC curve needs at least one image and one finding")
    hits = match(found, truth, overlap=overlap, matching=matching)
    again = np.array(
        [
            not hit and any(matching(mark.box, box) >= overlap for box in truth.get(mark.image, ()))
            for mark, hit in zip(found, hits, strict=True)
        ],
        dtype=bool,
    )
    scores = np.array([mark.score for mark in found])
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) if len(found) else order
    wrong = np.cumsum(~hits[order] & ~again[order])[ends] / images
    right = np.cumsum(hits[order])[ends] / total
    curve = np.concatenate([[0.0], wrong]), np.concatenate([[0.0], right])
    # The best that is reached without more false positives than allowed.
    reached = {limit: float(curve[1][curve[0] <= limit].max()) for limit in at}
    return Froc(curve[0], curve[1], reached)


def average_precision(
    found: Sequence[Mark],
    truth: Mapping[Any, Sequence[Box]],
    *,
    overlap: float = 0.5,
    matching: Callable[[Box, Box], float] = box_iou,
) -> float:
    """Area below the precision-recall curve of a detector, interpolated at all points (VOC 2010)."""
    total = sum(map(len, truth.values()))
    if not total:
        raise ValueError("average precision needs at least one finding")
    if not found:
        return 0.0
    hits = match(found, truth, overlap=overlap, matching=matching)
    order = np.argsort([-mark.score for mark in found], kind="stable")
    right = np.cumsum(hits[order])
    precision = right / np.arange(1, len(found) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(best * np.diff(right / total, prepend=0.0)))


# Patients


@dataclass(frozen=True)
class Interval:
    """A number, and the range that holds 95 of 100 draws of other patients."""

    value: float
    low: float
    high: float
    draws: Floats

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def bootstrap(
    what: Callable[..., float],
    patients: ArrayLike,
    *arrays: ArrayLike,
    times: int = 1000,
    seed: int = 1,
) -> Interval:
    """`what(*arrays)` with its 95 % interval over patients drawn again and again, put back.

    All images of a drawn patient come along: they are not separate witnesses. A draw for which
    `what` raises ValueError or gives NaN (one class alone) is left out; ValueError where all are.
    """
    whole = [np.asarray(array) for array in arrays]
    people = np.asarray(patients)
    _same_length(people, *whole)
    draws = np.array([*_draws(what, people, whole, times, seed)])
    if not len(draws):
        raise ValueError("no draw of patients gave a number: there are too few of one kind")
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(float(what(*whole)), float(low), float(high), draws)


def difference(
    what: Callable[..., float],
    patients: ArrayLike,
    truth: ArrayLike,
    score: ArrayLike,
    other: ArrayLike,
    *,
    times: int = 1000,
    seed: int = 1,
) -> Interval:
    """`what(truth, score) - what(truth, other)`, both on the same draws of patients."""

    def lead(y: Any, s: Any, o: Any) -> float:
        return what(y, s) - what(y, o)

    return bootstrap(lead, patients, truth, score, other, times=times, seed=seed)


def draw_patients(patients: ArrayLike, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of as many patients as there are, drawn with putting back, all rows of each."""
    _, inverse = np.unique(np.asarray(patients), return_inverse=True)
    rows = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    drawn = rng.integers(len(rows), size=len(rows))
    return np.concatenate([rows[number] for number in drawn])


def _draws(
    what: Callable[..., float],
    people: NDArray[Any],
    whole: Sequence[NDArray[Any]],
    times: int,
    seed: int,
) -> Sequence[float]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(times):
        rows = draw_patients(people, rng)
        try:
            value = float(what(*(array[rows] for array in whole)))
        except ValueError:
            continue
        if np.isfinite(value):
            found.append(value)
    return found


def _labels(truth: ArrayLike) -> NDArray[np.bool_]:
    y = np.asarray(truth)
    if y.ndim != 1:
        raise ValueError(f"truth is a row of 0 and 1, not of shape {y.shape}")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("truth holds something other than 0 and 1")
    return y.astype(bool)


def _scored(truth: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    y, s = _labels(truth), np.asarray(score, dtype=float)
    _same_length(y, s)
    if np.isnan(s).any():
        raise ValueError(f"{int(np.isnan(s).sum())} of {len(s)} scores are NaN")
    if y.all() or not y.any():
        raise ValueError("truth holds one class only; both are needed")
    return y, s


def _probabilities(probability: ArrayLike) -> Floats:
    p = np.asarray(probability, dtype=float)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("a probability lies from 0 to 1; NaN or another number was given")
    return p


def _same_length(*arrays: NDArray[Any]) -> None:
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"rows differ in length: {', '.join(map(str, lengths))}")


def _masks(mask: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    a, b = np.asarray(mask), np.asarray(truth)
    if a.shape != b.shape:
        raise ValueError(f"masks of different shape: {a.shape} and {b.shape}")
    if np.isnan(a.astype(float)).any() or np.isnan(b.astype(float)).any():
        raise ValueError("a mask holds NaN")
    return a.astype(bool), b.astype(bool)
