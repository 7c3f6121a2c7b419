"""Where ledger and Docker disagree, as a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from hub_config.gpus.rules import Ended, container_name
from hub_config.keeper.rules import (
    BELL_TAKES,
    START_TAKES,
    STILL_TAKES,
    Overstay,
    Standing,
    compare,
    still_since,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LONG_AGO = NOW - STILL_TAKES - SECOND


@dataclass(frozen=True)
class Lease:
    id: str
    granted_at: datetime
    started_at: datetime | None = None
    until: datetime = NOW + timedelta(hours=1)
    until_why: Ended = Ended.TIME_UP
    ready: bool = True

    @property
    def ready_at(self) -> datetime | None:
        return self.started_at if self.ready else None


def young(started: bool = False) -> Lease:
    granted = NOW - timedelta(seconds=30)
    return Lease("one", granted, granted if started else None)


def old(started: bool = False) -> Lease:
    granted = NOW - START_TAKES - SECOND
    return Lease("one", granted, granted if started else None)


def over(by: timedelta, why: Ended = Ended.TIME_UP) -> Lease:
    granted = NOW - timedelta(hours=1)
    return Lease("one", granted, granted, until=NOW - by, until_why=why)


def unready(lease: Lease) -> Lease:
    return replace(lease, ready=False)


def container(lease_id: str = "one", running: bool = True) -> Standing:
    return Standing("c1", container_name("lab", lease_id), lease_id, running)


OTHER = Standing("c9", "lab-nine", "nine", running=True)
TABLE = [
    ("nothing at all", [], [], (), ()),
    ("a running session", [old(started=True)], [container()], (), ()),
    ("a start under way", [young()], [], (), ()),
    ("a start that never came", [old()], [], ("one",), ()),
    ("a container that died young", [young(started=True)], [], ("one",), ()),
    ("a container that died old", [old(started=True)], [], ("one",), ()),
    ("a container whose lease is over", [], [container()], (), (container(),)),
    ("both at once", [old()], [OTHER], ("one",), (OTHER,)),
]


@pytest.mark.parametrize(
    ("leases", "containers", "lost", "strays"), [t[1:] for t in TABLE], ids=[t[0] for t in TABLE]
)
def test_disagreements_are_found(
    leases: list[Lease], containers: list[Standing], lost: tuple[str], strays: tuple[Standing]
) -> None:
    found = compare("lab", leases, containers, {}, NOW)
    assert (found.lost, found.strays, found.overstays) == (lost, strays, ())


STOPPED = container(running=False)
LATE = BELL_TAKES + SECOND
ENDS = [
    ("a session that runs", old(started=True), container(), None, None),
    ("a container that is being stopped", old(started=True), STOPPED, NOW - STILL_TAKES, None),
    ("one that stopped", old(started=True), STOPPED, LONG_AGO, Ended.CONTAINER_GONE),
    ("one that stopped young", young(started=True), STOPPED, LONG_AGO, Ended.CONTAINER_GONE),
    ("one made by a start under way", young(), STOPPED, LONG_AGO, None),
    ("one made by a start that ended", old(), STOPPED, LONG_AGO, Ended.CONTAINER_GONE),
    ("time that is up while the bell rings", over(BELL_TAKES), container(), None, None),
    ("time long up", over(LATE), container(), None, Ended.TIME_UP),
    ("an early end that nobody made", over(LATE, Ended.IDLE), container(), None, Ended.IDLE),
    ("one that does not answer yet", unready(young(started=True)), container(), None, None),
    ("one nobody waited for", unready(old(started=True)), container(), None, Ended.CONTAINER_GONE),
    ("time long up, and it stopped", over(LATE), STOPPED, LONG_AGO, Ended.TIME_UP),
]


@pytest.mark.parametrize(
    ("lease", "stands", "still", "why"), [e[1:] for e in ENDS], ids=[e[0] for e in ENDS]
)
def test_a_container_that_nobody_ended_ends_with_its_lease(
    lease: Lease, stands: Standing, still: datetime | None, why: Ended | None
) -> None:
    found = compare("lab", [lease], [stands], {"c1": still} if still else {}, NOW)
    assert found.overstays == ((Overstay(stands, why),) if why else ())
    assert (found.lost, found.strays) == ((), ())


def test_a_container_is_still_since_it_was_first_seen_so() -> None:
    first = still_since({}, [STOPPED, OTHER], NOW)
    assert first == {"c1": NOW}
    assert still_since(first, [STOPPED], NOW + SECOND) == {"c1": NOW}
    assert still_since(first, [container()], NOW + SECOND) == {}
    assert still_since(first, [], NOW + SECOND) == {}


def test_a_start_has_its_time_from_when_the_keeper_could_be_asked() -> None:
    began = NOW - START_TAKES
    assert compare("lab", [old()], [], {}, NOW, since=began).lost == ()
    assert compare("lab", [old()], [], {}, NOW + SECOND, since=began).lost == ("one",)


def test_a_clock_that_was_set_back_keeps_no_lease_for_ever() -> None:
    ahead = NOW + timedelta(days=1)
    found = compare("lab", [Lease("one", ahead)], [], {}, NOW, since=NOW - timedelta(hours=1))
    assert found.lost == ("one",)
    still = {"c1": ahead}
    lease = Lease("one", NOW - timedelta(hours=1), NOW)
    ended = compare("lab", [lease], [container(running=False)], still, NOW)
    assert ended.overstays == (Overstay(container(running=False), Ended.CONTAINER_GONE),)


def test_nothing_is_said_of_what_is_being_started_or_stopped() -> None:
    found = compare("lab", [old()], [OTHER], {}, NOW, handled={"one", "nine"})
    assert (found.lost, found.strays, found.overstays) == ((), (), ())


def test_a_container_that_only_claims_the_lease_does_not_hold_it() -> None:
    impostor = Standing("c2", "something-else", "one", running=True)
    assert compare("lab", [old()], [impostor], {}, NOW).lost == ("one",)


def test_the_other_radlab_of_the_machine_does_not_count() -> None:
    theirs = Standing("c3", container_name("other", "one"), "one", running=True)
    assert compare("lab", [old()], [theirs], {}, NOW).lost == ("one",)
