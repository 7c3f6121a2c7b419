"""A FROC curve that builds itself while the threshold goes down.

`FrocBuilder(scores, hits, findings, images)`: each mark of a detector has a score and hits a finding
or not. The slider moves the threshold; the point moves along the curve, and the words say what it
costs. The browser draws; `threshold` follows. Pages without a kernel show the curve, still.
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
    scores: Any = traitlets.List().tag(sync=True)
    hits: Any = traitlets.List().tag(sync=True)
    findings = traitlets.Int().tag(sync=True)
    images = traitlets.Int().tag(sync=True)
    threshold = traitlets.Float(0.5).tag(sync=True)
    words: Any = traitlets.Dict().tag(sync=True)

    def __init__(self, scores: ArrayLike, hits: ArrayLike, findings: int, images: int) -> None:
        marks, right = np.asarray(scores, dtype=float), np.asarray(hits).astype(bool)
        if marks.shape != right.shape or findings < 1 or images < 1:
            raise ValueError(
                "as many scores as hits are wanted, and at least one finding and image"
            )
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
            data["text/html"] = f"<p>{words}</p>{self._still(wrong, found)}"
        return bundle

    def _still(self, wrong: float, found: float) -> str:
        """The curve in SVG, with the point of the threshold on it."""
        order = np.argsort(-np.array(self.scores), kind="stable")
        right = np.array(self.hits, dtype=bool)[order]
        x = np.append(0, np.cumsum(~right) / self.images)
        y = np.append(0, np.cumsum(right) / self.findings)
        most = float(np.clip(x[-1], 1, 8))

        def place(across: float, up: float) -> tuple[float, float]:
            return 56 + 488 * min(across, most) / most, 14 + 242 * (1 - up)

        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in map(place, x, y))
        dot = place(wrong, found)
        lines = "".join(
            f'<line x1="56" x2="544" y1="{place(0, at)[1]}" y2="{place(0, at)[1]}" stroke="#e2e8f0"/>'
            f'<text x="48" y="{place(0, at)[1] + 4}" text-anchor="end">{at:g}</text>'
            for at in (0, 0.25, 0.5, 0.75, 1)
        )
        ends = "".join(
            f'<text x="{place(at, 0)[0]}" y="274" text-anchor="middle">{at:g}</text>'
            for at in (0, most / 2, most)
        )
        return (
            '<svg viewBox="0 0 560 300" style="width:560px;font:12px sans-serif" fill="#64748b">'
            f'{lines}{ends}<text x="300" y="294" text-anchor="middle">{self.words["x"]}</text>'
            '<text text-anchor="middle" transform="translate(14 135) rotate(-90)">'
            f"{self.words['y']}</text>"
            f'<polyline points="{path}" fill="none" stroke="#2563eb" stroke-width="3"/>'
            f'<circle cx="{dot[0]}" cy="{dot[1]}" r="7" fill="#2563eb"/></svg>'
        )
