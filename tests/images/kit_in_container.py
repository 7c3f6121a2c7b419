"""What the kit promises with torch and MONAI, run in a student's container.

Each `check_` function is one promise; `test_kit.py` starts this file in the container and reads
which were kept. It runs anywhere else with torch, too.
"""

from __future__ import annotations

import contextlib
import io
import math
import sys
import traceback
import warnings
from typing import Any

import numpy as np
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from monai.networks.nets import UNet
from scipy.ndimage import gaussian_filter

from course_kit import detection, metrics, training

RNG = np.random.default_rng(1)


class Line(torch.nn.Module):
    """One weight: what a loop can learn in a second."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


def slope_two() -> training.Batches:
    x = np.linspace(-1, 1, 32, dtype=np.float32)
    return training.batches(x, 2 * x, 8)


def squared(said: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    return ((said - true) ** 2).mean()


def closeness(network: Any) -> float:
    return -abs(float(network.weight) - 2)


def fit(network: torch.nn.Module, **options: Any) -> training.History:
    given = {"epochs": 20, "lr": 0.2, "validate": closeness} | options
    with contextlib.redirect_stdout(io.StringIO()):
        return training.fit(network, slope_two(), squared, **given)


def blobs() -> Any:
    """Pairs of overlapping masks in two and three dimensions."""
    for shape in ((24, 24), (10, 16, 16)):
        for _ in range(4):
            noise = [RNG.normal(size=shape) for _ in range(3)]
            common = gaussian_filter(noise[0], 2)
            yield tuple(common + 0.7 * gaussian_filter(one, 2) > 0.03 for one in noise[1:])


def batched(mask: Any) -> torch.Tensor:
    return torch.as_tensor(mask)[None, None].float()


def check_overlap_is_monais() -> None:
    for mask, truth in blobs():
        theirs = float(compute_dice(batched(mask), batched(truth)))
        assert math.isclose(metrics.dice(mask, truth), theirs, abs_tol=1e-6)


def check_distances_are_monais() -> None:
    for mask, truth in blobs():
        spacing = [2.5, 1.5, 1.0][-mask.ndim :]
        options: dict[str, Any] = {"include_background": True, "spacing": spacing}
        theirs = compute_hausdorff_distance(batched(mask), batched(truth), percentile=95, **options)
        assert math.isclose(metrics.hd95(mask, truth, spacing), float(theirs), rel_tol=1e-5)
        theirs = compute_surface_dice(
            batched(mask), batched(truth), class_thresholds=[2.0], **options
        )
        assert math.isclose(
            metrics.surface_dice(mask, truth, spacing, 2.0), float(theirs), abs_tol=1e-5
        )
        there, back = metrics.surface_distances(mask, truth, spacing)
        mean = float(np.mean(np.concatenate([there, back])))
        theirs = compute_average_surface_distance(
            batched(mask), batched(truth), symmetric=True, **options
        )
        assert math.isclose(mean, float(theirs), rel_tol=1e-5)


def check_a_loop_learns_and_keeps_its_best_epoch() -> None:
    network = Line()
    history = fit(network)
    assert history.ended == "whole" and len(history.losses) == 20
    assert history.best_score == max(history.scores) > -0.1
    assert closeness(network) == history.best_score
    assert history.seconds_to(-math.inf) == history.seconds[0]
    assert history.seconds_to(1) == math.inf


def check_a_loop_ends_early_and_by_the_clock() -> None:
    assert fit(Line(), lr=0.0, patience=3).ended == "early"
    timed = fit(Line(), epochs=10_000, seconds=0.2)
    assert timed.ended == "time" and len(timed.losses) < 10_000


def check_a_stop_keeps_what_was_learnt() -> None:
    asked = []

    def stopped(network: Any) -> float:
        asked.append(closeness(network))
        if len(asked) == 5:
            raise KeyboardInterrupt
        return asked[-1]

    network = Line()
    history = fit(network, validate=stopped)
    assert history.ended == "hand" and len(history.scores) == 4
    assert closeness(network) == max(history.scores)


def check_nan_ends_it_and_the_weights_before_come_back() -> None:
    calls = []

    def breaks(said: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return squared(said, true) * (math.nan if len(calls) > 10 else 1)

    network = Line()
    with contextlib.redirect_stdout(io.StringIO()) as told:
        history = training.fit(network, slope_two(), breaks, epochs=9, lr=0.2, validate=closeness)
    assert history.ended == "nan" and len(history.losses) == 2
    assert math.isfinite(float(network.weight)) and closeness(network) == max(history.scores)
    assert "NaN" in told.getvalue()


def check_a_batch_that_does_not_fit_is_halved() -> None:
    seen = []

    def hungry(said: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        seen.append(len(said))
        if len(said) > 2:
            raise torch.OutOfMemoryError("no room")
        return squared(said, true)

    with contextlib.redirect_stdout(io.StringIO()):
        history = training.fit(Line(), slope_two(), hungry, epochs=2, quiet=True)
    assert seen[:3] == [8, 4, 2] and history.ended == "whole"


def check_the_same_seed_deals_the_same_batches() -> None:
    one, other = (list(training.batches(np.arange(9), np.arange(9), 4, seed=3)) for _ in range(2))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(one, other, strict=True))
    assert sorted(int(x) for batch in one for x in batch[0]) == list(range(9))


def check_prediction_in_parts_is_prediction_at_once() -> None:
    network = UNet(2, 1, 1, (4, 8), (2,), norm="instance")
    x = RNG.normal(size=(5, 1, 16, 16)).astype(np.float32)
    whole = network.eval()(torch.as_tensor(x)).detach().numpy()
    np.testing.assert_allclose(training.predict(network, x, batch=2), whole, atol=1e-5)


def check_boxes_are_read_off_the_maps_that_were_painted_for_them() -> None:
    boxes = [[(8, 12, 28, 36), (40, 40, 52, 60)], []]
    painted = detection.targets(boxes, (64, 64))
    maps = painted[:, :3].copy()
    heat = np.clip(maps[:, 0], 1e-4, 1 - 1e-4)
    maps[:, 0] = np.log(heat / (1 - heat))
    (found, scores), (none, _) = detection.boxes_of(maps, threshold=0.9)
    assert len(found) == 2 and len(none) == 0 and scores.min() > 0.9
    for box in boxes[0]:
        assert max(metrics.box_iou(box, one) for one in found) > 0.6


def check_the_detector_learns_where_squares_are() -> None:
    torch.manual_seed(1)
    places = RNG.integers(2, 20, size=(16, 2))
    x = RNG.normal(0, 0.1, size=(16, 1, 32, 32)).astype(np.float32)
    boxes = [[(top, left, top + 10, left + 10)] for top, left in places]
    for image, ((top, left, bottom, right),) in zip(x, boxes, strict=True):
        image[0, top:bottom, left:right] += 1
    network = detection.HeatMap(width=8)
    painted = detection.targets(boxes, (32, 32))
    data = training.batches(x, painted, 8)
    training.fit(network, data, detection.loss, epochs=40, lr=1e-2, quiet=True)
    found = detection.boxes_of(training.predict(network, x))
    best = [one[0] for one, _ in found if len(one)]
    assert len(best) == 16
    right = [metrics.box_iou(own[0], one) > 0.5 for own, one in zip(boxes, best, strict=True)]
    assert sum(right) >= 13, sum(right)


def check_suppression_keeps_no_two_boxes_that_overlap() -> None:
    for _ in range(5):
        corner = RNG.uniform(0, 30, size=(40, 2))
        boxes = np.concatenate([corner, corner + RNG.uniform(5, 20, size=(40, 2))], axis=1)
        scores = RNG.random(40)
        kept = detection.nms(boxes, scores, 0.4)
        assert kept[0] == scores.argmax()
        for number in range(40):
            over = [one for one in kept if metrics.box_iou(boxes[number], boxes[one]) > 0.4]
            # Each box is kept, or a kept one with a higher score covers it.
            assert number in kept or scores[over].max() > scores[number]
            assert number not in kept or over == [number]


def check_a_retinanet_is_had_or_refused_with_a_reason() -> None:
    try:
        network = detection.retinanet(1)
    except detection.CannotDetect as refused:
        assert "torchvision" in str(refused) and "HeatMap" in str(refused)
    else:
        assert sum(weight.numel() for weight in network.parameters()) > 1_000_000


def main() -> int:
    """Run all checks; one line each that was kept."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(2)
    failed = 0
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            try:
                check()
                print(f"kept: {name}")
            except Exception:
                failed += 1
                print(f"BROKEN: {name}\n{traceback.format_exc()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
