"""Any order of grants, starts, releases, assignments and crashes keeps the ledger's promises.

What happens next is one rule that draws an event, not a rule an event: hypothesis switches half of
the rules off in each run, and it is the whole circle (grant, start, release, grant again) that
finds what is wrong here.
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

Draw = Callable[[st.SearchStrategy[Any]], Any]
people = st.sampled_from(["sam", "eve", "kim", "lee", "ann", "bob"])
group_lists = st.sampled_from([["aa"], ["aa"], ["bb"], ["aa", "bb"], ["bb", "aa"], []])
counts = st.sampled_from([1, 1, 1, 2, 3, 0])
reasons = st.sampled_from(Ended)


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
        for card, group in zip(CARDS, ("aa", "aa", "bb"), strict=True):
            self.devices.assign(card.uuid, group, "ada")
            self.owner[card.uuid] = group
        self.present = set(self.owner)
        self.held: dict[str, Lease] = {}
        self.over: dict[str, Lease] = {}

    @rule(
        happens=st.sampled_from(
            ["grant"] * 5 + ["release"] * 3 + ["start"] * 2 + ["time_passes"] * 2
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
        assert due == {lease.id for lease in self.held.values() if lease.ends_at <= self.now}

    def assign(self, draw: Draw) -> None:
        card = draw(st.sampled_from(CARDS))
        group = draw(st.sampled_from(["aa", "bb", "aa", None]))
        self.devices.assign(card.uuid, group, "ada")
        self.owner[card.uuid] = group
        self.devices_are_as_the_model_says()

    def look_for_devices(self, draw: Draw) -> None:
        """One card is lost, or all are back."""
        lost = draw(st.sampled_from([None, None, *CARDS]))
        self.devices.record([card for card in CARDS if card != lost], self.now)
        self.present = {card.uuid for card in CARDS if card != lost}
        self.devices_are_as_the_model_says()

    def grant(self, draw: Draw) -> None:
        request = self.request(draw)
        count, groups = request.gpu_count, request.groups
        free = max((len(self.serving(g) - self.in_use()) for g in groups), default=0)
        ever = max((len(self.serving(g)) for g in groups), default=0)
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
            assert set(lease.device_uuids) <= self.serving(lease.group) - self.in_use()
            self.held[lease.id] = lease

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
        before = self.held[draw(st.sampled_from(sorted(self.held)))]
        lease = self.ledger.started(before.id, "c0ffee", self.now)
        assert lease.started_at == (before.started_at or self.now)
        assert lease.ends_at == lease.started_at + timedelta(minutes=MINUTES)
        self.held[lease.id] = lease

    def release(self, draw: Draw) -> None:
        if not self.held:
            return
        lease_id, why = draw(st.sampled_from(sorted(self.held))), draw(reasons)
        lease = self.ledger.release(lease_id, why, self.now)
        assert (lease.why_ended, lease.active) == (why, False)
        assert lease.released_at == max(self.now, lease.granted_at)
        self.over[lease_id] = lease
        del self.held[lease_id]

    def release_again(self, draw: Draw) -> None:
        if not self.over:
            return
        before = self.over[draw(st.sampled_from(sorted(self.over)))]
        again = self.ledger.release(before.id, draw(reasons), self.now)
        assert (again.why_ended, again.released_at) == (before.why_ended, before.released_at)

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

    def devices_are_as_the_model_says(self) -> None:
        rows = self.devices.all()
        assert {r.uuid: (r.group, r.gone) for r in rows} == {
            uuid: (group, uuid not in self.present) for uuid, group in self.owner.items()
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
        return {uuid for uuid in self.present if self.owner[uuid] == group}

    def in_use(self) -> set[str]:
        return {uuid for lease in self.held.values() for uuid in lease.device_uuids}


def test_no_order_of_events_breaks_a_promise(engine: Engine) -> None:
    machine: Any = type("Machine", (LedgerMachine,), {"engine": engine})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=14,
            stateful_step_count=40,
            deadline=None,
            # Shrinking a failure takes minutes; its steps are printed without it too.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
