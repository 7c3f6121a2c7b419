"""Sessions that end early: idle ones, and those without GPU hours; and how that is taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from hub_config import clock
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended, Lease, LeaseRequest
from hub_config.keeper.culling import Culler, Run, Stop, judge_hours, judge_idle, last_use
from hub_config.settings import Settings
from hub_config.usage.model import LeaseUsage, Sample
from hub_config.usage.store import UsageStore

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
IDLE_AFTER, GRACE, WARNING = timedelta(minutes=30), timedelta(minutes=10), timedelta(minutes=10)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def lease(**changes: object) -> Lease:
    """A session of two hours that was ready at noon."""
    made = Lease(
        id="l",
        server="local",
        username="ann",
        server_name="",
        task="lab",
        group=None,
        module=None,
        module_version=None,
        image="base",
        cpus=1,
        memory_mb=512,
        gpu_count=0,
        minutes=120,
        granted_at=NOON - minutes(1),
        started_at=NOON - minutes(1),
        ends_at=NOON + minutes(120),
        released_at=None,
        why_ended=None,
        container_id="c",
        devices=(),
        ready_at=NOON,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def usage(busy: datetime | None, seen: datetime | None) -> LeaseUsage:
    return LeaseUsage(lease_id="l", busy_at=busy, sampled_at=seen)


def judged(after: float, busy: float | None, *, seen: float = 0, **changes: object) -> object:
    """What is said `after` minutes, last used at minute `busy`, looked at `seen` minutes ago."""
    now = NOON + minutes(after)
    used = usage(None if busy is None else NOON + minutes(busy), now - minutes(seen))
    return judge_idle(lease(**changes), used, now, IDLE_AFTER, GRACE)


TOLD = {"stop_at": NOON + minutes(40), "stop_why": Ended.IDLE}


@pytest.mark.parametrize(
    ("after", "busy", "told", "expected"),
    [
        (29, None, {}, None),
        (30, None, {}, Stop("l", NOON + minutes(40), Ended.IDLE)),
        (30, 1, {}, None),
        (31, 1, {}, Stop("l", NOON + minutes(41), Ended.IDLE)),
        (38, None, TOLD, None),
        (38, 37, TOLD, Run("l", Ended.IDLE)),
        (30, None, {"ready_at": None}, None),
        (100, 0, {"ends_at": NOON + minutes(105)}, None),
        (60, 0, {"stop_at": NOON + minutes(65), "stop_why": Ended.RECALLED}, None),
    ],
)
def test_when_a_session_is_idle(
    after: float, busy: float | None, told: dict[str, object], expected: object
) -> None:
    assert judged(after, busy, **told) == expected


def test_what_nobody_looked_at_is_not_known_to_be_idle() -> None:
    assert judged(60, 0, seen=3) is None
    assert judge_idle(lease(), None, NOON + minutes(60), IDLE_AFTER, GRACE) is None


def test_nothing_is_idle_where_a_site_wants_it_so() -> None:
    now, never = NOON + minutes(600), timedelta(0)
    session = lease(ends_at=NOON + minutes(900))
    assert judge_idle(session, usage(NOON, now), now, never, GRACE) is None
    told = replace(session, stop_at=now + minutes(5), stop_why=Ended.IDLE)
    assert judge_idle(told, usage(NOON, now), now, never, GRACE) == Run("l", Ended.IDLE)


@given(busy=st.integers(0, 200), now=st.integers(0, 300), grace=st.integers(1, 60))
def test_nobody_is_ended_sooner_than_the_grace_after_the_last_warning(
    busy: int, now: int, grace: int
) -> None:
    moment = NOON + minutes(now)
    session = lease(ends_at=NOON + minutes(1000))
    used = usage(NOON + minutes(min(busy, now)), moment)
    found = judge_idle(session, used, moment, IDLE_AFTER, minutes(grace))
    if isinstance(found, Stop):
        assert found.at - moment == minutes(grace)
        assert moment - last_use(session, used) >= IDLE_AFTER
    else:
        assert moment - last_use(session, used) < IDLE_AFTER


HOURS = {"stop_at": NOON + minutes(60), "stop_why": Ended.HOURS_USED}


@pytest.mark.parametrize(
    ("runs_out", "told", "expected"),
    [
        (None, {}, None),
        (90, {}, None),
        (58, {}, Stop("l", NOON + minutes(60), Ended.HOURS_USED)),
        (20, {}, Stop("l", NOON + minutes(60), Ended.HOURS_USED)),
        (58, HOURS, None),
        (20, HOURS, None),
        (90, HOURS, Run("l", Ended.HOURS_USED)),
        (None, HOURS, Run("l", Ended.HOURS_USED)),
        (130, HOURS, Run("l", Ended.HOURS_USED)),
        (20, {"ends_at": NOON + minutes(55)}, None),
    ],
)
def test_when_the_hours_of_the_week_end_a_session(
    runs_out: float | None, told: dict[str, object], expected: object
) -> None:
    now = NOON + minutes(50)
    moment = None if runs_out is None else NOON + minutes(runs_out)
    assert judge_hours(lease(**told), moment, now, WARNING) == expected


# The round


class Site:
    """A running session, a culler, and a clock that a test moves."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.ledger, self.usage = Ledger(engine), UsageStore(engine)
        self.runs_out: dict[str, datetime] = {}
        self.now = NOON
        request = LeaseRequest(username="ann", cpus=1, memory_mb=512, minutes=120, image="base")
        self.id = self.ledger.grant(request, NOON).id
        self.ledger.started(self.id, "c", NOON)
        self.ledger.ready(self.id, NOON)
        self.culler = Culler(settings, self.ledger, self.usage, lambda now: self.runs_out)

    def round_at(self, after: float, *, busy: bool = False) -> Lease:
        self.now = NOON + minutes(after)
        self.usage.sample([Sample(lease_id=self.id, cpu=0, memory_mb=100)], self.now)
        if busy:
            self.usage.busy(self.id, self.now)
        self.culler.round()
        return self.ledger.get(self.id)


@pytest.fixture
def make_site(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Site]:
    def make() -> Site:
        site = Site(engine, settings)
        monkeypatch.setattr(clock, "now", lambda: site.now)
        return site

    return make


def test_an_idle_session_is_told_its_end_and_real_use_takes_it_back(
    make_site: Callable[[], Site],
) -> None:
    site = make_site()
    assert site.round_at(29).stop_at is None
    told = site.round_at(30)
    assert (told.stop_at, told.stop_why) == (NOON + minutes(40), Ended.IDLE)
    assert site.round_at(35).stop_at == NOON + minutes(40)
    back = site.round_at(36, busy=True)
    assert (back.stop_at, back.stop_why, back.until) == (None, None, back.ends_at)
    assert site.round_at(66).stop_at == NOON + minutes(76)


def test_hours_that_run_out_end_a_session_and_more_hours_let_it_run(
    make_site: Callable[[], Site],
) -> None:
    site = make_site()
    site.runs_out = {site.id: NOON + minutes(28)}
    assert site.round_at(10, busy=True).stop_at is None
    told = site.round_at(20, busy=True)
    assert (told.stop_at, told.stop_why) == (NOON + minutes(30), Ended.HOURS_USED)
    site.runs_out = {}
    assert site.round_at(21, busy=True).stop_at is None


def test_a_site_without_the_rule_ends_nobody(
    make_site: Callable[[], Site], settings: Settings
) -> None:
    settings.idle_minutes = 0
    assert make_site().round_at(100).stop_at is None
