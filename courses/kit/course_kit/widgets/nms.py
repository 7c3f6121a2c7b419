"""Overlapping boxes over an image, and which of them non-maximum suppression keeps.

`NmsExplorer(image, boxes, scores, truth)`: one slider sets from which overlap (intersection over
union) on a weaker box goes, another from which score on boxes count at all. Kept boxes are blue,
suppressed ones thin and grey, the truth orange. The browser computes; `overlap` and `threshold`
follow, and `kept` says which boxes are left. Boxes are rows (top, left, bottom, right) in pixels of
the image. Pages without a kernel show the same picture, still.
"""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike

from course_kit.metrics import box_iou
from course_kit.texts import spoken

TEXTS = {
    "overlap": {"en": "Weaker boxes go from an overlap of", "zh_CN": "重叠达到多少就去掉较弱的框"},
    "threshold": {"en": "Boxes count from a score of", "zh_CN": "得分达到多少的框才算"},
    "kept": {"en": "kept", "zh_CN": "保留"},
    "gone": {"en": "suppressed", "zh_CN": "去掉"},
    "truth": {"en": "truth", "zh_CN": "真值"},
}


class NmsExplorer(anywidget.AnyWidget):  # type: ignore[misc]
    """One image (rows, columns) or (rows, columns, 3), values 0 to 1, with its boxes."""

    _esm = Path(__file__).with_suffix(".js")
    picture = traitlets.Unicode().tag(sync=True)
    rows = traitlets.Int().tag(sync=True)
    columns = traitlets.Int().tag(sync=True)
    boxes: Any = traitlets.List().tag(sync=True)
    scores: Any = traitlets.List().tag(sync=True)
    truth: Any = traitlets.List().tag(sync=True)
    overlap = traitlets.Float(0.5).tag(sync=True)
    threshold = traitlets.Float(0.1).tag(sync=True)
    words: Any = traitlets.Dict().tag(sync=True)

    def __init__(
        self, image: ArrayLike, boxes: ArrayLike, scores: ArrayLike, truth: ArrayLike = ()
    ) -> None:
        seen = np.clip(np.asarray(image, dtype=float), 0, 1)
        found = np.asarray(boxes, dtype=float).reshape(-1, 4)
        marks = np.asarray(scores, dtype=float).ravel()
        if len(found) != len(marks):
            raise ValueError(f"{len(found)} boxes and {len(marks)} scores: as many are wanted")
        super().__init__(
            picture=_png(seen),
            rows=seen.shape[0],
            columns=seen.shape[1],
            boxes=found.tolist(),
            scores=marks.tolist(),
            truth=np.asarray(truth, dtype=float).reshape(-1, 4).tolist(),
            words={key: spoken(text) for key, text in TEXTS.items()},
        )

    @property
    def kept(self) -> list[int]:
        """The numbers of the boxes that are kept, the surest first."""
        return self._sorted()[0]

    def _sorted(self) -> tuple[list[int], list[int]]:
        """The numbers of the boxes that are kept, and of those that are suppressed."""
        kept: list[int] = []
        gone: list[int] = []
        for number in np.argsort(-np.array(self.scores), kind="stable"):
            if self.scores[number] < self.threshold:
                continue
            shared = (box_iou(self.boxes[number], self.boxes[other]) for other in kept)
            (gone if any(one > self.overlap for one in shared) else kept).append(int(number))
        return kept, gone

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = self._still()
        return bundle

    def _still(self) -> str:
        kept, gone = self._sorted()
        unit = self.columns / 440
        dashes = f'stroke-dasharray="{self.columns / 60} {self.columns / 90}"'
        drawn = [
            *(_rect(self.boxes[number], "#cbd5e1", unit) for number in gone),
            *(_rect(self.boxes[number], "#2563eb", 2.5 * unit) for number in kept),
            *(_rect(box, "#fb923c", 2 * unit, dashes) for box in self.truth),
        ]
        counts = (
            ("kept", "#2563eb", kept),
            ("gone", "#94a3b8", gone),
            ("truth", "#ea580c", self.truth),
        )
        told = " &nbsp; ".join(
            f'<span style="color:{colour}">■ {self.words[word]} {len(of)}</span>'
            for word, colour, of in counts
        )
        return (
            f'<div style="font-size:14px;margin:6px 0">{told}</div>'
            f'<svg viewBox="0 0 {self.columns} {self.rows}" style="width:440px;border-radius:6px">'
            f'<image href="{self.picture}" width="{self.columns}" height="{self.rows}"/>'
            f"{''.join(drawn)}</svg>"
        )


def _rect(box: Any, colour: str, width: float, more: str = "") -> str:
    top, left, bottom, right = box
    return (
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" fill="none" '
        f'stroke="{colour}" stroke-width="{width}" {more}/>'
    )


def _png(image: Any) -> str:
    from matplotlib.image import imsave

    file = BytesIO()
    imsave(file, image, cmap="gray", vmin=0, vmax=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
