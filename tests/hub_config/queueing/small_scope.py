"""Every order of events of a small RadLab: few students, two cards, and a crash at every point.

The world is the database and what runs in Docker. An event is one step of one process: a student
enters or leaves, the keeper dispatches, creates a container, notes that it answers, closes the
place, sees it gone, releases the lease. A process that is killed has done some of these and not the
next, so every crash between two steps is an order in which the next does not come; a crash within a
step is tried at its commit, and must leave the database as it was. Worlds that differ in nothing
but names are one state; the search ends when no event leads to a new one.

`search` raises AssertionError with the events that led to what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from hub_config import db
from hub_config.db import Base
from hub_config.gpus.model import Ended
from hub_config.queueing.model import OPEN, State
from hub_config.queueing.rules import ATTEMPTS
from hub_config.settings import Settings
from tests.hub_config.queueing.story import Site

NAMES = ("ann", "bob", "cat")
Act = Callable[..., "World"]


class Crash(BaseException):
    """The process dies: nothing of ours may catch it."""


@dataclass
class World:
    """What stays when all processes die: the database (as bytes), and who has a container."""

    kept: bytes
    containers: frozenset[str] = frozenset()  # of whom, by lease id
    entered: int = 0
    failed: int = 0
    history: tuple[str, ...] = ()


def memory_engine() -> Engine:
    """A database in memory whose one connection can be kept as bytes and put back."""
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    event.listen(engine, "connect", db._prepare_sqlite)
    event.listen(engine, "begin", db._begin_sqlite)
    Base.metadata.create_all(engine)
    return engine


@dataclass(frozen=True)
class Row:
    """What the database has of one student: the newest place, and the lease that is held."""

    place: str
    state: str
    attempts: int
    expects: str | None  # the lease that the place has
    lease: str | None = None
    started: bool = False
    ready: bool = False

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def mine(self) -> bool:
        """The lease is the open place's own."""
        return self.open and self.lease is not None and self.expects == self.lease


class Small:
    """The RadLab that is searched; `release_early` is a fault of the world, not of our code."""

    def __init__(
        self,
        settings: Settings,
        *,
        students: int = 3,
        cards: int = 2,
        failures: int = 0,
        release_early: bool = False,
    ) -> None:
        """`failures`: how many starts fail in one history."""
        self.students, self.cards, self.failures = NAMES[:students], cards, failures
        self.release_early = release_early
        self.engine = memory_engine()
        self.site = Site(self.engine, settings)
        self.site.cards(*["aa"] * cards)
        self.raw: Any = self.engine.raw_connection().driver_connection
        self.before: list[Any] = []

    # --- the world, kept and put back

    def keep(self, before: World, what: str, **changes: Any) -> World:
        facts = {**vars(before), **changes, "history": (*before.history, what)}
        return World(**{**facts, "kept": self.raw.serialize()})

    def put_back(self, world: World) -> None:
        self.raw.deserialize(world.kept)

    def rows(self) -> dict[str, Row]:
        """What the database has of each student who entered, in the order of entering."""
        places = self.raw.execute(
            "SELECT username, id, state, attempts, lease_id FROM places ORDER BY entered_at"
        )
        found = {name: Row(*rest) for name, *rest in places}
        leases = self.raw.execute(
            "SELECT username, id, started_at IS NOT NULL, ready_at IS NOT NULL FROM leases "
            "WHERE released_at IS NULL"
        )
        for name, lease, started, ready in leases.fetchall():
            found[name] = replace(found[name], lease=lease, started=started, ready=ready)
        return found

    def contents(self) -> list[Any]:
        tables = ("places", "leases", "lease_devices")
        return [self.raw.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall() for t in tables]

    def state(self, world: World) -> tuple[Any, ...]:
        """The world without names: of each student place, lease and container."""
        rows = tuple(
            (
                row.state,
                row.attempts if row.open else 0,
                row.lease is not None and (row.mine, row.started, row.ready),
                row.lease in world.containers,
            )
            for row in self.rows().values()
        )
        return (rows, world.failed)

    # --- events

    def events(self, world: World) -> Iterator[tuple[str, Act]]:
        """What may happen next."""
        if world.entered < len(self.students):
            yield f"{self.students[world.entered]} enters", self.enter
        yield "the keeper dispatches", self.dispatch
        for name, row in self.rows().items():
            if row.open:
                yield f"{name} leaves", partial(self.leave, name=name, place_id=row.place)
            if row.lease is not None:
                for what, act in self.events_of(world, row):
                    yield f"{name}: {what}", partial(act, lease_id=row.lease)

    def events_of(self, world: World, row: Row) -> Iterator[tuple[str, Act]]:
        """What may happen to a lease and its container."""
        there = row.lease in world.containers
        if row.mine and not there and not row.started:
            yield "the container is created", self.create
        if there and not row.ready:
            yield "the server answers", self.ready
        if row.mine and row.ready:
            yield "the place is closed", self.arrived
        if there and not row.mine:
            yield "the container is gone", self.gone
        if not there and (row.started or not row.mine):
            yield "the lease is released", self.release
        if row.mine and not row.ready and world.failed < self.failures:
            yield "the start fails", self.fail_start
        if self.release_early and there:
            yield "the lease is released on timeout", self.release

    def enter(self, world: World) -> World:
        name = self.students[world.entered]
        self.site.enter(name)
        return self.keep(world, f"{name} enters", entered=world.entered + 1)

    def leave(self, world: World, name: str, place_id: str) -> World:
        self.site.queue.leave(place_id, name, self.site.now)
        return self.keep(world, f"{name} leaves")

    def dispatch(self, world: World) -> World:
        rows = self.rows()
        held = [name for name, row in rows.items() if row.lease is not None]
        could = [
            name
            for name, row in rows.items()
            if name not in held and (row.state == State.WAITING or self.lost(row))
        ]
        started = self.site.dispatch(1)
        free = self.cards - len(held)
        assert started == could[: min(1, free)], f"{started} started; in line were {could}"
        return self.keep(world, f"dispatch starts {started}")

    def lost(self, row: Row) -> bool:
        """A place whose lease is gone, and which has not failed for good by that."""
        fails = self.raw.execute(
            "SELECT why_ended = 'failed_start' AND ready_at IS NULL FROM leases WHERE id = ?",
            (row.expects,),
        ).fetchone()
        return row.state == State.STARTING and row.attempts + fails[0] < ATTEMPTS

    def create(self, world: World, lease_id: str) -> World:
        return self.keep(world, "create", containers=world.containers | {lease_id})

    def ready(self, world: World, lease_id: str) -> World:
        self.site.ledger.started(lease_id, "c0ffee", self.site.now)
        self.site.ledger.ready(lease_id, self.site.now)
        return self.keep(world, "ready")

    def arrived(self, world: World, lease_id: str) -> World:
        self.site.queue.arrived(lease_id, self.site.now)
        return self.keep(world, "arrived")

    def gone(self, world: World, lease_id: str) -> World:
        return self.keep(world, "gone", containers=world.containers - {lease_id})

    def release(self, world: World, lease_id: str) -> World:
        self.site.ledger.release(lease_id, Ended.STOPPED, self.site.now)
        return self.keep(world, "release")

    def fail_start(self, world: World, lease_id: str) -> World:
        self.site.ledger.release(lease_id, Ended.FAILED_START, self.site.now)
        left = world.containers - {lease_id}
        return self.keep(world, "fail", containers=left, failed=world.failed + 1)

    # --- what holds in every world

    def check(self, world: World) -> None:
        held = self.raw.execute(
            "SELECT device_uuid FROM lease_devices d JOIN leases l ON l.id = d.lease_id "
            "WHERE l.released_at IS NULL"
        ).fetchall()
        assert len(held) == len(set(held)) <= self.cards, "a card is held twice"
        rows = self.rows()
        leases = {row.lease for row in rows.values()}
        assert world.containers <= leases, "a container runs on a card that others may get"
        order = self.raw.execute(
            "SELECT username FROM places WHERE ended_at IS NULL ORDER BY priority DESC, rank_at"
        )
        names = [name for (name,) in order]
        assert names == sorted(names), "those who came first are not first"
        for name, row in rows.items():
            assert row.state != State.STARTING or row.expects, f"{name} starts without a lease"
            assert row.state != State.WAITING or row.expects is None, f"{name} waits with a lease"

    def crash(self, world: World, act: Act) -> None:
        """The same event dies at its first commit: the database is as it was."""

        def die(_session: Session) -> None:
            raise Crash

        event.listen(Session, "before_commit", die)
        try:
            act(world)
        except Crash:
            assert self.contents() == self.before, "a crash left something half done"
        finally:
            event.remove(Session, "before_commit", die)


def search(small: Small) -> int:
    """Visit every state; the number of states. AssertionError names the events that led to it."""
    start = small.keep(World(b""), "a new RadLab")
    states: dict[Any, set[Any]] = {}
    first = small.state(start)
    waiting, queued = [(first, start)], {first}
    while waiting:
        state, world = waiting.pop(0)
        states[state] = set()
        small.put_back(world)
        for name, act in list(small.events(world)):
            following = _step(small, world, name, act)
            reached = small.state(following)
            states[state].add(reached)
            if reached not in queued:
                queued.add(reached)
                waiting.append((reached, following))
            small.put_back(world)
    _all_can_end(states, len(small.students))
    return len(states)


def _step(small: Small, world: World, name: str, act: Act) -> World:
    try:
        small.before = small.contents()
        small.crash(world, act)
        small.put_back(world)
        following = act(world)
        small.check(following)
    except AssertionError as wrong:
        told = "\n  ".join((*world.history, name))
        raise AssertionError(f"{wrong}\nafter:\n  {told}") from wrong
    return following


def _all_can_end(states: dict[Any, set[Any]], students: int) -> None:
    """From every state everybody can still be served or leave: nobody is stuck for ever."""
    over = {State.DONE, State.LEFT, State.FAILED}
    good = {s for s in states if len(s[0]) == students and {r[0] for r in s[0]} <= over}
    good = {state for state in good if not any(row[2] for row in state[0])}
    assert good, "nobody is ever served"
    while True:
        more = {state for state, after in states.items() if after & good} - good
        if not more:
            break
        good |= more
    stuck = set(states) - good
    assert not stuck, f"{len(stuck)} states have no way out, such as {next(iter(stuck))}"
