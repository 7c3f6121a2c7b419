from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_config.gpus.model import LeaseRequest
from hub_config.usage import rules
from hub_config.usage.model import LIMITS, Bounds, Held, Kind, Limits, Short

ASK = LeaseRequest(
    username="sam", groups=("a", "b"), gpu_count=1, cpus=2, memory_mb=8192, minutes=60, image="i"
)
NO_BOUNDS = Bounds(person=Limits(), groups={})


def person_may(**limits: Any) -> Bounds:
    return Bounds(person=Limits(**limits), groups={})


def groups_may(**limits: Limits) -> Bounds:
    return Bounds(person=Limits(), groups=limits)


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("gpus", -1), ("gpus", 1.5), ("gpus", 1e6), ("gpus", float("nan")), ("gpus", True),
        ("cpus", 0), ("cpus", -2.0), ("cpus", float("inf")), ("memory_mb", 0), ("memory_mb", 1),
        ("disk_mb", -1), ("disk_mb", 10**12), ("minutes", 0), ("minutes", 4), ("minutes", 10**9),
        ("gpu_hours_week", -0.5), ("gpu_hours_week", float("nan")), ("servers", -1),
        ("servers", "many"),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_meant_is_refused_with_what_is_allowed(
    what: str, value: object
) -> None:
    with pytest.raises(rules.BadLimit, match=f"'{what}' cannot be .* from .* to") as refused:
        rules.changed(Limits(servers=3), {what: value})  # type: ignore[dict-item]
    assert refused.value.allowed == list(rules.allowed_range(what))


@pytest.mark.parametrize("what", LIMITS)
def test_the_ends_of_a_range_are_allowed(what: str) -> None:
    for value in rules.allowed_range(what):
        assert getattr(rules.changed(Limits(), {what: value}), what) == value


def test_changes_leave_other_limits_and_none_lifts_one() -> None:
    before = Limits(gpus=4, servers=2)
    after = rules.changed(before, {"gpus": None, "minutes": 90.0})
    assert after == Limits(servers=2, minutes=90)
    assert isinstance(after.minutes, int)


def test_an_unknown_limit_names_the_nearest() -> None:
    with pytest.raises(rules.BadLimit, match="Did you mean 'gpus'"):
        rules.changed(Limits(), {"gpu": 1})


def test_without_limits_everything_fits() -> None:
    rules.fits_ever(ASK, NO_BOUNDS)
    assert rules.room_for(ASK, "a", NO_BOUNDS, Held(gpus=99), Held(gpus=99)) is None
    assert rules.groups_that_fit(ASK, NO_BOUNDS) == ("a", "b")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"gpus": 0}, "1 GPUs were asked for, and sam may hold 0"),
        ({"cpus": 1.5}, "2 CPU cores were asked for, and sam may hold 1.5"),
        ({"memory_mb": 4096}, "8 GB of memory were asked for, and sam may hold 4 GB"),
        ({"servers": 0}, "sam may run 0"),
        ({"gpu_hours_week": 0}, "sam has 0 GPU hours a week"),
    ],
)
def test_what_a_person_may_never_hold_is_refused_at_once(limits: dict[str, Any], said: str) -> None:
    with pytest.raises(rules.OverQuota, match=said) as refused:
        rules.fits_ever(ASK, person_may(**limits))
    assert refused.value.short.kind is Kind.PERSON


def test_one_group_that_allows_it_is_enough() -> None:
    bounds = groups_may(a=Limits(gpus=0), b=Limits(gpus=1))
    rules.fits_ever(ASK, bounds)
    assert rules.groups_that_fit(ASK, bounds) == ("b",)


def test_where_no_group_allows_it_the_most_generous_is_named() -> None:
    two = replace(ASK, gpu_count=4)
    with pytest.raises(rules.OverQuota, match="b may hold 3") as refused:
        rules.fits_ever(two, groups_may(a=Limits(gpus=1), b=Limits(gpus=3)))
    assert refused.value.allowed == 3


def test_limits_on_gpus_bind_nobody_who_asks_for_none() -> None:
    bounds = person_may(gpus=0, gpu_hours_week=0)
    cpu_only = replace(ASK, gpu_count=0)
    rules.fits_ever(cpu_only, bounds)
    full = Held(gpus=3, gpu_hours_week=9.0)
    assert rules.room_for(cpu_only, None, bounds, full, Held()) is None


def test_the_first_limit_without_room_is_named_with_what_is_used() -> None:
    bounds = Bounds(person=Limits(servers=2), groups={"a": Limits(gpus=4, cpus=10)})
    held_by_group = Held(gpus=3, cpus=9, servers=3)
    short = rules.room_for(ASK, "a", bounds, Held(servers=1), held_by_group)
    assert short == Short(kind=Kind.GROUP, name="a", what="cpus", limit=10, used=9, wanted=2)
    own = rules.room_for(ASK, "a", bounds, Held(servers=2), held_by_group)
    assert own is not None
    assert (own.kind, own.name, own.what) == (Kind.PERSON, "sam", "servers")


def test_a_limit_can_be_used_to_its_end() -> None:
    bounds = person_may(cpus=2.3, gpus=2, memory_mb=16384)
    third = replace(ASK, cpus=0.1)
    assert rules.room_for(third, None, bounds, Held(cpus=2.2, gpus=1), Held()) is None


def test_used_up_hours_leave_no_room() -> None:
    bounds = groups_may(a=Limits(gpu_hours_week=10))
    assert rules.room_for(ASK, "a", bounds, Held(), Held(gpu_hours_week=9.9)) is None
    short = rules.room_for(ASK, "a", bounds, Held(), Held(gpu_hours_week=10.0))
    assert short is not None
    assert (short.what, short.limit, short.used) == ("gpu_hours_week", 10, 10.0)


@given(
    limit=st.integers(0, 6),
    used=st.integers(0, 8),
    wanted=st.integers(1, 4),
)
def test_what_has_room_stays_within_the_limit(limit: int, used: int, wanted: int) -> None:
    request = replace(ASK, gpu_count=wanted)
    short = rules.room_for(request, None, person_may(gpus=limit), Held(gpus=used), Held())
    assert (short is None) == (used + wanted <= limit)


def test_a_session_longer_than_allowed_is_given_fewer_minutes() -> None:
    group = groups_may(a=Limits(minutes=45))
    assert rules.minutes_allowed(60, group, "a") == 45
    assert rules.minutes_allowed(30, group, "a") == 30
    assert rules.minutes_allowed(60, group, "b") == 60
    assert rules.minutes_allowed(60, NO_BOUNDS, None) == 60


def test_a_persons_own_minutes_take_the_groups_place() -> None:
    bounds = Bounds(person=Limits(minutes=90), groups={"a": Limits(minutes=45)})
    assert rules.minutes_allowed(120, bounds, "a") == 90


def test_a_home_may_hold_what_the_most_generous_group_says() -> None:
    both = groups_may(a=Limits(disk_mb=1000), b=Limits(disk_mb=3000))
    assert rules.disk_limit(both) == 3000
    assert rules.disk_limit(groups_may(a=Limits(disk_mb=1000), b=Limits())) is None
    assert rules.disk_limit(Bounds(person=Limits(disk_mb=500), groups=both.groups)) == 500
    assert rules.disk_limit(NO_BOUNDS) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("12h", datetime(2026, 3, 4, 0, 0, tzinfo=UTC)),
        ("2d", datetime(2026, 3, 2, 12, 0, tzinfo=UTC)),
        ("week", datetime(2026, 3, 2, 0, 0, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, 0, 0, tzinfo=UTC)),
        ("2026-03-01T09:30Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        (" 2026-03-01T09:30+08:00 ", datetime(2026, 3, 1, 1, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_as_people_write_it(text: str, moment: datetime, noon: datetime) -> None:
    assert rules.moment_of(text, noon) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "-3d", "2026-13-01", "3w", "99999999h"])
def test_what_names_no_moment_is_refused(text: str, noon: datetime) -> None:
    with pytest.raises(rules.BadMoment, match="names no time"):
        rules.moment_of(text, noon)


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_an_act_for_somebody_else_wants_a_reason(reason: str) -> None:
    with pytest.raises(rules.NoReason):
        rules.check_reason(reason)


def test_what_is_held_counts_active_leases(run: Callable[..., Any], noon: datetime) -> None:
    leases = [run(end=30), run("sam", start=30, gpu_count=2), run("eve", "oncology", gpu_count=0)]
    held = rules.held(leases, noon + timedelta(minutes=60))
    assert held == Held(gpus=2, cpus=4.0, memory_mb=16384, servers=2, gpu_hours_week=1.5)
