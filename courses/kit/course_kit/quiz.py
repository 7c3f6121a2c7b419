"""Questions whose every answer is explained, right or wrong; as often as one likes.

The options stand in an order that the question's own name shuffles: the same for all, and the
right one is not always the first.
"""

from __future__ import annotations

import html
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from course_kit.files import Number, Option, Question
from course_kit.progress import Progress
from course_kit.show import card_html, plain, words
from course_kit.texts import say, spoken

# Long answers wrap; without this they are cut at the page's edge.
_STYLE = """<style>
.radlab-quiz .widget-radio-box { overflow: visible; }
.radlab-quiz .widget-radio-box label {
  white-space: normal; width: auto; height: auto; min-height: 26px; line-height: 1.45;
  font-size: 14px; padding: 2px 0; align-items: flex-start; }
.radlab-quiz .widget-radio-box input { margin-top: 2px; flex: none; }
</style>"""


def sheet(
    questions: Sequence[Question], progress: Progress, save: Callable[[], None]
) -> widgets.VBox:
    """All questions one below the other."""
    items = [Item(question, number, progress, save) for number, question in enumerate(questions, 1)]
    return Sheet(items)


def order(question: Question) -> list[Option]:
    """The options as they are shown."""
    options = list(question.options)
    random.Random(question.id).shuffle(options)
    return options


def judge_number(number: Number, value: float) -> tuple[bool, str]:
    """Whether `value` is right, and why: a known mistake is answered as what it is."""
    if abs(value - number.answer) <= number.tolerance:
        return True, spoken(number.why)
    for mistake, tolerance, why in number.mistakes:
        if abs(value - mistake) <= tolerance:
            return False, spoken(why)
    return False, say("quiz_higher" if value < number.answer else "quiz_lower")


class Sheet(widgets.VBox):  # type: ignore[misc]
    """Questions as widgets; as plain HTML where no widget is shown."""

    def __init__(self, items: Sequence[Item]) -> None:
        children = [widgets.HTML(_STYLE), *items]
        super().__init__(children=children, layout={"max_width": "760px"})
        self.add_class("radlab-quiz")
        self.items = list(items)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        still = "".join(item.still() for item in self.items)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = still
        return bundle


class Item(widgets.VBox):  # type: ignore[misc]
    """One question, with what was answered last."""

    def __init__(
        self, question: Question, number: int, progress: Progress, save: Callable[[], None]
    ) -> None:
        self._question, self._progress, self._save = question, progress, save
        self._number = number
        self._options = order(question)
        self.answer = widgets.HTML()
        self.button = widgets.Button(description=say("quiz_button"), button_style="")
        self.button.on_click(self._answered)
        if question.number is None:
            choices = [
                (plain(spoken(option.text)), place) for place, option in enumerate(self._options)
            ]
            self.field = widgets.RadioButtons(options=choices, value=None, layout={"width": "auto"})
            row = [self.field, self.button]
        else:
            self.field = widgets.Text(placeholder="0", layout={"width": "120px"})
            unit = widgets.HTML(html.escape(question.number.unit))
            row = [widgets.HBox([self.field, unit, self.button])]
        asked = f"<b>{number}. {words(spoken(question.ask))}</b>"
        ask = f'<div style="font-size:14px;line-height:1.45;color:#1e293b">{asked}</div>'
        layout = {"padding": "10px 0", "border_top": "1px solid #e2e8f0"}
        super().__init__(children=[widgets.HTML(ask), *row, self.answer], layout=layout)

    def _answered(self, _: object) -> None:
        right, why = self._judge()
        if right is None:
            self.answer.value = card_html(why, kind="plain")
            return
        kept = self._progress.question(self._question.id)
        kept.right, kept.tries = right, kept.tries + 1
        title = say("quiz_right" if right else "quiz_wrong")
        self.answer.value = card_html(why, kind="right" if right else "wrong", title=title)
        self._save()

    def _judge(self) -> tuple[bool | None, str]:
        if self._question.number is None:
            if self.field.value is None:
                return None, say("quiz_choose")
            chosen = self._options[self.field.value]
            return chosen.right, spoken(chosen.why)
        try:
            value = float(self.field.value.replace(",", ".").strip())
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            return None, say("quiz_number", given=self.field.value)
        return judge_number(self._question.number, value)

    def still(self) -> str:
        """The question as plain HTML, without its answer."""
        ask = f"<p><b>{self._number}. {words(spoken(self._question.ask))}</b></p>"
        items = "".join(f"<li>{words(spoken(one.text))}</li>" for one in self._options)
        return ask + (f"<ul style='list-style:circle'>{items}</ul>" if items else "")
