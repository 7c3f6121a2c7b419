"""Two pictures of the same place, laid over each other: move one until they fit.

The picture that stays is orange, the one that is moved is blue; where they agree, the sum is grey.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray

from course_kit.texts import say

Picture = NDArray[np.floating[Any]]
_ORANGE, _BLUE = np.array([1.0, 0.62, 0.25]), np.array([0.25, 0.62, 1.0])


def shifted(picture: Picture, rows: int, columns: int) -> Picture:
    """The picture moved by whole pixels; what comes in from outside is its darkest value."""
    moved = np.full_like(picture, picture.min())
    high, wide = picture.shape
    if abs(rows) < high and abs(columns) < wide:
        into = moved[max(rows, 0) : high + min(rows, 0), max(columns, 0) : wide + min(columns, 0)]
        into[...] = picture[
            max(-rows, 0) : high + min(-rows, 0), max(-columns, 0) : wide + min(-columns, 0)
        ]
    return moved


def overlay(fixed: Picture, moving: Picture) -> NDArray[np.uint8]:
    """Both in one picture (rows, columns, 3): orange where only the first is bright, blue else."""
    mixed = _even(fixed)[..., None] * _ORANGE + _even(moving)[..., None] * _BLUE
    return np.asarray(np.clip(mixed / 1.25, 0, 1) * 255, dtype=np.uint8)


class Aligner(widgets.VBox):  # type: ignore[misc]
    """Sliders that move `moving` (rows, columns) over `fixed`; `score` says how well they fit."""

    def __init__(
        self,
        fixed: Picture,
        moving: Picture,
        score: Callable[[Picture, Picture], float],
        *,
        reach: int = 12,
    ) -> None:
        if fixed.shape != moving.shape:
            raise ValueError(f"The pictures have the shapes {fixed.shape} and {moving.shape}.")
        self._fixed, self._moving, self._score = fixed, moving, score
        self.down = _slider(say("align_down"), reach)
        self.right = _slider(say("align_right"), reach)
        self.picture = widgets.HTML()
        self.best = -np.inf
        for slider in (self.down, self.right):
            slider.observe(self._moved, names="value")
        self._moved(None)
        super().__init__(children=[self.down, self.right, self.picture])

    def _moved(self, _: object) -> None:
        moved = shifted(self._moving, self.down.value, self.right.value)
        score = float(self._score(self._fixed, moved))
        self.best = max(self.best, score)
        words = say("align_score", score=f"{score:.3f}", best=f"{self.best:.3f}")
        self.picture.value = (
            f'<img alt="" style="width:100%;max-width:380px;border-radius:8px;display:block" '
            f'src="data:image/png;base64,{_png(overlay(self._fixed, moved))}"/>'
            f'<div style="color:#1e293b;margin-top:6px">{html.escape(words)}</div>'
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = self.picture.value
        return bundle


def _even(picture: Picture) -> Picture:
    low, high = np.percentile(picture, [1, 99.5])
    return np.asarray(np.clip((picture - low) / max(high - low, 1e-9), 0, 1))


def _png(pixels: NDArray[np.uint8]) -> str:
    from matplotlib.image import imsave

    file = io.BytesIO()
    imsave(file, pixels.repeat(3, axis=0).repeat(3, axis=1), format="png")
    return base64.b64encode(file.getvalue()).decode()


def _slider(words: str, reach: int) -> widgets.IntSlider:
    return widgets.IntSlider(
        min=-reach,
        max=reach,
        value=0,
        description=words,
        style={"description_width": "150px"},
        layout={"width": "460px"},
    )
