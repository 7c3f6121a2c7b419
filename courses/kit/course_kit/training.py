"""One training loop for all pages: a live curve, the seconds, a stop button, and what went wrong.

The pages show what is learnt from what; the housekeeping is here. A loop ends for one of five
reasons (all epochs, time, by hand, early, NaN) and says which; the best epoch's weights are kept
where there is something to judge by.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from course_kit import show
from course_kit.readers import READERS
from course_kit.stop import stop_button
from course_kit.texts import say

_REDRAW_SECONDS = 0.7


class Batches:
    """Arrays dealt out in batches, in another order each epoch; `augment` changes each batch.

    `x` (n, ...) and `y` (n, ...) are numpy arrays or tensors; what is already a tensor on the device
    stays there. `augment(x, y)` takes and gives tensors.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        size: int,
        *,
        augment: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
        | None = None,
        seed: int = 1,
    ) -> None:
        self.x, self.y = torch.as_tensor(x), torch.as_tensor(y)
        if len(self.x) != len(self.y):
            raise ValueError(f"{len(self.x)} images and {len(self.y)} answers: as many are wanted")
        self.size, self._augment = size, augment
        self._order = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = torch.randperm(len(self.x), generator=self._order).to(self.x.device)
        for rows in order.split(self.size):
            x, y = self.x[rows], self.y[rows]
            yield self._augment(x, y) if self._augment else (x, y)


@dataclass
class History:
    """What a training went through; `ended` is whole, time, hand, early or nan."""

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best: int = 0
    ended: str = "whole"

    @property
    def best_score(self) -> float:
        """The score of the epoch whose weights were kept; NaN where nothing was judged."""
        return self.scores[self.best - 1] if self.scores else math.nan

    def seconds_to(self, score: float) -> float:
        """Seconds until that score was first reached; infinity where it never was."""
        pairs = zip(self.scores, self.seconds, strict=False)
        return next((after for reached, after in pairs if reached >= score), math.inf)


def batches(x: Any, y: Any, size: int, **options: Any) -> Batches:
    """Arrays as batches of `size`; options are those of `Batches`."""
    return Batches(x, y, size, **options)


def fit(
    network: torch.nn.Module,
    data: Iterable[Any],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    epochs: int,
    seconds: float | None = None,
    validate: Callable[[torch.nn.Module], float] | None = None,
    metric: str = "Dice",
    lines: Mapping[str, float] | None = None,
    lr: float = 1e-3,
    optimizer: torch.optim.Optimizer | None = None,
    one_cycle: bool = True,
    device: str = "cpu",
    patience: int | None = None,
    bfloat16: bool = False,
    quiet: bool = False,
) -> History:
    """Train `network` on batches (x, y) of `data` so that `loss(network(x), y)` shrinks.

    `validate(network)` gives a score after each epoch, the higher the better; the weights of the best
    epoch are kept. `seconds` ends it in any case, `patience` after as many epochs without a better
    score. `lines` are drawn as dashed lines to beat. `quiet` draws nothing. The steps of a
    `one_cycle` grow to `lr` and shrink again. Where the device's memory does not suffice, and
    `data` is of `Batches`, the batch is halved and the epoch begun anew.
    """
    loop = _Loop(network.to(device), data, loss, device, bfloat16)
    loop.prepare(optimizer, lr, epochs if one_cycle else 0)
    history = History()
    curve = None if quiet else _Curve(epochs, metric if validate else "", lines or {})
    best = copy.deepcopy(network.state_dict())
    start = time.monotonic()
    try:
        while len(history.losses) < epochs:
            mean = loop.epoch()
            if not math.isfinite(mean):
                history.ended = "nan"
                break
            history.losses.append(mean)
            if validate is not None:
                score = _judged(network, validate)
                history.scores.append(score)
                if score > max(history.scores[:-1], default=-math.inf):
                    history.best = len(history.scores)
                    best = copy.deepcopy(network.state_dict())
            history.seconds.append(time.monotonic() - start)
            if curve:
                curve.draw(history)
            if seconds is not None and history.seconds[-1] >= seconds:
                history.ended = "time" if len(history.losses) < epochs else "whole"
                break
            if patience and history.scores and len(history.scores) - history.best >= patience:
                history.ended = "early"
                break
    except KeyboardInterrupt:
        history.ended = "hand"
    if validate is not None or history.ended == "nan":
        network.load_state_dict(best)
    network.eval()
    if curve:
        curve.end(history, patience)
    return history


def predict(
    network: torch.nn.Module, x: Any, device: str = "cpu", batch: int = 32
) -> NDArray[np.float32]:
    """What the network says of each of `x` (n, ...), without learning from it."""
    network.eval()
    said = []
    with torch.inference_mode():
        for part in torch.as_tensor(x).split(batch):
            said.append(network(part.to(device)).float().cpu().numpy())
    return np.concatenate(said)


class _Loop:
    """Network, data and steps of one training."""

    def __init__(
        self,
        network: torch.nn.Module,
        data: Iterable[Any],
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        device: str,
        bfloat16: bool,
    ) -> None:
        self._network, self._data, self._loss = network, data, loss
        self._device, self._half = device, bfloat16
        self._pace: torch.optim.lr_scheduler.LRScheduler | None = None

    def prepare(
        self, optimizer: torch.optim.Optimizer | None, lr: float, cycle_epochs: int
    ) -> None:
        """Choose how the weights move; `cycle_epochs` 0: always the same step."""
        self._optimizer = optimizer or torch.optim.AdamW(self._network.parameters(), lr=lr)
        if cycle_epochs:
            # Batches that shrink for lack of memory make more steps than were planned.
            steps = cycle_epochs * len(self._data) + 1  # type: ignore[arg-type]
            self._pace = torch.optim.lr_scheduler.OneCycleLR(self._optimizer, lr, steps)
            self._left = steps - 1

    def epoch(self) -> float:
        """The mean loss over all images; NaN ends it at once."""
        while True:
            try:
                return self._through()
            except (torch.OutOfMemoryError, MemoryError):
                self._halve()

    def _through(self) -> float:
        self._network.train()
        total, count = 0.0, 0
        for batch in self._data:
            x, y = _pair(batch)
            x, y = x.to(self._device, non_blocking=True), y.to(self._device, non_blocking=True)
            with torch.autocast(self._device, torch.bfloat16, enabled=self._half):
                loss = self._loss(self._network(x), y)
            value = float(loss.detach())
            if not math.isfinite(value):
                return math.nan
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self._optimizer.step()
            if self._pace is not None and self._left > 0:
                self._left -= 1
                self._pace.step()
            total, count = total + value * len(x), count + len(x)
        if not count:
            raise ValueError("there is nothing to train on: the data gave no batch")
        return total / count

    def _halve(self) -> None:
        if not isinstance(self._data, Batches) or self._data.size == 1:
            raise MemoryError(
                "the memory does not suffice for one batch: take smaller images, or a smaller network"
            )
        before = self._data.size
        self._data.size = before // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        show.show(say("ended_memory", batch=before, smaller=self._data.size), kind="wrong")


class _Curve:
    """Two curves that grow while the network learns."""

    def __init__(self, epochs: int, metric: str, lines: Mapping[str, float]) -> None:
        import matplotlib.pyplot as plt

        self._epochs, self._metric, self._lines = epochs, metric, lines
        self._button = stop_button()
        panes = 2 if metric else 1
        self._figure, axes = plt.subplots(1, panes, figsize=(11, 3.4), layout="constrained")
        self._axes = list(np.atleast_1d(axes))
        plt.close(self._figure)
        self._live: Any = None
        self._drawn = -math.inf

    def draw(self, history: History, *, last: bool = False) -> None:
        """Draw anew, at most every 0.7 s: drawing must not cost what training needs."""
        now = time.monotonic()
        if not last and now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        titles = [(history.losses, say("train_loss"))]
        if self._metric:
            titles.append((history.scores, say("train_score", metric=self._metric)))
        colours = READERS.colours
        for ax, (curve, title) in zip(self._axes, titles, strict=True):
            ax.clear()
            ax.plot(range(1, len(curve) + 1), curve, color=colours[READERS.network], marker=".")
            ax.set(title=title, xlabel=say("train_epoch"), xlim=(0.5, self._epochs + 0.5))
        if self._metric:
            for name, value in self._lines.items():
                colour = colours.get(name, "#64748b")
                self._axes[1].axhline(value, color=colour, linestyle="--")
                place = {"va": "bottom", "ha": "right", "color": colour}
                self._axes[1].text(self._epochs + 0.4, value, name, **place)
            if history.best:
                self._axes[1].plot(history.best, history.best_score, "o", color="#2563eb")
        told = say(
            "train_progress",
            epoch=len(history.losses),
            epochs=self._epochs,
            seconds=history.seconds[-1] if history.seconds else 0.0,
        )
        self._figure.suptitle(told, x=0.01, ha="left", fontsize=11, color="#475569")
        self._show()

    def end(self, history: History, patience: int | None) -> None:
        """The last picture, why it ended, and which weights were kept."""
        if history.losses:
            self.draw(history, last=True)
        if self._button is not None:
            self._button.done = True
        words = say(
            f"ended_{history.ended}",
            epoch=len(history.losses) + (history.ended == "nan"),
            epochs=self._epochs,
            seconds=history.seconds[-1] if history.seconds else 0.0,
            patience=patience,
        )
        if history.best:
            score = history.best_score
            best = say("train_best", epoch=history.best, metric=self._metric, score=score)
            words = f"{words} {best}"
        show.show(words, kind="right" if history.ended in ("whole", "early") else "note")

    def _show(self) -> None:
        from IPython.display import display

        if self._live is None:
            self._live = display(self._figure, display_id=True)
        else:
            self._live.update(self._figure)


def _judged(network: torch.nn.Module, validate: Callable[[torch.nn.Module], float]) -> float:
    network.eval()
    with torch.inference_mode():
        return float(validate(network))


def _pair(batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and answers of a batch: a pair, or a dictionary with `image` and `label`."""
    if isinstance(batch, Mapping):
        return batch["image"], batch["label"]
    x, y = batch[0], batch[1]
    return torch.as_tensor(x), torch.as_tensor(y)
