"""How many places start at once, and when none does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hub_config import clock
from hub_config.db import migrate, open_database
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.rules import Ended, Lease, LeaseRequest
from hub_config.keeper.dispatcher import Dispatcher, Pace, starts_free
from hub_config.network.walls import WallsDown
from hub_config.queueing.model import State
from hub_config.queueing.rules import LONG_START
from hub_config.queueing.store import QueueStore
from hub_config.settings import Settings

NOW = datetime.fromisoformat("2026-03-02T09:00:00+00:00")


def lease(granted_at: datetime, ready: bool = False) -> Lease:
    return Lease(
        id="abc", server="local", username="mei", server_name="", task="lab", group=None,
        module=None, module_version=None, image="tiny", cpus=1, memory_mb=256, gpu_count=0,
        minutes=45, granted_at=granted_at, started_at=None, ends_at=granted_at, released_at=None,
        why_ended=None, container_id=None, devices=(), ready_at=granted_at if ready else None,
    )  # fmt: skip


@dataclass
class Given:
    id: str
    lease_id: str | None


class FakeLine:
    """A queue that notes how many starts it was offered."""

    starts_at_once = 4

    def __init__(self, waiting: int = 1) -> None:
        self.waiting = waiting
        self.offered: list[tuple[int, float | None]] = []

    def open(self) -> list[object]:
        return [object()] * self.waiting

    def dispatch(
        self, now: datetime, starts_free: int, *, seconds_a_start: float | None
    ) -> list[Given]:
        self.offered.append((starts_free, seconds_a_start))
        return [Given("p", "l")] if starts_free else []


class FakeLeases:
    def __init__(self, *active: Lease) -> None:
        self._active = list(active)

    def active(self) -> list[Lease]:
        return self._active


def test_starts_are_rationed_until_they_answer() -> None:
    young, ready = lease(NOW), lease(NOW, ready=True)
    assert starts_free(4, [], NOW) == 4
    assert starts_free(4, [young, ready, young], NOW) == 2
    assert starts_free(4, [young] * 9, NOW) == 0


def test_a_start_that_takes_unusually_long_keeps_nobody_waiting() -> None:
    long = lease(NOW - LONG_START)
    assert starts_free(1, [long], NOW) == 1
    assert starts_free(1, [replace(long, granted_at=NOW - LONG_START / 2)], NOW) == 0


def test_where_every_start_is_slow_none_is_unusual() -> None:
    slow = lease(NOW - 2 * LONG_START)
    usual = LONG_START.total_seconds()
    assert starts_free(1, [slow], NOW, seconds_a_start=usual) == 0
    assert starts_free(1, [slow], NOW, seconds_a_start=usual / 2) == 1


def test_nothing_is_granted_while_something_is_required_that_is_not_there() -> None:
    def down() -> None:
        raise WallsDown("No container can be started.")

    line = FakeLine()
    dispatcher = Dispatcher(line, FakeLeases(), Pace(), [lambda: None, down])
    with pytest.raises(WallsDown):
        dispatcher.round()
    assert line.offered == [(0, None)]  # it is looked at all the same: lost places wait again


def test_the_queue_is_told_how_long_a_start_takes_here() -> None:
    line, pace = FakeLine(), Pace()
    pace.took(4.0)
    pace.took(6.0)
    Dispatcher(line, FakeLeases(), pace).round()
    assert line.offered == [(4, 5.0)]


def test_where_nobody_waits_nothing_is_written() -> None:
    line = FakeLine(waiting=0)
    Dispatcher(line, FakeLeases(), Pace()).round()
    assert line.offered == []


@pytest.fixture
def queue(tmp_path: Path) -> QueueStore:
    settings = Settings(state=str(tmp_path), starts_at_once=2)
    database = open_database(settings.radlab_database_url)
    migrate(database)
    return QueueStore(database, settings)


def enter(queue: QueueStore, name: str) -> str:
    request = LeaseRequest(username=name, cpus=0.1, memory_mb=64, minutes=30, image="tiny")
    return queue.enter(name, "", (), request, {}, name, clock.now()).id


def test_a_class_starts_a_few_at_a_time_and_all_of_it(queue: QueueStore) -> None:
    ledger = Ledger(queue.engine)
    places = [enter(queue, f"s{n}") for n in range(5)]
    dispatcher = Dispatcher(queue, ledger, Pace())
    seen = []
    for _ in places:
        dispatcher.round()
        under_way = [one for one in ledger.active() if one.ready_at is None]
        seen.append(len(under_way))
        if under_way:
            ledger.ready(under_way[0].id, clock.now())
            queue.arrived(under_way[0].id, clock.now())
    dispatcher.round()
    assert max(seen) == 2
    assert len(ledger.active()) == 5
    assert len(queue.open()) == sum(one.ready_at is None for one in ledger.active())


def test_a_place_whose_lease_was_lost_waits_again_and_starts(queue: QueueStore) -> None:
    ledger = Ledger(queue.engine)
    place = enter(queue, "mei")
    dispatcher = Dispatcher(queue, ledger, Pace())
    dispatcher.round()
    (first,) = ledger.active()
    ledger.release(first.id, Ended.CONTAINER_GONE, clock.now() + timedelta(seconds=1))
    dispatcher.round()
    again = queue.get(place)
    assert again.state is State.STARTING and again.lease_id != first.id
