"""A neuron by hand: two weights and a bias as sliders, its line among the dots, and its loss.

`NeuronSliders(x, y, names=("T1", "T2"))`: `x` (n, 2) are the dots, `y` is 1 for what is looked for.
With `pictures`, two images in the units of `x`, the answer is painted over the first as well. A
button goes one step downhill: the same rule by which networks learn. All of it is the browser's
work, so it can be used while the kernel is busy; `.weights`, `.bias` and `.loss` follow.
"""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from course_kit.texts import spoken

TEXTS = {
    "bias": {"en": "bias", "zh_CN": "偏置"},
    "weight": {"en": "weight of {}", "zh_CN": "{} 的权重"},
    "loss": {"en": "loss", "zh_CN": "损失"},
    "best": {"en": "your best", "zh_CN": "你的最好成绩"},
    "never": {"en": "who always says 50 of 100", "zh_CN": "永远说“一半一半”"},
    "right": {"en": "dots on the right side", "zh_CN": "分对的点"},
    "step": {"en": "One step downhill", "zh_CN": "下坡一步"},
    "steps": {"en": "100 steps downhill", "zh_CN": "下坡一百步"},
    "clear": {"en": "Start again", "zh_CN": "重来"},
    "plane": {
        "en": "Dots and the neuron's line; move the sliders below.",
        "zh_CN": "数据点与神经元的分界线；请拨动下面的滑块。",
    },
    "painted": {"en": "What it says of this picture", "zh_CN": "它对这张图的回答"},
}


class NeuronSliders(anywidget.AnyWidget):  # type: ignore[misc]
    """One neuron over two numbers; `loss` is its cross-entropy (natural logarithm) on the dots."""

    _esm = Path(__file__).with_suffix(".js")
    count = traitlets.Int().tag(sync=True)
    dots = traitlets.Bytes().tag(sync=True)
    truth = traitlets.Bytes().tag(sync=True)
    frame: Any = traitlets.List(traitlets.Float()).tag(sync=True)
    names: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shape: Any = traitlets.List(traitlets.Int()).tag(sync=True)
    pictures = traitlets.Bytes().tag(sync=True)
    reach = traitlets.Float().tag(sync=True)
    values: Any = traitlets.List(traitlets.Float()).tag(sync=True)
    words: Any = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        names: tuple[str, str] = ("x", "y"),
        pictures: tuple[ArrayLike, ArrayLike] | None = None,
        reach: float = 10.0,
    ) -> None:
        dots, truth = np.asarray(x, dtype=np.float32), np.asarray(y).astype(np.uint8)
        if dots.ndim != 2 or dots.shape[1] != 2 or truth.shape != dots.shape[:1] or not len(dots):
            raise ValueError(
                f"dots of two numbers each and one answer a dot are wanted; given: {dots.shape} "
                f"and {truth.shape}"
            )
        if not np.isfinite(dots).all():
            raise ValueError(f"{int((~np.isfinite(dots)).sum())} of the dots' numbers are NaN")
        self._dots, self._truth = dots.astype(float), truth.astype(float)
        low, high = np.quantile(dots, 0.002, axis=0), np.quantile(dots, 0.998, axis=0)
        pad = np.maximum(high - low, 1e-6) * 0.05
        shown = _pictures(pictures)
        super().__init__(
            count=len(dots),
            dots=dots.tobytes(),
            truth=truth.tobytes(),
            frame=[float(v) for pair in zip(low - pad, high + pad, strict=True) for v in pair],
            names=list(names),
            shape=list(shown.shape[1:]),
            pictures=shown.tobytes(),
            reach=float(reach),
            values=[0.0, 0.0, 0.0],
            words={key: spoken(text) for key, text in TEXTS.items()},
        )

    @property
    def weights(self) -> tuple[float, float]:
        """What each of the two numbers is multiplied by."""
        return self.values[0], self.values[1]

    @property
    def bias(self) -> float:
        """What is added to the weighted sum."""
        return float(self.values[2])

    @property
    def answers(self) -> NDArray[np.float64]:
        """What the neuron says of each dot, 0 to 1."""
        total = self._dots @ np.array(self.weights) + self.bias
        answers: NDArray[np.float64] = 0.5 * (1 + np.tanh(total / 2))
        return answers

    @property
    def loss(self) -> float:
        """Mean cross-entropy on the dots; ln 2 for who always says one half."""
        total = self._dots @ np.array(self.weights) + self.bias
        return float(np.mean(np.logaddexp(0.0, np.where(self._truth > 0, -total, total))))

    def step(self, rate: float = 0.5, times: int = 1) -> None:
        """Go downhill: each weight a little against the slope of the loss, `times` times."""
        for _ in range(times):
            wrong = self.answers - self._truth
            slope = [*(wrong @ self._dots / self.count), float(wrong.mean())]
            moved = [value - rate * down for value, down in zip(self.values, slope, strict=True)]
            self.values = [
                float(np.clip(value, -2 * self.reach, 2 * self.reach)) for value in moved
            ]

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = self._still()
        return bundle

    def _still(self) -> str:
        """The dots as a picture, for pages without a kernel."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 4), layout="constrained")
        ax = figure.add_subplot()
        for kind, colour in ((0, "#94a3b8"), (1, "#e11d48")):
            part = self._dots[self._truth == kind]
            ax.plot(part[:, 0], part[:, 1], ".", color=colour, markersize=3)
        left, right, low, high = self.frame
        ax.set(xlim=(left, right), ylim=(low, high), xlabel=self.names[0], ylabel=self.names[1])
        file = BytesIO()
        figure.savefig(file, format="png", dpi=90)
        encoded = base64.b64encode(file.getvalue()).decode()
        return f'<img width="450" src="data:image/png;base64,{encoded}">'


def _pictures(pictures: tuple[ArrayLike, ArrayLike] | None) -> NDArray[np.float32]:
    if pictures is None:
        return np.zeros((2, 0, 0), dtype=np.float32)
    shapes = [np.shape(one) for one in pictures]
    if len(shapes) != 2 or shapes[0] != shapes[1] or len(shapes[0]) != 2:
        raise ValueError(f"two pictures of one shape are wanted; given: {shapes}")
    return np.nan_to_num(np.stack([np.asarray(one, dtype=np.float32) for one in pictures]))
