"""The last cell of a page: what was reached, and whether the instructor may see it."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from course_kit.files import Files
from course_kit.progress import Progress
from course_kit.texts import say, spoken

_CELL = "padding:5px 14px;border-bottom:1px solid #e2e8f0;text-align:left"


def sheet(files: Files, progress: Progress, save: Callable[[], None]) -> widgets.VBox:
    """The table of points, and the switch of consent."""
    return Finish(files, progress, save)


class Finish(widgets.VBox):  # type: ignore[misc]
    """Points by exercise and quiz; the switch is off until the student turns it on."""

    def __init__(self, files: Files, progress: Progress, save: Callable[[], None]) -> None:
        self._progress, self._save = progress, save
        self._table = table(files, progress)
        self.switch = widgets.Checkbox(
            value=progress.consent,
            description=say("consent"),
            indent=False,
            layout={"width": "auto"},
        )
        self.told = widgets.HTML(self._words())
        self.switch.observe(self._switched, names="value")
        children = [widgets.HTML(self._table), self.switch, self.told]
        super().__init__(children=children, layout={"max_width": "760px"})
        save()

    def _switched(self, change: dict[str, Any]) -> None:
        self._progress.consent = bool(change["new"])
        self._save()
        self.told.value = self._words()

    def _words(self) -> str:
        words = say("consent_on" if self._progress.consent else "consent_off")
        return f'<span style="color:#64748b">{html.escape(words)}</span>'

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = self._table
        return bundle


def table(files: Files, progress: Progress) -> str:
    """One row an exercise, one for the quiz, one for all, as HTML."""
    rows = []
    for id, exercise in files.exercises.items():
        tried = progress.exercise(id)
        sign = "✓" if tried.passed else "·"
        got = exercise.points if tried.passed else 0
        rows.append((f"{sign} {spoken(exercise.title)}", f"{got} / {exercise.points}"))
    right = sum(progress.question(id).right for id in files.questions)
    sign = "✓" if files.questions and right == len(files.questions) else "·"
    rows.append((f"{sign} {say('finish_quiz')}", f"{right} / {len(files.questions)}"))
    cells = "".join(
        f'<tr><td style="{_CELL}">{html.escape(name)}</td>'
        f'<td style="{_CELL};text-align:right">{count}</td></tr>'
        for name, count in rows
    )
    title = html.escape(say("finish_title"))
    caption = f'<div style="font-weight:600;margin:6px 0">{title}</div>'
    return f'{caption}<table style="border-collapse:collapse;min-width:420px">{cells}</table>'
