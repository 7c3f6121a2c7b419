"""Where ledger and Docker disagree, as a table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
from hub_config.spawning.spawner import _ENGINE_SECONDS

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LONG_AGO = NOW - STILL_TAKES - SECOND


@dataclass(frozen=True)
class Lease:
    id: str
    granted_at: datetime
    started_at: datetime | None = None
    ends_at: datetime = NOW + timedelta(hours=1)


def young(started: bool = False) -> Lease:
    granted = NOW - timedelta(seconds=30)
    return Lease("one", granted, granted if started else None)


def old(started: bool = False) -> Lease:
    granted = NOW - START_TAKES - SECOND
    return Lease("one", granted, granted if started else None)


def over(by: timedelta) -> Lease:
    granted = NOW - timedelta(hours=1)
    return Lease("one", granted, granted, ends_at=NOW - by)


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
    ("a slow start whose container stands", [old()], [container()], (), ()),
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


def test_the_hubs_own_time_for_a_start_and_the_engines_are_waited_for() -> None:
    text = (Path(__file__).parents[3] / "hub_config" / "jupyterhub_config.py").read_text()
    (given,) = re.findall(r"^c\.Spawner\.start_timeout = (\d+)$", text, re.MULTILINE)
    assert timedelta(seconds=int(given) + _ENGINE_SECONDS) <= START_TAKES


def test_a_container_that_only_claims_the_lease_does_not_hold_it() -> None:
    impostor = Standing("c2", "something-else", "one", running=True)
    assert compare("lab", [old()], [impostor], {}, NOW).lost == ("one",)


def test_the_other_radlab_of_the_machine_does_not_count() -> None:
    theirs = Standing("c3", container_name("other", "one"), "one", running=True)
    assert compare("lab", [old()], [theirs], {}, NOW).lost == ("one",)
