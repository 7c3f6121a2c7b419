"""The last cell of a page: what was reached, and whether the instructor may see it."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from course_kit.files import Files
from course_kit.progress import Progress
from course_kit.show import words
from course_kit.texts import say, spoken

_BAR = "height:8px;border-radius:4px;background:#e2e8f0;max-width:520px;margin:4px 0 8px"
_CELL = "padding:5px 10px;border-bottom:1px solid #e2e8f0;text-align:left"


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
    """How far one is, one row an exercise and one for the quiz, and what comes next, as HTML."""
    rows, got, most = [], 0, 0
    for id, exercise in files.exercises.items():
        passed = progress.exercise(id).passed
        points = exercise.points if passed else 0
        got, most = got + points, most + exercise.points
        rows.append((passed, spoken(exercise.title), f"{points} / {exercise.points}"))
    right, asked = _right(files, progress), len(files.questions)
    rows.append((asked > 0 and right == asked, say("finish_quiz"), f"{right} / {asked}"))
    share = (got + right) / max(1, most + asked)
    cells = "".join(_row(*row) for row in rows)
    return (
        f'<div style="font-weight:600;color:#1e293b;margin:6px 0">{words(say("finish_title"))}</div>'
        f'<div style="{_BAR}"><div style="width:{100 * share:.0f}%;height:8px;border-radius:4px;'
        f'background:#059669"></div></div>'
        f'<table style="border-collapse:collapse;width:100%;max-width:520px">{cells}</table>'
        f'<div style="color:#1e293b;margin:10px 0 4px">{words(_next(files, progress))}</div>'
    )


def _right(files: Files, progress: Progress) -> int:
    return sum(progress.question(id).right for id in files.questions)


def _next(files: Files, progress: Progress) -> str:
    """What is left to do on this page, the first thing of it."""
    for id, exercise in files.exercises.items():
        if not progress.exercise(id).passed:
            return say("finish_next_exercise", title=spoken(exercise.title))
    open_questions = len(files.questions) - _right(files, progress)
    return say("finish_next_quiz", count=open_questions) if open_questions else say("finish_done")


def _row(done: bool, name: str, count: str) -> str:
    sign, colour = ("✓", "#059669") if done else ("○", "#94a3b8")
    return (
        f'<tr><td style="{_CELL};color:{colour};width:20px">{sign}</td>'
        f'<td style="{_CELL}">{words(name)}</td>'
        f'<td style="{_CELL};text-align:right;color:#475569">{count}</td></tr>'
    )
