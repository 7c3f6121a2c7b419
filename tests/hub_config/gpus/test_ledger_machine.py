"""Any order of grants, starts, releases, assignments and crashes keeps the ledger's promises."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, delete, event, select
from sqlalchemy.orm import Session

from hub_config.db import reading, writing
from hub_config.gpus import rules
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Device, Ended, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.gpus.tables import DeviceTable, LeaseDeviceTable, LeaseTable
from hub_config.groups.store import GroupStore, GroupTable

CARDS = [Device(f"GPU-{i}", i, "Card", gb * 1024) for i, gb in enumerate((16, 24, 80))]
people = st.sampled_from(["sam", "eve", "kim", "lee"])
counts = st.integers(0, 3)


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
        self.owner: dict[str, str | None] = dict.fromkeys((c.uuid for c in CARDS), None)
        self.present = set(self.owner)
        self.held: dict[str, set[str]] = {}
        self.ends: dict[str, datetime] = {}
        self.over: dict[str, Ended] = {}

    groups = st.lists(st.sampled_from(["aa", "bb"]), unique=True, max_size=2)

    def _request(self, username: str, groups: list[str], count: int) -> LeaseRequest:
        return LeaseRequest(
            username=username, groups=tuple(groups), gpu_count=count, cpus=1, memory_mb=1,
            minutes=30, image="i",
        )  # fmt: skip

    @rule(minutes=st.integers(-20, 45))
    def time_passes_or_steps_back(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(card=st.sampled_from(CARDS), group=st.sampled_from(["aa", "bb", None]))
    def assign(self, card: Device, group: str | None) -> None:
        self.devices.assign(card.uuid, group, "ada")
        self.owner[card.uuid] = group

    @rule(cards=st.lists(st.sampled_from(CARDS), unique=True))
    def look_for_devices(self, cards: list[Device]) -> None:
        self.devices.record(cards, self.now)
        self.present = {card.uuid for card in cards}

    @rule(username=people, groups=groups, count=counts)
    def grant(self, username: str, groups: list[str], count: int) -> None:
        possible = max((len(self._serving(g) - self._in_use()) for g in groups), default=0)
        try:
            lease = self.ledger.grant(self._request(username, groups, count), self.now)
        except rules.AlreadyHeld as refused:
            assert refused.lease.id in self.held
        except rules.NoFreeGpu as refused:
            assert possible < count <= max(len(self._serving(g)) for g in groups)
            assert refused.next_free_at >= self.now
        except rules.NoGpuForGroup:
            assert count > max((len(self._serving(g)) for g in groups), default=0)
        else:
            assert count == 0 or possible >= count
            assert len(lease.devices) == count
            assert all(self.owner[uuid] == lease.group for uuid in lease.device_uuids)
            assert not set(lease.device_uuids) & self._in_use()
            self.held[lease.id] = set(lease.device_uuids)
            self.ends[lease.id] = lease.ends_at

    @rule(username=people, groups=groups, count=counts)
    def crash_before_the_grant_is_kept(self, username: str, groups: list[str], count: int) -> None:
        def die(_session: Session) -> None:
            raise Crash

        event.listen(Session, "before_commit", die)
        try:
            self.ledger.grant(self._request(username, groups, count), self.now)
        except (Crash, rules.AlreadyHeld, rules.NoFreeGpu, rules.NoGpuForGroup):
            pass
        else:
            raise AssertionError("the grant outlived the crash")
        finally:
            event.remove(Session, "before_commit", die)

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        if self.held:
            lease_id = data.draw(st.sampled_from(sorted(self.held)))
            first = self.ledger.get(lease_id).started_at is None
            lease = self.ledger.started(lease_id, "c0ffee", self.now)
            if first:
                assert lease.ends_at == self.now + timedelta(minutes=30)
                self.ends[lease_id] = lease.ends_at
            assert lease.ends_at == self.ends[lease_id]

    @rule(data=st.data(), why=st.sampled_from(Ended))
    def release(self, data: st.DataObject, why: Ended) -> None:
        if self.held or self.over:
            lease_id = data.draw(st.sampled_from(sorted(self.held) + sorted(self.over)))
            lease = self.ledger.release(lease_id, why, self.now)
            assert lease.why_ended == self.over.setdefault(lease_id, why)
            self.held.pop(lease_id, None)
            self.ends.pop(lease_id, None)

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
        active = {lease.id: set(lease.device_uuids) for lease in self.ledger.active()}
        assert active == self.held
        rows = self.devices.all()
        assert {r.uuid: (r.group, r.gone) for r in rows} == {
            uuid: (group, uuid not in self.present) for uuid, group in self.owner.items()
        }
        assert {r.uuid for r in rows if r.lease} == self._in_use()

    @invariant()
    def what_is_due_is_what_is_past_its_end(self) -> None:
        due = {lease.id for lease in self.ledger.due(self.now)}
        assert due == {lease_id for lease_id, end in self.ends.items() if end <= self.now}

    def _serving(self, group: str) -> set[str]:
        return {uuid for uuid in self.present if self.owner[uuid] == group}

    def _in_use(self) -> set[str]:
        return set().union(*self.held.values())


def test_no_order_of_events_breaks_a_promise(engine: Engine) -> None:
    machine: Any = type("Machine", (LedgerMachine,), {"engine": engine})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
