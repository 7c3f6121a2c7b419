"""The keeper's rounds over a real ledger and a stand-in for Docker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from keeper_support import wait_for
from sqlalchemy import Engine

from hub_config import clock
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.rules import Ended, Lease, LeaseRequest, container_name
from hub_config.gpus.store import DeviceStore
from hub_config.keeper.engine import EngineSilent
from hub_config.keeper.loop import Keeper, Round
from hub_config.keeper.rules import BELL_TAKES, STILL_TAKES, Standing
from hub_config.settings import Settings


class FakeContainers:
    """What stands, and what was removed; `silent` makes it an engine that does not answer."""

    def __init__(self, *standing: Standing) -> None:
        self.standing = list(standing)
        self.removed: list[str] = []
        self.silent = False
        self.stubborn: set[str] = set()

    def all(self) -> list[Standing]:
        if self.silent:
            raise EngineSilent("The Docker Engine does not answer.")
        return list(self.standing)

    def remove(self, container_id: str) -> None:
        if container_id in self.stubborn:
            raise EngineSilent("The Docker Engine does not answer.")
        self.removed.append(container_id)
        self.standing = [each for each in self.standing if each.id != container_id]


def lease_for(ledger: Ledger, name: str, started: bool = True) -> Lease:
    then = clock.now() - timedelta(minutes=2)
    request = LeaseRequest(username=name, cpus=1, memory_mb=512, minutes=60, image="base")
    lease = ledger.grant(request, then)
    if not started:
        return lease
    ledger.started(lease.id, f"c-{name}", then)
    return ledger.ready(lease.id, then)


def container_of(lease: Lease, running: bool = True) -> Standing:
    name = container_name("radlab", lease.id)
    return Standing(f"c-{lease.username}", name, lease.id, running)


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


class SettledKeeper(Keeper):
    """A keeper whose round returns when all that it found is settled."""

    def reconcile(self) -> None:
        super().reconcile()
        self.settled()


def keeper_of(settings: Settings, ledger: Ledger, engine: Engine, fake: FakeContainers) -> Keeper:
    return SettledKeeper(settings, ledger, DeviceStore(engine), fake)


def test_a_lease_whose_container_is_gone_is_released(
    settings: Settings, ledger: Ledger, engine: Engine
) -> None:
    kept, lost = lease_for(ledger, "ann"), lease_for(ledger, "bob")
    keeper_of(settings, ledger, engine, FakeContainers(container_of(kept))).reconcile()
    assert ledger.get(lost.id).why_ended is Ended.CONTAINER_GONE
    assert ledger.get(kept.id).active


def test_nothing_is_released_while_docker_does_not_answer(
    settings: Settings, ledger: Ledger, engine: Engine
) -> None:
    lease = lease_for(ledger, "ann")
    fake = FakeContainers()
    fake.silent = True
    with pytest.raises(EngineSilent):
        keeper_of(settings, ledger, engine, fake).reconcile()
    assert ledger.get(lease.id).active


def test_a_container_whose_lease_is_over_or_unknown_is_removed(
    settings: Settings, ledger: Ledger, engine: Engine
) -> None:
    over = lease_for(ledger, "ann")
    ledger.release(over.id, Ended.STOPPED, clock.now())
    unknown = Standing("c-who", "radlab-who", "0" * 32, running=True)
    fake = FakeContainers(container_of(over), unknown)
    keeper_of(settings, ledger, engine, fake).reconcile()
    assert sorted(fake.removed) == ["c-ann", "c-who"]


def test_a_container_newer_than_the_list_of_leases_is_left_alone(
    settings: Settings, ledger: Ledger, engine: Engine
) -> None:
    class Racing(FakeContainers):
        def all(self) -> list[Standing]:
            self.lease = lease_for(ledger, "late")  # granted after the leases were read
            return [container_of(self.lease)]

    fake = Racing()
    keeper_of(settings, ledger, engine, fake).reconcile()
    assert fake.removed == [] and ledger.get(fake.lease.id).active


def test_what_is_being_started_or_stopped_is_left_alone(
    settings: Settings, ledger: Ledger, engine: Engine
) -> None:
    lost, stray = lease_for(ledger, "ann"), lease_for(ledger, "bob")
    ledger.release(stray.id, Ended.STOPPED, clock.now())
    fake = FakeContainers(container_of(stray))
    keeper = keeper_of(settings, ledger, engine, fake)
    with keeper.locks.start(lost.id), keeper.locks.stop(stray.id):
        keeper.reconcile()
    assert ledger.get(lost.id).active and fake.removed == []
    keeper.reconcile()
    assert not ledger.get(lost.id).active and fake.removed == ["c-bob"]


def test_a_start_that_began_after_the_round_looked_is_left_alone(
    settings: Settings, ledger: Ledger, engine: Engine
) -> None:
    class Racing(FakeContainers):
        def all(self) -> list[Standing]:
            ledger.started(lease.id, "c-new", clock.now())  # after the leases were read
            return []

    lease = lease_for(ledger, "ann")
    keeper_of(settings, ledger, engine, Racing()).reconcile()
    assert ledger.get(lease.id).active


def test_the_dispatcher_is_told_of_each_lease_that_was_released(
    settings: Settings, ledger: Ledger, engine: Engine
) -> None:
    told: list[bool] = []
    lease_for(ledger, "ann")
    keeper = SettledKeeper(
        settings, ledger, DeviceStore(engine), FakeContainers(), freed=lambda: told.append(True)
    )
    keeper.reconcile()
    assert told == [True]


def test_a_removal_that_hangs_keeps_no_other_round_waiting(
    settings: Settings, ledger: Ledger, engine: Engine
) -> None:
    go_on = threading.Event()

    class Hanging(FakeContainers):
        def remove(self, container_id: str) -> None:
            if container_id == "c-ann":
                go_on.wait(30)
            super().remove(container_id)

    for name in ("ann", "bob"):
        ledger.release(lease_for(ledger, name).id, Ended.STOPPED, clock.now())
    fake = Hanging(*(Standing(f"c-{one.username}", f"radlab-{one.id}", one.id, True)
                     for one in ledger.history(clock.now() - timedelta(days=1))))  # fmt: skip
    keeper = Keeper(settings, ledger, DeviceStore(engine), fake)
    try:
        keeper.reconcile()
        keeper.reconcile()
        wait_for(lambda: fake.removed == ["c-bob"])
    finally:
        go_on.set()
    keeper.settled()
    assert sorted(fake.removed) == ["c-ann", "c-bob"]


def test_a_round_is_made_at_once_when_it_is_woken(
    settings: Settings, ledger: Ledger, engine: Engine
) -> None:
    wake, made = threading.Event(), threading.Semaphore(0)
    keeper = Keeper(settings, ledger, DeviceStore(engine), FakeContainers())
    woken = Round(made.release, 3600, wake)
    threading.Thread(target=keeper._repeat, args=[woken], daemon=True).start()
    assert made.acquire(timeout=20)
    wake.set()
    assert made.acquire(timeout=20)
    keeper.stop()
    wake.set()


def test_one_container_that_cannot_be_removed_does_not_stop_the_others(
    settings: Settings, ledger: Ledger, engine: Engine
) -> None:
    leases = [lease_for(ledger, name) for name in ("ann", "bob")]
    for lease in leases:
        ledger.release(lease.id, Ended.STOPPED, clock.now())
    lost = lease_for(ledger, "eve")
    fake = FakeContainers(*map(container_of, leases))
    fake.stubborn = {"c-ann"}
    keeper_of(settings, ledger, engine, fake).reconcile()
    assert fake.removed == ["c-bob"]
    assert not ledger.get(lost.id).active


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Let it be that time from now on."""
    return lambda then: monkeypatch.setattr(clock, "now", lambda: then)


def test_a_container_that_has_stopped_is_removed_and_its_lease_released(
    settings: Settings, ledger: Ledger, engine: Engine, set_clock: Callable[[datetime], None]
) -> None:
    kept, dead = lease_for(ledger, "ann"), lease_for(ledger, "bob")
    fake = FakeContainers(container_of(kept), container_of(dead, running=False))
    keeper = keeper_of(settings, ledger, engine, fake)
    keeper.reconcile()
    assert fake.removed == [] and ledger.get(dead.id).active  # whoever stops it may be about to
    set_clock(clock.now() + STILL_TAKES + timedelta(seconds=1))
    keeper.reconcile()
    assert fake.removed == ["c-bob"]
    assert ledger.get(dead.id).why_ended is Ended.CONTAINER_GONE
    assert ledger.get(kept.id).active


def test_a_session_that_nobody_ended_in_time_is_ended(
    settings: Settings, ledger: Ledger, engine: Engine, set_clock: Callable[[datetime], None]
) -> None:
    lease = lease_for(ledger, "ann")
    fake = FakeContainers(container_of(lease))
    keeper = keeper_of(settings, ledger, engine, fake)
    set_clock(lease.ends_at + BELL_TAKES)
    keeper.reconcile()
    assert fake.removed == [] and ledger.get(lease.id).active
    set_clock(lease.ends_at + BELL_TAKES + timedelta(seconds=1))
    keeper.reconcile()
    assert fake.removed == ["c-ann"]
    assert ledger.get(lease.id).why_ended is Ended.TIME_UP


def test_a_lease_stays_until_its_container_could_be_removed(
    settings: Settings, ledger: Ledger, engine: Engine, set_clock: Callable[[datetime], None]
) -> None:
    lease = lease_for(ledger, "ann")
    fake = FakeContainers(container_of(lease))
    fake.stubborn = {"c-ann"}
    keeper = keeper_of(settings, ledger, engine, fake)
    set_clock(lease.ends_at + 2 * BELL_TAKES)
    keeper.reconcile()
    assert ledger.get(lease.id).active
    fake.stubborn = set()
    keeper.reconcile()
    assert ledger.get(lease.id).why_ended is Ended.TIME_UP


def test_the_same_failure_is_logged_once_and_its_end_too(
    settings: Settings, ledger: Ledger, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeContainers()
    fake.silent = True
    keeper = keeper_of(settings, ledger, engine, fake)
    with caplog.at_level(logging.WARNING, "radlab.keeper"):
        keeper._each("reconcile", keeper.reconcile)
        keeper._each("reconcile", keeper.reconcile)
        fake.silent = False
        keeper._each("reconcile", keeper.reconcile)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_simulated_devices_are_recorded(settings: Settings, ledger: Ledger, engine: Engine) -> None:
    settings.simulate_gpus = "2x24"
    keeper_of(settings, ledger, engine, FakeContainers()).record_devices()
    assert len(DeviceStore(engine).all()) == 2
