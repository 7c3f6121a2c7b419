"""Overlapping boxes over an image, and which of them non-maximum suppression keeps.

`NmsExplorer(image, boxes, scores, truth)`: one slider sets from which overlap (intersection over
union) on a weaker box goes, another from which score on boxes count at all. Kept boxes are blue,
suppressed ones thin and grey, the truth orange. The browser computes; `overlap` and `threshold`
follow. Boxes are rows (top, left, bottom, right) in pixels of the image.
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
    boxes = traitlets.List().tag(sync=True)
    scores = traitlets.List().tag(sync=True)
    truth = traitlets.List().tag(sync=True)
    overlap = traitlets.Float(0.5).tag(sync=True)
    threshold = traitlets.Float(0.1).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)

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

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = f'<img width="420" src="{self.picture}">'
        return bundle


def _png(image: Any) -> str:
    from matplotlib.image import imsave

    file = BytesIO()
    imsave(file, image, cmap="gray", vmin=0, vmax=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
