"""One threshold moves everything: scores, ROC, precision and recall, the four boxes, net benefit.

`ThresholdExplorer(truth, probability)`: truth is 1 where the finding is, the probability from 0 to
1 is the reader's. All curves are computed here, once, at hundredths; the browser only moves the
point, so it follows while the kernel is busy. `explorer.threshold` is what the slider says.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from course_kit import metrics
from course_kit.texts import spoken

STEPS, BINS = 100, 25
TEXTS = {
    "threshold": {"en": "Alarm from", "zh_CN": "报警阈值"},
    "scores": {"en": "What the reader says", "zh_CN": "读片者给出的概率"},
    "with": {"en": "with the finding", "zh_CN": "有目标表现"},
    "without": {"en": "without", "zh_CN": "没有"},
    "probability": {"en": "probability", "zh_CN": "概率"},
    "roc": {"en": "ROC", "zh_CN": "ROC 曲线"},
    "pr": {"en": "Precision and recall", "zh_CN": "精确率与召回率"},
    "net": {"en": "Decision curve", "zh_CN": "决策曲线"},
    "boxes": {"en": "The four boxes", "zh_CN": "四格表"},
    "false_rate": {"en": "false alarms, of 1", "zh_CN": "误报率"},
    "found": {"en": "found, of 1", "zh_CN": "检出率"},
    "right": {"en": "right, of all alarms", "zh_CN": "报警中正确的比例"},
    "benefit": {"en": "net benefit", "zh_CN": "净获益"},
    "reader": {"en": "this reader", "zh_CN": "这位读片者"},
    "all": {"en": "alarm for all", "zh_CN": "全部报警"},
    "none": {"en": "for nobody", "zh_CN": "从不报警"},
    "hits": {"en": "found", "zh_CN": "检出"},
    "misses": {"en": "missed", "zh_CN": "漏诊"},
    "false_alarms": {"en": "false alarms", "zh_CN": "误报"},
    "quiet": {"en": "rightly quiet", "zh_CN": "正确的安静"},
    "told": {
        "en": "At {at}: {found} of 100 found, {wrong} of 100 healthy alarmed, {right} of 100 "
        "alarms right.",
        "zh_CN": "阈值 {at}：100 例病变检出 {found}，100 例健康误报 {wrong}，100 次报警中 {right} 次正确。",
    },
}


class ThresholdExplorer(anywidget.AnyWidget):  # type: ignore[misc]
    """Five linked pictures; `threshold` (0 to 1) follows the slider, and can be set."""

    _esm = Path(__file__).with_suffix(".js")
    threshold: Any = traitlets.Float(0.5).tag(sync=True)
    curves: Any = traitlets.Dict().tag(sync=True)
    words: Any = traitlets.Dict().tag(sync=True)

    def __init__(self, truth: ArrayLike, probability: ArrayLike, threshold: float = 0.5) -> None:
        y, p = np.asarray(truth).ravel().astype(int), np.asarray(probability, dtype=float).ravel()
        _refuse(y, p)
        super().__init__(
            threshold=float(np.clip(threshold, 0, 1)),
            curves=_curves(y, p),
            words={key: spoken(text) for key, text in TEXTS.items()},
        )

    @traitlets.validate("threshold")
    def _bounded(self, proposal: Any) -> float:
        return float(np.clip(proposal["value"], 0, 1))

    @property
    def counts(self) -> dict[str, int]:
        """The four boxes at the threshold: hits, misses, false_alarms, quiet."""
        place = round(self.threshold * STEPS)
        names = ("hits", "misses", "false_alarms", "quiet")
        return {name: int(self.curves[name][place]) for name in names}

    @property
    def told(self) -> str:
        """The threshold and what it brings, in a sentence."""
        counts = self.counts
        ill, well = counts["hits"] + counts["misses"], counts["false_alarms"] + counts["quiet"]
        alarms = counts["hits"] + counts["false_alarms"]
        values = {
            "at": f"{round(self.threshold * STEPS) / STEPS:.2f}",
            "found": f"{100 * counts['hits'] / ill:.0f}",
            "wrong": f"{100 * counts['false_alarms'] / well:.0f}",
            "right": f"{100 * counts['hits'] / alarms:.0f}" if alarms else "–",
        }
        return spoken(TEXTS["told"]).format(**values)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = f"<b>{html.escape(self.told)}</b>"
        return bundle


def _refuse(y: NDArray[Any], p: NDArray[Any]) -> None:
    if y.shape != p.shape:
        raise ValueError(
            f"one truth and one probability an image are wanted: {len(y)} and {len(p)}"
        )
    if not np.isin(y, (0, 1)).all() or len(np.unique(y)) != 2:
        raise ValueError("the truth is 1 with the finding and 0 without, and both must be there")
    if not np.isfinite(p).all() or p.min() < 0 or p.max() > 1:
        raise ValueError("probabilities lie from 0 to 1; scores become such by calibrating them")


def _curves(y: NDArray[Any], p: NDArray[Any]) -> dict[str, Any]:
    """What the browser draws; alarms are at or above each hundredth."""
    at = np.arange(STEPS + 1) / STEPS
    counts = [metrics.confusion(y, p >= threshold) for threshold in at]
    alarms, found, _ = metrics.roc(y, p)
    precision, recall, _ = metrics.precision_recall(y, p)
    asked = at[:-1]
    edges = np.linspace(0, 1, BINS + 1)
    return {
        **{name: [one[name] for one in counts] for name in counts[0]},
        "roc": np.column_stack([alarms, found]).tolist(),
        "pr": np.column_stack([recall, precision]).tolist(),
        "net": metrics.net_benefit(y, p, asked).tolist(),
        "net_all": (y.mean() - (1 - y.mean()) * asked / (1 - asked)).tolist(),
        "bars_with": np.histogram(p[y == 1], edges)[0].tolist(),
        "bars_without": np.histogram(p[y == 0], edges)[0].tolist(),
        "share": float(y.mean()),
        "auroc": metrics.auroc(y, p),
        "auprc": metrics.auprc(y, p),
    }
