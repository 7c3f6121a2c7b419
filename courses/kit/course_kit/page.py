"""The page of a module: the one object that a notebook talks to.

It finds answers by their names in the notebook, so that a cell that was copied, moved or renamed
breaks nothing, and none of its methods raises for what a student did.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from types import ModuleType
from typing import Any

from course_kit import claims, explaining, finishing, predicting, quiz, show
from course_kit.checking import Verdict, judge, load_checks
from course_kit.desk import Desk, apply_budget, read_desk, set_threads
from course_kit.errors import UnknownName
from course_kit.files import HINTS, Exercise, Files, find_folder, read_files
from course_kit.progress import Progress, load_progress
from course_kit.style import set_style
from course_kit.texts import say, spoken

_MISSING = object()


def open_page(id: str, names: MutableMapping[str, Any], *, here: Path | None = None) -> Page:
    """The page of module `id`; `names` are the notebook's own, `globals()`.

    `here` is the notebook's folder. NoModule where the module's files are not to be found.
    """
    folder = find_folder(id, here or Path.cwd())
    files = read_files(folder)
    set_style()
    return Page(files, names, load_progress(files.id, files.version, Path.home()))


class Page:
    """One module for one student: its desk, exercises, quiz and claims."""

    def __init__(self, files: Files, names: MutableMapping[str, Any], progress: Progress) -> None:
        self.files = files
        self._names = names
        self.progress = progress
        self._checks: ModuleType | None = None
        self._judged: dict[str, tuple[Any, Verdict]] = {}
        self._lent: dict[str, Any] = {}
        self._predictions = predicting.Predictions()
        self._profile = ""
        self._told_full = False

    def desk(self) -> Desk:
        """What this container may use; sets threads and the profile's parameters, and says so."""
        budgets: Mapping[str, Any] = self.files.facts.get("budgets") or {}
        desk = read_desk(budgets)
        set_threads(desk.cores)
        self._profile = desk.profile
        lines = desk.lines()
        budget = budgets.get(desk.profile, {})
        if budget:
            lines.append(say("desk_profile", profile=desk.profile, seconds=budget["seconds"]))
        changed = apply_budget(self._names, budgets, desk.profile)
        if changed:
            listed = ", ".join(f"{name} = {value!r}" for name, value in changed.items())
            lines.append(say("desk_set", settings=listed))
        needs = float(budget.get("memory_gb") or 0)
        # What a container calls 3 GB may lack some of it.
        if needs > desk.memory_gb * 1.05:
            lines.append(say("desk_small", needs=f"{needs:g}", memory=f"{desk.memory_gb:.1f}"))
        print("\n".join(lines))
        return desk

    def check(self, id: str) -> show.Outcome:
        """Judge the answer to exercise `id`, show what was found; True where it is right."""
        exercise = self._exercise(id)
        self._judged.pop(id, None)  # what it builds on may have been mended since
        verdict = self._judge(exercise)
        tried = self.progress.exercise(id)
        tried.tries += 1
        title = spoken(exercise.title)
        if verdict.passed:
            tried.passed, tried.points = True, exercise.points
            show.show(say("check_right", points=exercise.points), kind="right", title=title)
        else:
            left = HINTS - tried.hints
            ask = say("check_hint", id=id, left=left) if left > 0 else say("check_no_hint")
            text = f"{verdict.message}\n{ask}"
            show.show(text, kind="wrong", title=title, code=verdict.line)
        self._save()
        return show.Outcome(verdict.passed)

    def hint(self, id: str) -> None:
        """Show the next hint of exercise `id`, and those before it."""
        exercise = self._exercise(id)
        tried = self.progress.exercise(id)
        tried.hints = min(tried.hints + 1, HINTS)
        given = exercise.hints[: tried.hints]
        lines = [f"{number}. {spoken(hint)}" for number, hint in enumerate(given, start=1)]
        more = say("hint_more") if tried.hints < HINTS else say("hint_last")
        show.show("\n".join([*lines, more]), kind="note", title=say("hint_title", id=id))
        self._save()

    def answer(self, id: str, otherwise: Any) -> Any:
        """The student's own answer to `id` where its check passes, else `otherwise`, said aloud."""
        exercise = self._exercise(id)
        if self._judge(exercise).passed:
            return self._names[exercise.answer]
        show.show(say("answer_ours", id=id, name=exercise.answer), kind="plain")
        self._lent[id] = otherwise
        return otherwise

    def predict(
        self, id: str, low: float, high: float, start: float, ask: str = "", step: float = 0.0
    ) -> None:
        """Show a slider from `low` to `high` for a prediction that is kept under `id`."""
        self._predictions.ask(id, low, high, start, ask, step)

    def predicted(self, id: str) -> float:
        """What the slider `id` says; UnknownName where its cell was not run."""
        return self._predictions.said(id)

    def reveal(self, id: str, value: float, unit: str = "") -> None:
        """Say what was predicted under `id` and what came; nothing breaks where nobody predicted."""
        self._predictions.reveal(id, value, unit)

    def quiz(self, id: str | None = None) -> None:
        """Show all questions of the module, or the one that is named."""
        known = self.files.questions
        if id is not None and id not in known:
            raise UnknownName("question", id, known)
        wanted = [known[id]] if id is not None else list(known.values())
        show.render(quiz.sheet(wanted, self.progress, self._save))

    def claim(self, id: str, value: float) -> show.Outcome:
        """Hold what the text says against `value`; shown, and True where it holds."""
        if id not in self.files.claims:
            raise UnknownName("claim", id, self.files.claims)
        claim, value = self.files.claims[id], float(value)
        held = claims.record(claim, value, profile=self._profile)
        # A run of another profile (a shorter training) need not reach what the text says.
        meant = self._profile in claim.profiles or not self._profile
        verdict = "claim_holds" if held else ("claim_fails" if meant else "claim_short")
        words = {"says": spoken(claim.says), "limit": claim.limit, "value": f"{value:.3g}"}
        text = say("claim", **words, verdict=say(verdict))
        show.show(text, kind="right" if held else "plain")
        return show.Outcome(held)

    def explain(self, word: str) -> None:
        """Show a card that explains a word of the field."""
        explaining.show_card(word)

    def finish(self) -> None:
        """Show what was reached, and ask whether the instructor may see it."""
        show.render(finishing.sheet(self.files, self.progress, self._save))

    def _exercise(self, id: str) -> Exercise:
        if id not in self.files.exercises:
            raise UnknownName("exercise", id, self.files.exercises)
        return self.files.exercises[id]

    def _judge(self, exercise: Exercise) -> Verdict:
        answer = self._names.get(exercise.answer, _MISSING)
        if answer is _MISSING:
            text = say("check_missing", name=exercise.answer, id=exercise.id)
            return Verdict(False, text, text)
        if exercise.id in self._lent and answer is self._lent[exercise.id]:
            # The page's own, which the notebook now calls by that name: no answer of theirs.
            text = say("check_lent", name=exercise.answer, id=exercise.id)
            return Verdict(False, text, text)
        kept = self._judged.get(exercise.id)
        if kept is not None and kept[0] is answer and callable(answer):
            return kept[1]
        if self._checks is None:
            self._checks = load_checks(self.files.folder)
        verdict = judge(exercise, answer, self._checks)
        self._judged[exercise.id] = (answer, verdict)
        return verdict

    def _save(self) -> None:
        for id, exercise in self.files.exercises.items():
            self.progress.exercise(id).of = exercise.points
        for id in self.files.questions:
            self.progress.question(id)
        if self.progress.save():
            self._told_full = False
        elif not self._told_full:
            self._told_full = True
            show.show(say("disk_full"), kind="wrong")
