"""Predict before you run: a slider keeps what a reader expects, until the answer is there."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from course_kit import show
from course_kit.errors import UnknownName
from course_kit.texts import say

_STEPS = 100
_SAID, _CAME = "#d97706", "#2563eb"


class Question(widgets.VBox):  # type: ignore[misc]
    """A question with a slider below it; the question and its range where no widget is shown."""

    def __init__(self, words: str, low: float, high: float, value: float, step: float) -> None:
        self.slider = widgets.FloatSlider(
            min=low,
            max=high,
            value=min(max(value, low), high),
            step=step or (high - low) / _STEPS,
            layout={"width": "520px"},
            readout_format=".4",
            continuous_update=False,
        )
        style = "font-weight:600;color:#1e293b;font-size:14px"
        self._asked = f'<div style="{style}">{show.words(words)}</div>'
        self._range = f'<div style="color:#64748b">{low:g} … {high:g}</div>'
        super().__init__(
            children=[widgets.HTML(self._asked), self.slider], layout={"max_width": "760px"}
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = self._asked + self._range
        return bundle


class Predictions:
    """The sliders of one page, by their names."""

    def __init__(self) -> None:
        self._asked: dict[str, Question] = {}

    def ask(self, id: str, low: float, high: float, start: float, words: str, step: float) -> None:
        """Show the slider `id`; run again, it keeps what was set."""
        before = self._asked.get(id)
        value = before.slider.value if before is not None else start
        self._asked[id] = Question(words or say("predict"), low, high, value, step)
        show.render(self._asked[id])

    def said(self, id: str) -> float:
        """The value of the slider `id`."""
        if id not in self._asked:
            raise UnknownName("prediction", id, self._asked)
        return float(self._asked[id].slider.value)

    def reveal(self, id: str, value: float, unit: str) -> None:
        """What was said beside what came, on the line from the lowest to the highest."""
        tail = f" {unit}" if unit else ""
        if id not in self._asked:
            return show.show(say("reveal_alone", value=f"{value:.3g}{tail}"))
        slider, said = self._asked[id].slider, self.said(id)
        text = say("reveal", said=f"{said:.3g}{tail}", value=f"{value:.3g}{tail}")
        show.render(_Revealed(text, _scale(slider.min, slider.max, said, value)))


class _Revealed(show.Card):
    def __init__(self, text: str, scale: str) -> None:
        super().__init__(text)
        self.data = str(self.data).removesuffix("</div>") + scale + "</div>"


def _scale(low: float, high: float, said: float, value: float) -> str:
    """A line with two marks; one that lies outside stands at its end. Nothing for NaN."""
    if value != value or high <= low:
        return ""

    def place(number: float) -> float:
        return 10 + 480 * min(1.0, max(0.0, (number - low) / (high - low)))

    ends = "".join(
        f'<text x="{x}" y="34" font-size="12" fill="#94a3b8" text-anchor="{anchor}">{end:g}</text>'
        for x, anchor, end in ((10, "start", low), (490, "end", high))
    )
    return (
        '<svg viewBox="0 0 500 40" role="img" style="width:100%;max-width:500px;display:block">'
        '<line x1="10" x2="490" y1="14" y2="14" stroke="#e2e8f0" stroke-width="6" '
        f'stroke-linecap="round"/>{ends}'
        f'<circle cx="{place(said):.1f}" cy="14" r="7" fill="#fff" stroke="{_SAID}" '
        'stroke-width="3"/>'
        f'<circle cx="{place(value):.1f}" cy="14" r="7" fill="{_CAME}"/></svg>'
    )
