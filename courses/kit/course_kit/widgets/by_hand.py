"""A picture that is drawn again by sliders: the reader turns what a machine would learn to turn.

The picture is made by matplotlib in the kernel and sent as PNG; where no widget is shown (an
export, a page without a kernel) the picture for the first values stands there instead.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt

_STEPS = 100


class ByHand(widgets.VBox):  # type: ignore[misc]
    """Sliders over `draw(axes, **values)`; `.values` are where they stand.

    `sliders` is, by the name of the argument, (label, low, high, start). `draw` gives a sentence
    that stands below the picture, or nothing.
    """

    def __init__(
        self,
        draw: Callable[..., str | None],
        sliders: Mapping[str, tuple[str, float, float, float]],
        *,
        size: tuple[float, float] = (7.0, 4.6),
    ) -> None:
        self._draw, self._size = draw, size
        self._sliders = {name: _slider(*facts) for name, facts in sliders.items()}
        self._picture = widgets.Image(format="png", layout={"width": f"{size[0] * 100:.0f}px"})
        self._words = widgets.HTML()
        super().__init__([*self._sliders.values(), self._picture, self._words])
        for slider in self._sliders.values():
            slider.observe(lambda _: self._redraw(), "value")
        self._redraw()

    @property
    def values(self) -> dict[str, float]:
        """Where the sliders stand, by name."""
        return {name: slider.value for name, slider in self._sliders.items()}

    def _redraw(self) -> None:
        figure, axes = plt.subplots(figsize=self._size, layout="constrained")
        try:
            said = self._draw(axes, **self.values) or ""
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=100)
        finally:
            plt.close(figure)
        self._picture.value = buffer.getvalue()
        self._words.value = f'<div style="font-weight:600;color:#1e293b">{said}</div>'

    def _repr_mimebundle_(self, **options: Any) -> Any:
        import base64

        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["image/png"] = base64.b64encode(self._picture.value).decode()
        return bundle


def _slider(label: str, low: float, high: float, start: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        description=label,
        min=low,
        max=high,
        value=start,
        step=(high - low) / _STEPS,
        continuous_update=False,
        style={"description_width": "120px"},
        layout={"width": "520px"},
    )
