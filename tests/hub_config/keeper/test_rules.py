"""Where ledger and Docker disagree, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from hub_config.keeper.rules import Standing, compare, container_name

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Lease:
    id: str
    granted_at: datetime
    started_at: datetime | None = None


def young(started: bool = False) -> Lease:
    granted = NOW - timedelta(seconds=30)
    return Lease("one", granted, granted if started else None)


def old(started: bool = False) -> Lease:
    granted = NOW - timedelta(seconds=61)
    return Lease("one", granted, granted if started else None)


def container(lease_id: str = "one") -> Standing:
    return Standing("c1", container_name("lab", lease_id), lease_id)


OTHER = Standing("c9", "lab-nine", "nine")
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
    found = compare("lab", leases, containers, NOW)
    assert (found.lost, found.strays) == (lost, strays)


def test_a_container_that_only_claims_the_lease_does_not_hold_it() -> None:
    impostor = Standing("c2", "something-else", "one")
    assert compare("lab", [old()], [impostor], NOW).lost == ("one",)


def test_the_other_radlab_of_the_machine_does_not_count() -> None:
    theirs = Standing("c3", container_name("other", "one"), "one")
    assert compare("lab", [old()], [theirs], NOW).lost == ("one",)
