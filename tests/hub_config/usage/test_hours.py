"""A week's GPU-hours, in leases written down as minutes after Monday 00:00 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_config.gpus.model import Ended, Lease
from hub_config.usage import hours
from hub_config.usage.model import Kind, Limits

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = 7 * 24 * 60


def at(minutes: float) -> datetime:
    return MONDAY + timedelta(minutes=minutes)


def a_lease(
    start: float | None,
    released: float | None,
    *,
    ends: float = 10 * WEEK,
    gpus: int = 1,
    username: str = "sam",
    group: str | None = "a",
    stop: tuple[float, Ended] | None = None,
) -> Lease:
    return Lease(
        id=f"{username}-{start}",
        server="local",
        username=username,
        server_name="",
        task="lab",
        group=group,
        module=None,
        module_version=None,
        image="i",
        cpus=1,
        memory_mb=1,
        gpu_count=gpus,
        minutes=60,
        granted_at=at(start or 0),
        started_at=None if start is None else at(start),
        ends_at=at(ends),
        released_at=None if released is None else at(released),
        why_ended=None,
        container_id=None,
        devices=(),
        stop_at=at(stop[0]) if stop else None,
        stop_why=stop[1] if stop else None,
    )


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (MONDAY, MONDAY),
        (at(WEEK) - timedelta(microseconds=1), MONDAY),
        (at(WEEK), at(WEEK)),
        (datetime.fromisoformat("2026-03-02T07:59:00+08:00"), at(-WEEK)),
    ],
)
def test_a_week_begins_on_monday_at_midnight_utc(now: datetime, start: datetime) -> None:
    assert hours.week_start(now) == start


@pytest.mark.parametrize(
    ("lease", "counted"),
    [
        (a_lease(60, 180), 2.0),
        (a_lease(60, 180, gpus=3), 6.0),
        (a_lease(60, 180, gpus=0), 0.0),
        (a_lease(60, None), 3.0),
        (a_lease(-120, 60), 1.0),
        (a_lease(None, None), 0.0),
        (a_lease(None, 90), 0.0),
        (a_lease(-300, -60), 0.0),
        (a_lease(300, None), 0.0),
    ],
    ids=["over", "three", "none", "active", "over Sunday", "not started", "failed", "old", "later"],
)
def test_hours_count_from_the_start_within_the_week_up_to_now(lease: Lease, counted: float) -> None:
    assert hours.gpu_hours([lease], MONDAY, at(240)) == pytest.approx(counted)


def test_hours_that_are_not_limited_never_end() -> None:
    assert hours.hours_end([a_lease(0, None)], None, at(60)) is None


def test_hours_end_when_what_runs_has_used_them_up() -> None:
    leases = [a_lease(0, 60), a_lease(60, None), a_lease(120, None, gpus=2, username="eve")]
    assert hours.hours_end(leases, 10, at(120)) == at(120 + (10 - 2) / 3 * 60)


def test_what_ends_before_uses_no_more() -> None:
    leases = [a_lease(0, None, ends=60), a_lease(0, None, username="eve")]
    assert hours.hours_end(leases, 3, at(0)) == at(120)
    assert hours.hours_end([a_lease(0, None, ends=60)], 3, at(0)) is None


def test_hours_that_are_used_up_have_ended_now() -> None:
    assert hours.hours_end([a_lease(0, None)], 1, at(90)) == at(90)
    assert hours.hours_end([], 0, at(90)) == at(90)


def test_on_monday_counting_begins_anew() -> None:
    start = WEEK - 60
    lease = a_lease(start, None, ends=WEEK + 600)
    assert hours.hours_end([lease], 2, at(start)) == at(WEEK + 120)
    assert hours.hours_end([a_lease(start, None, ends=WEEK + 60)], 2, at(start)) is None


def test_an_end_for_the_hours_themselves_does_not_move_when_they_end() -> None:
    free = a_lease(0, None, ends=600)
    end = hours.hours_end([free], 1.7, at(10))
    assert end is not None
    told = a_lease(
        0, None, ends=600, stop=((end - MONDAY) / timedelta(minutes=1), Ended.HOURS_USED)
    )
    assert hours.hours_end([told], 1.7, at(50)) == end
    idle = a_lease(0, None, ends=600, stop=(60, Ended.IDLE))
    assert hours.hours_end([idle], 1.7, at(10)) is None


def test_the_earlier_of_the_owners_and_the_groups_hours_ends_a_lease() -> None:
    sam, eve = a_lease(0, None, ends=600), a_lease(0, None, ends=600, username="eve")
    cpu = a_lease(0, None, ends=600, username="kim", gpus=0)
    limits = {
        (Kind.PERSON, "sam"): Limits(gpu_hours_week=1),
        (Kind.GROUP, "a"): Limits(gpu_hours_week=3),
        (Kind.GROUP, "b"): Limits(gpu_hours_week=0),
        (Kind.PERSON, "eve"): Limits(gpus=1),
    }
    ends = hours.hours_ends([sam, eve, cpu], limits, at(0))
    assert ends == {sam.id: at(60), eve.id: at(90)}


spans = st.lists(
    st.tuples(st.integers(0, WEEK), st.integers(1, 3000), st.integers(0, 3), st.booleans()),
    max_size=5,
)


@given(spans=spans, limit=st.integers(1, 60), now=st.integers(0, WEEK - 1))
def test_at_the_moment_that_is_told_exactly_the_limit_is_used(
    spans: list[tuple[int, int, int, bool]], limit: int, now: int
) -> None:
    leases = [
        a_lease(
            start if start <= now else None,
            min(start + length, now) if over and start <= now else None,
            ends=max(start + length, now + 1),
            gpus=gpus,
            username=f"student{index}",
        )
        for index, (start, length, gpus, over) in enumerate(spans)
    ]
    end = hours.hours_end(leases, limit, at(now))
    # What would be used, where each lease is released when it ends.
    done = [a if a.released_at else _released(a) for a in leases]
    if end is None:
        for step in (WEEK, WEEK + 3000):
            since = hours.week_start(at(step) - timedelta(seconds=1))
            used = hours.gpu_hours(done, since, at(step))
            assert step < now or used <= limit + 1e-6
    else:
        used = hours.gpu_hours(done, hours.week_start(end), end)
        assert used == pytest.approx(limit, abs=1e-6) or (end == at(now) and used >= limit)


def _released(lease: Lease) -> Lease:
    fields = vars(lease) | {"released_at": lease.ends_at}
    return Lease(**fields)
