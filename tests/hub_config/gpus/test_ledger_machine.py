"""Any order of grants, starts, ends, extensions, loans and crashes keeps the ledger's promises.

What happens next is one rule that draws an event, not a rule an event: hypothesis switches half of
the rules off in each run, and it is the whole circle (grant, start, release, grant again) that
finds what is wrong here. Leases are drawn in the order of their grants: their ids are random, and
hypothesis wants the same choices in the same order each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, delete, event, select
from sqlalchemy.orm import Session

from hub_config.db import reading, writing
from hub_config.gpus import rules
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Device, Ended, Lease, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.gpus.tables import DeviceTable, LeaseDeviceTable, LeaseTable
from hub_config.groups.store import GroupStore, GroupTable

CARDS = [Device(f"GPU-{i}", i, "Card", gb * 1024) for i, gb in enumerate((16, 24, 80))]
MINUTES = 30
MOST = 90
POOL = "the pool"

Draw = Callable[[st.SearchStrategy[Any]], Any]
people = st.sampled_from(["sam", "eve", "kim", "lee", "ann", "bob"])
group_lists = st.sampled_from([["aa"], ["aa"], ["bb"], ["bb"], ["aa", "bb"], ["bb", "aa"], []])
counts = st.sampled_from([1, 1, 1, 2, 3, 0])
reasons = st.sampled_from(Ended)
early = st.sampled_from([Ended.IDLE, Ended.RECALLED, Ended.HOURS_USED])


class Crash(BaseException):
    """The process dies: nothing of ours may catch it."""


class LedgerMachine(RuleBasedStateMachine):
    """The ledger beside a model of it: which lease holds what, which device is whose."""

    engine: Engine  # set by the test, which knows the database

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
        self.ledger, self.devices = Ledger(self.engine), DeviceStore(self.engine)
        with writing(self.engine) as session:
            for table in (LeaseDeviceTable, LeaseTable, DeviceTable, GroupTable):
                session.execute(delete(table))
        for name in ("aa", "bb"):
            GroupStore(self.engine).create(name, by="ada")
        self.devices.record(CARDS, self.now)
        self.owner: dict[str, str | None] = {}
        for card, group in zip(CARDS, ("aa", POOL, "bb"), strict=True):
            self.give(card.uuid, group)
        self.present = set(self.owner)
        self.draining: set[str] = set()
        self.lends: set[str] = set()
        self.borrows: set[str] = set()
        self.set_lending("bb", lends=True, borrows=False)
        self.set_lending("aa", lends=False, borrows=True)
        self.held: dict[str, Lease] = {}
        self.over: dict[str, Lease] = {}

    @rule(
        happens=st.sampled_from(
            ["grant"] * 5 + ["release"] * 3 + ["start"] * 2 + ["time_passes"] * 2
            + ["stop_early"] * 2 + ["let_run", "extend", "become_ready", "drain"] + ["lend"] * 2
            + ["release_again", "assign", "look_for_devices", "crash"]
        ),
        data=st.data(),
    )  # fmt: skip
    def next_event(self, happens: str, data: st.DataObject) -> None:
        getattr(self, happens)(data.draw)

    def time_passes(self, draw: Draw) -> None:
        """Forward, or a step back of the clock."""
        self.now += timedelta(minutes=draw(st.sampled_from([1, 20, MINUTES, 45, -10])))
        due = {lease.id for lease in self.ledger.due(self.now)}
        assert due == {lease.id for lease in self.held.values() if lease.until <= self.now}

    def assign(self, draw: Draw) -> None:
        card = draw(st.sampled_from(CARDS))
        self.give(card.uuid, draw(st.sampled_from(["aa", "bb", "aa", POOL, None])))
        self.devices_are_as_the_model_says()

    def drain(self, draw: Draw) -> None:
        card = draw(st.sampled_from(CARDS))
        on = draw(st.sampled_from([True, False, False]))
        before = {row.uuid: row.lease for row in self.devices.all()}
        row = self.devices.drain(card.uuid, on, "ada")
        assert row.lease == before[card.uuid], "draining ends no session"
        (self.draining.add if on else self.draining.discard)(card.uuid)
        self.devices_are_as_the_model_says()

    def lend(self, draw: Draw) -> None:
        """A group's policy changes; loans that run go on."""
        self.set_lending(
            draw(st.sampled_from(["aa", "bb"])),
            lends=draw(st.booleans()),
            borrows=draw(st.sampled_from([True, True, False])),
        )

    def look_for_devices(self, draw: Draw) -> None:
        """One card is lost, or all are back."""
        lost = draw(st.sampled_from([None, None, *CARDS]))
        self.devices.record([card for card in CARDS if card != lost], self.now)
        self.present = {card.uuid for card in CARDS if card != lost}
        self.devices_are_as_the_model_says()

    def grant(self, draw: Draw) -> None:
        request = self.request(draw)
        count, groups = request.gpu_count, request.groups
        reachable = set().union(*self.offers(groups))
        supply = self.ledger.free_for(groups, self.now, wanted=count)
        assert (supply.total, supply.free) == (len(reachable), len(reachable - self.in_use()))
        free = max((len(some - self.in_use()) for some in self.offers(groups)), default=0)
        ever = max(map(len, self.offers(groups)), default=0)
        try:
            lease = self.ledger.grant(request, self.now)
        except rules.AlreadyHeld as refused:
            assert refused.lease.id in self.held
        except rules.NoFreeGpu as refused:
            assert free < count <= ever
            assert refused.next_free_at >= self.now
        except rules.NoGpuForGroup:
            assert ever < count
        else:
            assert request.username not in {other.username for other in self.held.values()}
            assert count == 0 or free >= count
            assert len(set(lease.device_uuids)) == count
            self.is_a_fair_choice(request, lease)
            self.held[lease.id] = lease

    def is_a_fair_choice(self, request: LeaseRequest, lease: Lease) -> None:
        """What it holds was free and its group's to use, and nothing nearer would have done."""
        if not request.gpu_count:
            return
        taken = set(lease.device_uuids)
        own = [self.serving(group) - self.in_use() for group in request.groups]
        pool = self.serving(POOL) - self.in_use()
        nearer_enough = [some for some in own if len(some) >= request.gpu_count]
        if lease.lender is not None:
            assert lease.group in self.borrows
            assert lease.lender in self.lends - {lease.group}
            assert taken <= self.serving(lease.lender) - self.in_use()
            nearer_enough += [some for some in own if len(some | pool) >= request.gpu_count]
            assert not nearer_enough, "a loan where something nearer was free"
        elif taken & pool:
            assert taken <= (self.serving(lease.group) | pool) - self.in_use()
            assert not nearer_enough, "the pool where own devices were free"
        else:
            assert taken <= self.serving(lease.group) - self.in_use()

    def crash(self, draw: Draw) -> None:
        """The process dies when all is written and nothing is kept yet."""

        def die(_session: Session) -> None:
            raise Crash

        event.listen(Session, "before_commit", die)
        try:
            self.ledger.grant(self.request(draw), self.now)
        except (Crash, rules.AlreadyHeld, rules.NoFreeGpu, rules.NoGpuForGroup):
            pass
        else:
            raise AssertionError("the grant outlived the crash")
        finally:
            event.remove(Session, "before_commit", die)

    def start(self, draw: Draw) -> None:
        if not self.held:
            return
        before = self.held[draw(st.sampled_from(list(self.held)))]
        lease = self.ledger.started(before.id, "c0ffee", self.now)
        assert lease.started_at == (before.started_at or self.now)
        minutes = MINUTES + before.extended_minutes
        assert lease.ends_at == lease.started_at + timedelta(minutes=minutes)
        self.held[lease.id] = lease

    def become_ready(self, draw: Draw) -> None:
        if not self.held:
            return
        before = self.held[draw(st.sampled_from(list(self.held)))]
        lease = self.ledger.ready(before.id, self.now)
        assert lease.ready_at == (before.ready_at or max(self.now, before.granted_at))
        assert lease.started_at == (before.started_at or self.now)
        self.held[lease.id] = lease

    def extend(self, draw: Draw) -> None:
        if not self.held:
            return
        before = self.held[draw(st.sampled_from(list(self.held)))]
        minutes = draw(st.sampled_from([10, 25, 40]))
        try:
            lease = self.ledger.extend(before.id, minutes, self.now, most_minutes=MOST)
        except rules.EndsEarly:
            assert before.until_why in (Ended.RECALLED, Ended.HOURS_USED)
        except rules.LongEnough as refused:
            assert MINUTES + before.extended_minutes + minutes > MOST
            assert refused.allowed == MOST - MINUTES - before.extended_minutes
        else:
            assert lease.ends_at == before.ends_at + timedelta(minutes=minutes)
            assert MINUTES + lease.extended_minutes <= MOST
            self.held[lease.id] = lease
        assert self.ledger.get(before.id) == self.held[before.id], "nothing half done"

    def stop_early(self, draw: Draw) -> None:
        if not self.held:
            return
        before = self.held[draw(st.sampled_from(list(self.held)))]
        at = self.now + timedelta(minutes=draw(st.sampled_from([0, 5, 10, 60])))
        why = draw(early)
        lease = self.ledger.stop_early(before.id, at, why)
        kept = before.stop_at is not None and before.stop_at <= at
        assert (lease.stop_at, lease.stop_why) == (
            (before.stop_at, before.stop_why) if kept else (at, why)
        )
        assert lease.until <= before.until, "saying it again put it off"
        self.held[lease.id] = lease

    def let_run(self, draw: Draw) -> None:
        if not self.held:
            return
        before = self.held[draw(st.sampled_from(list(self.held)))]
        why = draw(early)
        lease = self.ledger.let_run(before.id, why)
        stays = before.stop_why != why
        assert (lease.stop_at, lease.stop_why) == (
            (before.stop_at, before.stop_why) if stays else (None, None)
        )
        assert lease.ends_at == before.ends_at
        self.held[lease.id] = lease

    def release(self, draw: Draw) -> None:
        if not self.held:
            return
        lease_id, why = draw(st.sampled_from(list(self.held))), draw(reasons)
        lease = self.ledger.release(lease_id, why, self.now)
        assert (lease.why_ended, lease.active) == (why, False)
        assert lease.released_at == max(self.now, lease.granted_at)
        self.over[lease_id] = lease
        del self.held[lease_id]

    def release_again(self, draw: Draw) -> None:
        if not self.over:
            return
        before = self.over[draw(st.sampled_from(list(self.over)))]
        again = self.ledger.release(before.id, draw(reasons), self.now)
        assert (again.why_ended, again.released_at) == (before.why_ended, before.released_at)
        assert self.ledger.stop_early(before.id, self.now, Ended.IDLE) == before
        assert self.ledger.let_run(before.id, Ended.IDLE) == before

    @invariant()
    def no_device_is_held_twice(self) -> None:
        with reading(self.engine) as session:
            held = session.scalars(
                select(LeaseDeviceTable.device_uuid)
                .join(LeaseTable)
                .where(LeaseTable.released_at.is_(None))
            )
            assert max(Counter(held).values(), default=0) <= 1

    @invariant()
    def the_ledger_holds_exactly_what_was_granted_and_not_released(self) -> None:
        active = {lease.id: lease.device_uuids for lease in self.ledger.active()}
        assert active == {lease.id: lease.device_uuids for lease in self.held.values()}

    @invariant()
    def history_is_every_lease_that_was_not_over_by_then(self) -> None:
        since = self.now - timedelta(minutes=MINUTES)
        ends = {lease.id: lease.released_at or since for lease in self.over.values()}
        late = {lease_id for lease_id, end in ends.items() if end > since}
        assert {lease.id for lease in self.ledger.history(since)} == late | set(self.held)
        mine = self.ledger.history(since, groups=["aa"])
        assert all(lease.group == "aa" for lease in mine)

    def devices_are_as_the_model_says(self) -> None:
        rows = self.devices.all()
        assert {r.uuid: (POOL if r.pool else r.group, r.gone, r.draining) for r in rows} == {
            uuid: (group, uuid not in self.present, uuid in self.draining)
            for uuid, group in self.owner.items()
        }
        assert {r.uuid for r in rows if r.lease} == self.in_use()

    def request(self, draw: Draw) -> LeaseRequest:
        return LeaseRequest(
            username=draw(people),
            groups=tuple(draw(group_lists)),
            gpu_count=draw(counts),
            cpus=1,
            memory_mb=1,
            minutes=MINUTES,
            image="i",
        )

    def serving(self, group: str | None) -> set[str]:
        """What this group, or the pool, has that may be granted."""
        there = self.present - self.draining
        return {uuid for uuid in there if group is not None and self.owner[uuid] == group}

    def offers(self, groups: tuple[str, ...]) -> list[set[str]]:
        """The devices of which a lease for one of `groups` may hold some together."""
        own = [self.serving(group) | self.serving(POOL) for group in groups]
        loans = [self.serving(o) for g in groups if g in self.borrows for o in self.lends - {g}]
        return own + loans

    def give(self, uuid: str, group: str | None) -> None:
        """Assign a device to a group, the pool or nobody."""
        pool = group == POOL
        self.devices.assign(uuid, None if pool else group, "ada", pool=pool)
        self.owner[uuid] = group

    def set_lending(self, group: str, *, lends: bool, borrows: bool) -> None:
        GroupStore(self.engine).set_lending(group, lends, borrows, "ada")
        (self.lends.add if lends else self.lends.discard)(group)
        (self.borrows.add if borrows else self.borrows.discard)(group)

    def in_use(self) -> set[str]:
        return {uuid for lease in self.held.values() for uuid in lease.device_uuids}


def test_no_order_of_events_breaks_a_promise(engine: Engine) -> None:
    machine: Any = type("Machine", (LedgerMachine,), {"engine": engine})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=16,
            stateful_step_count=45,
            deadline=None,
            # Shrinking a failure takes minutes; its steps are printed without it too.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
