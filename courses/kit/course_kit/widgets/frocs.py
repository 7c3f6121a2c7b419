"""A FROC curve that builds itself while the threshold goes down.

`FrocBuilder(scores, hits, findings, images)`: each mark of a detector has a score and hits a finding
or not. The slider moves the threshold; the point moves along the curve, and the words say what it
costs. The browser draws; `threshold` follows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike

from course_kit.texts import spoken

TEXTS = {
    "threshold": {"en": "Threshold", "zh_CN": "阈值"},
    "x": {"en": "false marks an image", "zh_CN": "每幅图像的误标数"},
    "y": {"en": "findings that are marked", "zh_CN": "被标出的病灶"},
    "told": {
        "en": "{found} of {findings} findings are marked, at {wrong} false marks an image.",
        "zh_CN": "{findings} 个病灶标出了 {found} 个，代价是每幅图像 {wrong} 个误标。",
    },
}


class FrocBuilder(anywidget.AnyWidget):  # type: ignore[misc]
    """Marks of a detector over `images` images that hold `findings` findings."""

    _esm = Path(__file__).with_suffix(".js")
    scores = traitlets.List().tag(sync=True)
    hits = traitlets.List().tag(sync=True)
    findings = traitlets.Int().tag(sync=True)
    images = traitlets.Int().tag(sync=True)
    threshold = traitlets.Float(0.5).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)

    def __init__(self, scores: ArrayLike, hits: ArrayLike, findings: int, images: int) -> None:
        marks, right = np.asarray(scores, dtype=float), np.asarray(hits).astype(bool)
        if marks.shape != right.shape or findings < 1 or images < 1:
            raise ValueError("as many scores as hits are wanted, and at least one finding and image")
        super().__init__(
            scores=marks.tolist(),
            hits=right.tolist(),
            findings=findings,
            images=images,
            words={key: spoken(text) for key, text in TEXTS.items()},
        )

    def at(self, threshold: float) -> tuple[float, float]:
        """False marks an image, and the share of findings that is marked, from that score on."""
        marks, right = np.array(self.scores), np.array(self.hits)
        counted = marks >= threshold
        return float((counted & ~right).sum() / self.images), float(
            (counted & right).sum() / self.findings
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            wrong, found = self.at(self.threshold)
            count = round(found * self.findings)
            words = spoken(TEXTS["told"]).format(
                found=count, findings=self.findings, wrong=f"{wrong:.2f}"
            )
            data["text/html"] = f"<p>{words}</p>"
        return bundle
