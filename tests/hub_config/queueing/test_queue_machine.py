"""Any order of events keeps the queue's promises: two groups, a pool, loans, limits, lost starts.

What happens next is one rule that draws an event, as in the ledger's machine. Beside the store
stands a model of the order alone; who may start, and whether it delayed anybody, is judged from
the leases, by a rule that is far simpler than the plan. Ids decide between those of one moment, and
hypothesis wants the same choices in the same order each time: every story has the same ids.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, delete

from hub_config.db import Base, reading, writing
from hub_config.errors import RadLabError
from hub_config.gpus.model import Ended, Lease
from hub_config.queueing import reading as scenes
from hub_config.queueing.model import Place, Reason, State
from hub_config.queueing.plan import Planner, Turn
from hub_config.settings import Settings
from hub_config.usage.model import Kind, Limits
from tests.hub_config.queueing.story import GB, Site

Draw = Callable[[st.SearchStrategy[Any]], Any]
people = st.sampled_from(["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal", "ida"])
groups = st.sampled_from([("aa",)] * 4 + [("bb",)] * 4 + [("aa", "bb"), ()])
counts = st.sampled_from([0] + [1] * 4 + [2] * 3)
memories = st.sampled_from([0, 0, 24 * GB, 80 * GB])
minutes = st.sampled_from([5, 20, 60, 120])
MOST_OF_BB = 2
EVENTS = (
    ["enter"] * 8 + ["dispatch"] * 6 + ["arrive"] * 3 + ["stop"] * 2 + ["time_passes"] * 2
    + ["leave", "fail", "move_up", "drain"]
)  # fmt: skip
WAITS_FOR_OTHERS = (Reason.QUOTA_GROUP, Reason.QUOTA_PERSON, Reason.ENDING)


class QueueMachine(RuleBasedStateMachine):
    """The queue beside a model of its order."""

    engine: Engine  # set by the test, which knows the database
    settings: Settings
    numbers: random.Random  # all ids are made of these

    def __init__(self) -> None:
        super().__init__()
        self.numbers.seed(1)
        with writing(self.engine) as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(delete(table))
        self.site = Site(self.engine, self.settings)
        self.site.cards("aa", "aa", "bb", gb=(24, 80, 24, 16), pool=1)
        self.site.groups.set_lending("aa", True, False, "ada")
        self.site.groups.set_lending("bb", False, True, "ada")
        self.site.quotas.set(Kind.GROUP, "bb", Limits(gpus=MOST_OF_BB), "ada")
        self.site.quotas.set(Kind.PERSON, "gus", Limits(gpu_hours_week=3), "ada")
        # Something to wait for from the first event on: two cards of aa are wanted, one is free.
        self.site.run("ann", minutes=60)
        self.site.run("ida", groups=("bb",), gpu_memory_mb=24 * GB)
        self.order = [self.site.enter("hal", gpu_count=2, gpu_memory_mb=24 * GB).id]

    @rule(happens=st.sampled_from(EVENTS), data=st.data())
    def next_event(self, happens: str, data: st.DataObject) -> None:
        getattr(self, happens)(data.draw)

    def enter(self, draw: Draw) -> None:
        name = draw(people)
        before = {place.id: place for place in self.site.queue.open()}
        try:
            place = self.site.enter(
                name,
                groups=draw(groups),
                gpu_count=draw(counts),
                gpu_memory_mb=draw(memories),
                minutes=draw(minutes),
            )
        except RadLabError:
            assert {place.id: place for place in self.site.queue.open()} == before
        else:
            if place.id not in before:
                self.order.insert(self.place_in_order(place), place.id)
            elif place.rank_at != before[place.id].rank_at:
                # Who entered without a GPU and now wants one has their hours counted.
                assert place.rank_at > before[place.id].rank_at
                assert not before[place.id].request.gpu_count and place.request.gpu_count
                self.order.remove(place.id)
                self.order.insert(self.place_in_order(place), place.id)

    def place_in_order(self, place: Place) -> int:
        """How many of those in line rank before a newcomer."""
        ranks = {each.id: each.rank_at for each in self.site.queue.open()}
        return sum(ranks[each] < place.rank_at for each in self.order)

    def leave(self, draw: Draw) -> None:
        places = self.site.queue.open()
        if places:
            place = draw(st.sampled_from(places))
            self.site.queue.leave(place.id, place.username, self.site.now)

    def move_up(self, draw: Draw) -> None:
        waiting = [p for p in self.site.queue.open() if p.state is State.WAITING]
        if waiting:
            place = draw(st.sampled_from(waiting))
            self.site.queue.move_up(place.id, "ada")
            # Those that start keep their places, which they need where their lease is lost.
            ids = {each.id for each in waiting}
            slots = [i for i, each in enumerate(self.order) if each in ids]
            ahead = [self.order[i] for i in slots if self.order[i] != place.id]
            for slot, each in zip(slots, [place.id, *ahead], strict=True):
                self.order[slot] = each

    def arrive(self, draw: Draw) -> None:
        starting = [place for place in self.site.queue.open() if place.lease_id]
        active = {lease.id for lease in self.site.ledger.active()}
        ids = [place.lease_id for place in starting if place.lease_id in active]
        if ids:
            self.site.arrive(draw(st.sampled_from(ids)))

    def stop(self, draw: Draw) -> None:
        self.end(draw, Ended.STOPPED)

    def fail(self, draw: Draw) -> None:
        self.end(draw, Ended.FAILED_START)

    def end(self, draw: Draw, why: Ended) -> None:
        leases = self.site.ledger.active()
        if leases:
            self.site.ledger.release(draw(st.sampled_from(leases)).id, why, self.site.now)

    def drain(self, draw: Draw) -> None:
        self.site.devices.drain(draw(st.sampled_from("0123")), draw(st.booleans()), "ada")

    def time_passes(self, draw: Draw) -> None:
        """Forward, or a step back of the clock; what is due is gone then, or overstays."""
        self.site.later(draw(st.sampled_from([1, 1, 5, 11, 30, -15])))
        if draw(st.booleans()):
            for lease in self.site.ledger.due(self.site.now):
                self.site.ledger.release(lease.id, Ended.TIME_UP, self.site.now)

    def dispatch(self, draw: Draw) -> None:
        free = draw(st.sampled_from([1, 2, 9, 9]))
        self.site.dispatch(0)  # what is lost is taken back: the plan is made of what waits then
        promised = self.plan()
        before = {lease.id for lease in self.site.ledger.active()}
        started = self.site.queue.dispatch(self.site.now, free)
        assert len(started) <= free
        leases = {x.id: x for x in self.site.ledger.active() if x.id not in before}
        assert {place.lease_id for place in started} == set(leases)
        for place in started:
            self.delayed_nobody(place, promised)
        for lease in leases.values():
            assert lease.minutes <= 120
            self.was_nobodys(lease)

    def plan(self) -> dict[str, Turn]:
        history = self.site.queue._history(self.site.now)
        with reading(self.engine) as session:
            seen = scenes.scene(session, self.site.now, history)
        return {turn.place.id: turn for turn in Planner(seen).run()}

    def delayed_nobody(self, started: Place, promised: dict[str, Turn]) -> None:
        """Nobody who was before it can start later now than they were promised."""
        for place in self.before(started):
            turn = promised[place.id]
            if place.request.gpu_count == 0:
                told = next(x for x in self.site.queue.board(self.site.now) if x.place == place)
                assert told.outlook.reason in WAITS_FOR_OTHERS
            elif turn.at is not None and not turn.now:
                assert self.first_possible(place) <= turn.at

    def before(self, started: Place) -> list[Place]:
        waiting = {p.id: p for p in self.site.queue.open() if p.state is State.WAITING}
        ahead = self.order[: self.order.index(started.id)]
        return [waiting[each] for each in ahead if each in waiting]

    def first_possible(self, place: Place) -> datetime:
        """When the cards that it could use are free, by what runs, were it alone in line."""
        own = [self.first_of(place, {group, None}) for group in place.request.groups]
        lent = [self.first_of(place, {"aa"}) for group in place.request.groups if group == "bb"]
        known = [at for at in own if at is not None] or [at for at in lent if at is not None]
        return min(known)

    def first_of(self, place: Place, owners: set[str | None]) -> datetime | None:
        """When enough cards of these owners (None: of the pool) are free; None: never."""
        history, now, request = (
            self.site.queue._history(self.site.now),
            self.site.now,
            place.request,
        )
        ends = sorted(
            history.end(row.lease, now) if row.lease else now
            for row in self.site.devices.all()
            if row.usable
            and (None if row.pool else row.group or "nobody") in owners
            and row.memory_mb >= 0.9 * request.gpu_memory_mb
        )
        return ends[request.gpu_count - 1] if len(ends) >= request.gpu_count else None

    def was_nobodys(self, lease: Lease) -> None:
        """A card on loan is none that a member of its group waits for, who needs one like it.

        It may be lent for the time that nobody could use it in before a promise of it.
        """
        if lease.lender is None:
            return
        for each in self.site.queue.board(self.site.now):
            request = each.place.request
            serves = min(d.memory_mb for d in lease.devices) >= 0.9 * request.gpu_memory_mb
            if each.place.state is State.WAITING and request.groups == (lease.lender,):
                waits = each.outlook.reason in (*WAITS_FOR_OTHERS, Reason.STARTS)
                expected = each.outlook.expected_at
                fills_a_gap = expected is not None and lease.until <= expected
                assert waits or fills_a_gap or request.gpu_count != 1 or not serves

    @invariant()
    def no_card_is_held_twice(self) -> None:
        held = Counter(u for lease in self.site.ledger.active() for u in lease.device_uuids)
        assert max(held.values(), default=0) <= 1

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        held = [lease for lease in self.site.ledger.active() if lease.group == "bb"]
        assert sum(lease.gpu_count for lease in held) <= MOST_OF_BB

    @invariant()
    def the_order_is_the_models(self) -> None:
        places = [place.id for place in self.site.queue.open()]
        self.order = [each for each in self.order if each in set(places)]
        waiting = {p.id for p in self.site.queue.open() if p.state is State.WAITING}
        mine = [each for each in self.order if each in waiting]
        assert [each for each in places if each in waiting] == mine

    @invariant()
    def everybody_is_told_where_they_stand(self) -> None:
        board = self.site.queue.board(self.site.now)
        waiting = [x.outlook for x in board if x.place.state is State.WAITING]
        assert [told.position for told in waiting] == list(range(1, len(waiting) + 1))
        for told in waiting:
            assert told.waiting == len(waiting)
            assert told.expected_at is None or told.expected_at >= self.site.now

    @invariant()
    def an_open_place_has_a_lease_exactly_while_it_starts(self) -> None:
        for place in self.site.queue.open():
            assert (place.state is State.STARTING) == (place.lease_id is not None)

    def teardown(self) -> None:
        """Once everybody stops in turn and no card drains, all who wait are served."""
        for index in "0123":
            self.site.devices.drain(index, False, "ada")
        for _ in range(40):
            if not self.site.queue.open():
                return
            for lease in self.site.ledger.active():
                self.site.ledger.release(lease.id, Ended.STOPPED, self.site.now)
            self.site.later(60 * 24)
            self.site.start_all()
        left = [place.request for place in self.site.queue.open()]
        raise AssertionError(f"these were never served: {left}")


def test_no_order_of_events_breaks_a_promise(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = random.Random()
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=numbers.getrandbits(128)))
    facts = {"engine": engine, "settings": settings, "numbers": numbers}
    machine: Any = type("Machine", (QueueMachine,), facts)
    run_state_machine_as_test(
        machine,
        settings=how(
            max_examples=12,
            stateful_step_count=30,
            deadline=None,
            # Shrinking a failure takes minutes; its steps are printed without it too.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
