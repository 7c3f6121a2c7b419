"""A line before a few graphics cards, with the rules that RadLab's own queue has.

Order: who entered earlier is first, but each hour on a card in the last seven days counts as ten
minutes later, an hour at most (`rank`). Gaps are filled: a task behind may start at once where it
is over two minutes before whoever is before it was promised a card. The order is a rule that can be
exchanged, so that rules can be compared. Minutes are counted from the opening of the door.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
from course_kit.texts import say

MINUTES_PER_HOUR_USED = 10
MOST_MINUTES = 60
GAP_MINUTES = 2


@dataclass(frozen=True)
class Task:
    """Who wants cards: entered at a minute, for so many minutes, with hours used this week."""

    name: str
    entered: int
    minutes: int
    hours_used: float = 0.0
    cards: int = 1


@dataclass(frozen=True)
class Session:
    """A task that got its cards: from minute `start` to `end`, on the cards of these numbers."""

    task: Task
    start: int
    end: int
    on: tuple[int, ...]

    @property
    def waited(self) -> int:
        """Minutes from entering to starting."""
        return self.start - self.task.entered


def rank(task: Task) -> float:
    """The minute that counts: the smallest goes first."""
    return task.entered + min(MOST_MINUTES, MINUTES_PER_HOUR_USED * task.hours_used)


def first_come(task: Task) -> float:
    """The plain line: whoever entered first goes first."""
    return task.entered


def serve(
    tasks: Sequence[Task],
    cards: int,
    *,
    order: Callable[[Task], float] = rank,
    fill_gaps: bool = True,
) -> list[Session]:
    """Each task's session, by its start; ValueError where a task wants more cards than there are.

    Without `fill_gaps` nobody starts before whoever stands before them.
    """
    for task in tasks:
        if not 1 <= task.cards <= cards:
            raise ValueError(f"{task.name} wants {task.cards} cards; there are {cards}.")
    waiting = list(tasks)
    sessions: list[Session] = []
    moments = {task.entered for task in tasks}
    while waiting:
        now = min(moments)
        moments.discard(now)
        here = sorted(
            (task for task in waiting if task.entered <= now),
            key=lambda task: (order(task), task.entered, task.name),
        )
        for session in _starting(here, sessions, now, cards, fill_gaps):
            sessions.append(session)
            waiting.remove(session.task)
            moments.add(session.end)
        # A gap too short for the two minutes between may open later than an end.
        moments |= {session.end + GAP_MINUTES for session in sessions if session.end >= now}
        moments = {moment for moment in moments if moment > now}
    return sorted(sessions, key=lambda session: (session.start, session.on))


def waits(sessions: Sequence[Session]) -> dict[str, int]:
    """Minutes that each waited, by name."""
    return {session.task.name: session.waited for session in sessions}


def _starting(
    here: Sequence[Task], sessions: Sequence[Session], now: int, cards: int, fill_gaps: bool
) -> list[Session]:
    """Who starts now: in order, each at the earliest minute that delays nobody before them."""
    taken: list[list[tuple[int, int]]] = [[] for _ in range(cards)]
    for session in sessions:
        for card in session.on:
            taken[card].append((session.start, session.end))
    found: list[Session] = []
    for task in here:
        start, on = _earliest(task, taken, now)
        if start == now:
            found.append(Session(task, now, now + task.minutes, on))
        elif not fill_gaps:
            break
        begin = start if start == now else start - GAP_MINUTES
        for card in on:
            taken[card].append((begin, start + task.minutes))
    return found


def _earliest(
    task: Task, taken: Sequence[Sequence[tuple[int, int]]], now: int
) -> tuple[int, tuple[int, ...]]:
    moments = {now} | {end for card in taken for _, end in card if end > now}
    for start in sorted(moments):
        end = start + task.minutes
        free = [
            number
            for number, card in enumerate(taken)
            if all(end <= begin or start >= over for begin, over in card)
        ]
        if len(free) >= task.cards:
            return start, tuple(free[: task.cards])
    raise AssertionError("after the last end all cards are free")


def chart(sessions: Sequence[Session], cards: int, me: str = "") -> str:
    """Who is on which card when, as a picture in HTML; `me` is drawn in blue."""
    end = max((session.end for session in sessions), default=60)
    wide, left, high = 760, 74, 34
    scale = (wide - left - 16) / end
    parts = [_axis(end, left, scale, cards * high)]
    for card in range(cards):
        label = html.escape(say("line_card", number=card + 1))
        y = card * high
        parts.append(
            f'<text x="0" y="{y + 22}" font-size="13" fill="#64748b">{label}</text>'
            f'<line x1="{left}" x2="{wide}" y1="{y + high}" y2="{y + high}" stroke="#e2e8f0"/>'
        )
    for session in sessions:
        parts += [_bar(session, card, left, scale, high, me) for card in session.on]
    tall = cards * high + 26
    return (
        f'<svg viewBox="0 0 {wide} {tall}" style="width:100%;max-width:{wide}px;'
        f'font-family:inherit;display:block;margin:6px 0" role="img">{"".join(parts)}</svg>'
    )


class LineExplorer(widgets.VBox):  # type: ignore[misc]
    """Your task among others: sliders for its length, the hours you used, and the cards."""

    def __init__(self, others: Sequence[Task], *, cards: int = 2, entered: int = 10) -> None:
        self._others, self._entered = list(others), entered
        self.minutes = _slider(say("line_minutes"), 10, 120, 60, 10)
        self.hours = _slider(say("line_hours"), 0, 8, 3, 1)
        self.cards = _slider(say("line_cards"), 1, 4, cards, 1)
        self.gaps = widgets.Checkbox(value=True, description=say("line_gaps"), indent=False)
        self.picture = widgets.HTML()
        for control in (self.minutes, self.hours, self.cards, self.gaps):
            control.observe(self._changed, names="value")
        self._changed(None)
        controls = [self.minutes, self.hours, self.cards, self.gaps]
        super().__init__(children=[*controls, self.picture], layout={"max_width": "790px"})

    @property
    def mine(self) -> Session:
        """Your own session, as the sliders are now."""
        return next(one for one in self._sessions() if one.task.name == say("line_you"))

    def _sessions(self) -> list[Session]:
        me = Task(say("line_you"), self._entered, self.minutes.value, self.hours.value)
        return serve([*self._others, me], self.cards.value, fill_gaps=self.gaps.value)

    def _changed(self, _: object) -> None:
        sessions, mine = self._sessions(), self.mine
        words = say(
            "line_told",
            entered=mine.task.entered,
            rank=f"{rank(mine.task):.0f}",
            waited=mine.waited,
        )
        told = f'<div style="color:#1e293b;line-height:1.5">{html.escape(words)}</div>'
        self.picture.value = chart(sessions, self.cards.value, say("line_you")) + told

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = self.picture.value
        return bundle


def _slider(words: str, low: int, high: int, start: int, step: int) -> widgets.IntSlider:
    return widgets.IntSlider(
        min=low,
        max=high,
        value=start,
        step=step,
        description=words,
        style={"description_width": "260px"},
        layout={"width": "560px"},
    )


def _axis(end: int, left: int, scale: float, tall: int) -> str:
    step = next(step for step in (15, 30, 60, 120, 240, 480) if end / step <= 10 or step == 480)
    ticks = []
    for minute in range(0, end + 1, step):
        x = left + minute * scale
        ticks.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{tall}" stroke="#f1f5f9"/>'
            f'<text x="{x:.1f}" y="{tall + 18}" font-size="12" fill="#94a3b8" '
            f'text-anchor="middle">{minute}</text>'
        )
    return "".join(ticks)


def _bar(session: Session, card: int, left: int, scale: float, high: int, me: str) -> str:
    x, wide = left + session.start * scale, max(2.0, (session.end - session.start) * scale - 2)
    mine = session.task.name == me
    fill, ink = ("#2563eb", "#ffffff") if mine else ("#dbeafe", "#1e3a8a")
    y, name = card * high + 5, html.escape(session.task.name)
    text = (
        f'<text x="{x + wide / 2:.1f}" y="{y + 17}" font-size="13" fill="{ink}" '
        f'text-anchor="middle">{name}</text>'
        if wide > 9 * len(session.task.name)
        else ""
    )
    told = html.escape(say("line_bar", name=session.task.name, waited=session.waited))
    return (
        f'<g><title>{told}</title><rect x="{x:.1f}" y="{y}" width="{wide:.1f}" '
        f'height="{high - 9}" rx="5" fill="{fill}"/>{text}</g>'
    )
