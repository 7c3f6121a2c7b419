"""Predict before you run: a slider keeps what a reader expects, until the answer is there."""

from __future__ import annotations

import ipywidgets as widgets
from course_kit import show
from course_kit.errors import UnknownName
from course_kit.texts import say

_STEPS = 100


class Predictions:
    """The sliders of one page, by their names."""

    def __init__(self) -> None:
        self._sliders: dict[str, widgets.FloatSlider] = {}

    def ask(self, id: str, low: float, high: float, start: float, words: str, step: float) -> None:
        """Show the slider `id`; run again, it keeps what was set."""
        before = self._sliders.get(id)
        value = before.value if before is not None else start
        slider = widgets.FloatSlider(
            min=low,
            max=high,
            value=min(max(value, low), high),
            step=step or (high - low) / _STEPS,
            description=words or say("predict"),
            style={"description_width": "initial"},
            layout={"width": "520px"},
            readout_format=".4",
            continuous_update=False,
        )
        self._sliders[id] = slider
        show.render(slider)

    def said(self, id: str) -> float:
        """The value of the slider `id`."""
        if id not in self._sliders:
            raise UnknownName("prediction", id, self._sliders)
        return float(self._sliders[id].value)

    def reveal(self, id: str, value: float, unit: str) -> None:
        """What was said beside what came."""
        tail = f" {unit}" if unit else ""
        if id not in self._sliders:
            return show.show(say("reveal_alone", value=f"{value:.3g}{tail}"))
        said = self.said(id)
        text = say("reveal", said=f"{said:.3g}{tail}", value=f"{value:.3g}{tail}")
        show.show(text)
