"""The rings of the desk, the line to play with, the self-test: they tell what is so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_kit.widgets import selftest
from course_kit.widgets.gauge import Gauge, Level, cpu_seconds, levels, rings, session_minutes
from course_kit.widgets.selftest import self_test
from course_kit.widgets.waiting import (
    GAP_MINUTES,
    LineExplorer,
    Task,
    chart,
    first_come,
    rank,
    serve,
    waits,
)
from hub_config.queueing.rules import handicap

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
tasks_of_a_morning = st.lists(
    st.builds(
        Task,
        name=st.text("abc", min_size=1, max_size=6),
        entered=st.integers(0, 90),
        minutes=st.integers(1, 90),
        hours_used=st.floats(0, 20),
        cards=st.integers(1, 2),
    ),
    max_size=8,
    unique_by=lambda task: task.name,
)


@pytest.mark.parametrize("hours", [0, 0.5, 3, 6, 7, 100])
def test_the_lesson_ranks_as_the_real_queue_does(hours: float) -> None:
    later = handicap(hours) / timedelta(minutes=1)
    assert rank(Task("me", entered=20, minutes=30, hours_used=hours)) == 20 + later


@settings(max_examples=60, deadline=None)
@given(tasks_of_a_morning, st.integers(2, 3), st.booleans())
def test_no_card_is_given_twice_and_all_are_served(
    tasks: list[Task], cards: int, fill_gaps: bool
) -> None:
    sessions = serve(tasks, cards, fill_gaps=fill_gaps)
    assert sorted(one.task.name for one in sessions) == sorted(task.name for task in tasks)
    for one in sessions:
        assert one.waited >= 0
        assert one.end - one.start == one.task.minutes
        assert len(set(one.on)) == one.task.cards
        others = (other for other in sessions if other is not one and set(other.on) & set(one.on))
        assert all(one.end <= other.start or other.end <= one.start for other in others)


def test_without_gaps_nobody_passes_anybody() -> None:
    tasks = [Task("long", 0, 60), Task("wide", 1, 30, cards=2), Task("short", 2, 10)]
    plain = waits(serve(tasks, 2, order=first_come, fill_gaps=False))
    filled = waits(serve(tasks, 2, order=first_come))
    assert plain == {"long": 0, "wide": 59, "short": 88}
    assert filled == {"long": 0, "wide": 59, "short": 0}


def test_a_gap_is_filled_only_by_who_is_out_in_time() -> None:
    def short(minutes: int) -> int:
        tasks = [Task("long", 0, 60), Task("wide", 1, 30, cards=2), Task("short", 2, minutes)]
        return waits(serve(tasks, 2))["short"]

    assert short(60 - 2 - GAP_MINUTES) == 0
    assert short(60 - 2 - GAP_MINUTES + 1) == 88


def test_who_had_much_goes_later() -> None:
    tasks = [Task("first", 0, 60), Task("much", 1, 30, hours_used=3), Task("none", 20, 30)]
    assert waits(serve(tasks, 1)) == {"first": 0, "none": 40, "much": 89}
    assert waits(serve(tasks, 1, order=first_come)) == {"first": 0, "much": 59, "none": 70}


def test_a_task_for_more_cards_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="wide wants 3 cards; there are 2"):
        serve([Task("wide", 0, 10, cards=3)], 2)


def test_the_explorer_answers_its_sliders() -> None:
    explorer = LineExplorer([Task("Ana", 0, 60), Task("Ben", 0, 60)], cards=2, entered=10)
    before = explorer.mine.waited
    explorer.cards.value = 3
    assert (before, explorer.mine.waited) == (50, 0)
    assert "You wait 0 minutes" in explorer.picture.value


def html_of(widget: Any) -> str:
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    return str(data["text/html"])


def test_where_no_widget_is_shown_the_pictures_stand_still() -> None:
    gauge = Gauge(seconds=0)
    assert "Memory" in html_of(gauge)
    assert "<svg" in html_of(LineExplorer([Task("Ana", 0, 60)]))


def test_names_in_a_chart_are_words_and_no_markup() -> None:
    picture = chart(serve([Task("<script>", 0, 600)], 1), 1)
    assert "<script>" not in picture
    assert "&lt;script&gt;" in picture


@pytest.mark.parametrize(
    ("ends", "minutes"),
    [
        ("2026-01-01T12:30:00+00:00", 30),
        ("2026-01-01T12:30:00", 30),
        ("2026-01-01T11:00:00+00:00", 0),
        ("soon", None),
        ("", None),
    ],
)
def test_the_sessions_end_is_counted_in_minutes(ends: str, minutes: float | None) -> None:
    assert session_minutes(NOON, {"RADLAB_SESSION_ENDS": ends}) == minutes
    assert session_minutes(NOON, {}) is None


def test_processor_time_is_the_containers(tmp_path: Path) -> None:
    assert cpu_seconds(tmp_path) > 0  # no group counts: this process's own
    (tmp_path / "cpuacct").mkdir()
    (tmp_path / "cpuacct" / "cpuacct.usage").write_text("1500000000\n")
    assert cpu_seconds(tmp_path) == 1.5
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    assert cpu_seconds(tmp_path) == 2.5


def test_a_ring_warns_near_its_edge_but_not_for_a_busy_processor(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("200000 100000")
    found = levels(2.0, groups=tmp_path, home=tmp_path, minutes=3, whole=60)
    assert [level.warns for level in found] == [False, True, True, True]
    assert "#dc2626" in rings([Level("Session", "3 min", "left", 0.95)])
    assert "#d97706" in rings([Level("Session", "12 min", "left", 0.8)])
    assert "#dc2626" not in rings([Level("Processor", "2.0", "of 2", 1.0, warns=False)])


def test_a_second_gauge_lets_the_first_stand_still() -> None:
    first = Gauge(seconds=60)
    second = Gauge(seconds=60)
    assert first._ended.is_set()
    assert not second._ended.is_set()
    second.stop()


def test_the_self_test_tells_what_does_not_work_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "_SPEED_SECONDS", 0.05)
    monkeypatch.setattr(selftest, "PACKAGES", ("numpy", "no_such_package"))
    monkeypatch.setattr(selftest, "_images", lambda: "chest-film")
    found = {finding.part: finding for finding in self_test(tmp_path / "nowhere")}
    assert [one.works for one in found.values()] == [True, True, False, False, True]
    assert "no_such_package" in found["Tools"].words
    assert found["Images"].words == "chest-film"


def test_the_self_test_leaves_nothing_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "_SPEED_SECONDS", 0.05)
    assert next(one for one in self_test(tmp_path) if one.part == "Your folder").works
    assert not list(tmp_path.iterdir())
