"""Places in line: one transaction a verb, and the one that hands out what is free.

`dispatch` reads places, devices, leases and limits, decides, and writes leases and places in a
single writing transaction, so that nothing it read has changed when it writes. All of the queue is
in the database: killed at any moment, the next process goes on with the same order.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from hub_config.db import reading, writing
from hub_config.gpus.ledger import Ledger, write_lease
from hub_config.gpus.model import Ended, Lease, LeaseRequest
from hub_config.gpus.tables import LeaseTable, lease_of
from hub_config.offers.host import Host, this_host
from hub_config.queueing import reading as scenes
from hub_config.queueing import refusals, rules
from hub_config.queueing.entrance import admit
from hub_config.queueing.history import History
from hub_config.queueing.model import Choice, Extension, Outlook, Place, Standing, State
from hub_config.queueing.plan import Scene
from hub_config.queueing.rules import Decision, Start
from hub_config.queueing.tables import PlaceTable, open_rows, place_of, request_to_text
from hub_config.settings import Settings
from hub_config.usage.store import for_person

log = logging.getLogger(__name__)

# What is learnt changes slowly, and reading it is most of the price of a look at the board.
_LEARNT_FOR = timedelta(seconds=60)


class QueueStore:
    """The queue of this RadLab."""

    def __init__(self, engine: Engine, settings: Settings, host: Host | None = None) -> None:
        self.engine, self.settings = engine, settings
        self.host = host or this_host()
        self.ledger = Ledger(engine)
        self._learnt: tuple[datetime, History] | None = None

    def enter(
        self,
        username: str,
        server_name: str,
        groups: Sequence[str],
        request: LeaseRequest,
        options: Mapping[str, Any],
        by: str,
        now: datetime,
    ) -> Place:
        """The open place of that server, made where there is none.

        Other options than the open place has replace what it asks for, and its rank stays, unless
        a GPU is new among them; one that starts already is returned as it is. Raises
        BadLeaseRequest, TooLargeForHost, OverQuota, HoursUsed and NoGpuForGroup where nothing will
        ever serve the request.
        """
        request = replace(request, username=username, server_name=server_name, groups=tuple(groups))
        with writing(self.engine) as session:
            row = _open_row(session, username, server_name)
            if row is not None and _as_it_is(row, options):
                return place_of(row)
            admitted = self._admit(session, request, now)
            if row is None:
                row = self._new_row(session, admitted, by, now)
                session.add(row)
                log.info("place %s: %s waits", row.id, username)
            else:
                _count_hours(session, row, admitted, now)
            row.request, row.options = request_to_text(admitted), _kept(options)
            return place_of(row)

    def leave(self, place_id: str, by: str, now: datetime) -> Place:
        """Close the place because `by` says so; one that is over stays as it is. UnknownPlace.

        The lease of one that starts is not released here: only its container's end does that.
        """
        return self._close(place_id, State.LEFT, by, now)

    def fail(self, place_id: str, why: str, now: datetime) -> Place:
        """Close the place because it cannot be served; one that is over stays. UnknownPlace."""
        return self._close(place_id, State.FAILED, why, now)

    def change(
        self, place_id: str, request: LeaseRequest, options: Mapping[str, Any], now: datetime
    ) -> Place:
        """Ask for something else at the same place in line.

        Raises UnknownPlace, PlaceOver, PlaceStarting, and what `enter` raises.
        """
        with writing(self.engine) as session:
            row = _waiting_row(session, place_id)
            request = replace(request, username=row.username, server_name=row.server_name)
            admitted = self._admit(session, request, now)
            _count_hours(session, row, admitted, now)
            row.request, row.options = request_to_text(admitted), _kept(options)
            return place_of(row)

    def dispatch(
        self, now: datetime, starts_free: int, *, seconds_a_start: float | None = None
    ) -> list[Place]:
        """Give leases to those whose turn it is, `starts_free` of them at most; they start now.

        Before, places whose lease was lost wait again with their rank (after three starts that
        failed they fail), and those whose server answered are done. `seconds_a_start` is what a
        start takes, where the caller knows better than the latest starts say.
        """
        if not self.open():
            return []
        history = self._history(now)
        if seconds_a_start is not None:
            history = replace(history, start_seconds=seconds_a_start)
        with writing(self.engine) as session:
            _take_back_lost(session, now)
            seen = scenes.scene(session, now, history)
            decision = rules.decide(seen, starts_free, notice=self._notice)
            _keep_first_forecasts(session, decision)
            started = [_start(session, start, now) for start in decision.starts]
        self._call_back(decision)
        return started

    def arrived(self, lease_id: str, now: datetime) -> Place | None:
        """Close the place that started under this lease: its server answers. None: none did."""
        with writing(self.engine) as session:
            found = open_rows(session, PlaceTable.lease_id == lease_id)
            for row in found:
                _end(row, State.DONE, None, now)
            return place_of(found[0]) if found else None

    def move_up(self, place_id: str, by: str, *, among: Collection[str] | None = None) -> Place:
        """Put a waiting place before all others, or before those of the groups `among`.

        Those it passes change places among themselves, so that with groups nobody of another
        group is passed. Raises UnknownPlace, PlaceOver, PlaceStarting.
        """
        with writing(self.engine) as session:
            row = _waiting_row(session, place_id)
            rows = open_rows(session, PlaceTable.state == State.WAITING.value)
            passed = [r for r in rows if r is row or among is None or _is_of(r, among)]
            ahead = passed[: passed.index(row) + 1]
            slots = [(each.priority, each.rank_at) for each in ahead]
            for each, slot in zip([row, *ahead[:-1]], slots, strict=True):
                each.priority, each.rank_at = slot
            log.info("place %s of %s moved up by %s", row.id, row.username, by)
            return place_of(row)

    def may_extend(self, lease: Lease, now: datetime) -> Extension:
        """By how much the owner of `lease` may extend it now, as quota and queue allow."""
        with reading(self.engine) as session:
            seen = scenes.scene(session, now, History())
        return rules.extension(lease, seen, self.settings.extend_minutes)

    def open(self) -> list[Place]:
        """Every open place, first in line first."""
        with reading(self.engine) as session:
            return scenes.open_places(session)

    def ended(self, since: datetime) -> list[Place]:
        """The places that were closed at `since` or later."""
        with reading(self.engine) as session:
            rows = session.scalars(select(PlaceTable).where(PlaceTable.ended_at >= since))
            return [place_of(row) for row in rows]

    def get(self, place_id: str) -> Place:
        """The place of that id, open or over; UnknownPlace."""
        with reading(self.engine) as session:
            return place_of(_find(session, place_id))

    def of_groups(self, place_ids: Collection[str], groups: Collection[str]) -> set[str]:
        """Which of these places, open or over, may have been served from one of `groups`."""
        with reading(self.engine) as session:
            rows = session.scalars(select(PlaceTable).where(PlaceTable.id.in_(place_ids)))
            return {row.id for row in rows if _is_of(row, groups)}

    def of(self, username: str, server_name: str) -> Place | None:
        """The open place of that server; None where there is none."""
        with reading(self.engine) as session:
            row = _open_row(session, username, server_name)
            return place_of(row) if row else None

    def board(
        self,
        now: datetime,
        *,
        offered: Mapping[str, Sequence[Choice]] | None = None,
        paused: bool = False,
    ) -> list[Standing]:
        """Every open place with what its owner is told, first in line first.

        `offered` are, by place, other things that its owner could start; `paused` says that
        nothing starts now, whatever is free.
        """
        history = self._history(now)
        with reading(self.engine) as session:
            seen = scenes.scene(session, now, history)
        decision = rules.decide(
            seen, self._starts_free(seen), notice=self._notice, offered=offered, paused=paused
        )
        return [Standing(place, decision.outlooks[place.id]) for place in seen.places]

    def forecast(self, requests: Sequence[LeaseRequest], now: datetime) -> list[Outlook]:
        """What the owner of each request would be told, were it the last to enter now."""
        history = self._history(now)
        with reading(self.engine) as session:
            seen = scenes.scene(session, now, history)
            entering = [self._as_place(session, request, now) for request in requests]
        return [
            self._outlook(replace(seen, places=(*seen.places, each)), each.id) for each in entering
        ]

    def _as_place(self, session: Session, request: LeaseRequest, now: datetime) -> Place:
        row = self._new_row(session, request, "", now)
        row.request, row.options = request_to_text(request), "{}"
        return place_of(row)

    def _outlook(self, seen: Scene, place_id: str) -> Outlook:
        seen = replace(seen, places=rules.in_order(seen.places))
        decision = rules.decide(seen, self._starts_free(seen), notice=self._notice)
        return decision.outlooks[place_id]

    def _admit(self, session: Session, request: LeaseRequest, now: datetime) -> LeaseRequest:
        seen = scenes.scene(session, now, History())
        bounds = for_person(session, request.username, request.groups)
        return admit(request, seen, bounds, self.host)

    def _new_row(
        self, session: Session, request: LeaseRequest, by: str, now: datetime
    ) -> PlaceTable:
        others = scenes.open_places(session)
        entered_at = rules.entry(now, others)
        return PlaceTable(
            id=uuid.uuid4().hex,
            username=request.username,
            server_name=request.server_name,
            priority=0,
            rank_at=rules.rank(entered_at, _recent_hours(session, request, now), others),
            entered_at=entered_at,
            entered_by=by,
            state=State.WAITING.value,
            attempts=0,
        )

    def _close(self, place_id: str, state: State, why: str, now: datetime) -> Place:
        with writing(self.engine) as session:
            row = _find(session, place_id)
            if row.ended_at is None:
                _end(row, state, why, now)
                log.info("place %s of %s %s: %s", row.id, row.username, state.value, why)
            alone = not open_rows(session)
        if alone:
            self._pardon_all(now)
        return place_of(row)

    def _history(self, now: datetime) -> History:
        known = self._learnt
        if known is None or abs(now - known[0]) > _LEARNT_FOR:
            with reading(self.engine) as session:
                known = (now, scenes.read_history(session, now))
            self._learnt = known
        return known[1]

    def _starts_free(self, seen: Scene) -> int:
        starting = rules.under_way(seen.leases, seen.now, seen.history.start_seconds)
        return max(0, self.starts_at_once - len(starting))

    @property
    def starts_at_once(self) -> int:
        """How many servers start at the same time at most."""
        return self.settings.starts_at_once or 2 * self.host.cpus

    @property
    def _notice(self) -> timedelta:
        return timedelta(minutes=self.settings.recall_minutes)

    def _pardon_all(self, now: datetime) -> None:
        """Nobody waits any more: take back every call, as a dispatch would."""
        for lease in self.ledger.active():
            if lease.stop_why is Ended.RECALLED and lease.until > now:
                self.ledger.let_run(lease.id, Ended.RECALLED)

    def _call_back(self, decision: Decision) -> None:
        for recall in decision.recalls:
            self.ledger.stop_early(recall.lease_id, recall.at, Ended.RECALLED)
        for lease_id in decision.pardons:
            self.ledger.let_run(lease_id, Ended.RECALLED)


def _recent_hours(session: Session, request: LeaseRequest, now: datetime) -> float:
    """The hours that the handicap counts: of the group that the request would count for first."""
    if not request.gpu_count:
        return 0.0
    since, groups = now - rules.HANDICAP_LOOKS_BACK, request.groups[:1]
    return scenes.recent_hours(session, request.username, groups, since, now)


def _count_hours(session: Session, row: PlaceTable, wanted: LeaseRequest, now: datetime) -> None:
    """Rank who entered without a GPU and now wants one as if they had said so on entering.

    Whom staff have put first stays there.
    """
    entered = place_of(row)
    if wanted.gpu_count and not entered.request.gpu_count and row.rank_at >= row.entered_at:
        others = [place for place in scenes.open_places(session) if place.id != row.id]
        hours = _recent_hours(session, wanted, now)
        row.rank_at = max(row.rank_at, rules.rank(row.entered_at, hours, others))


def _take_back_lost(session: Session, now: datetime) -> None:
    """Places that started under a lease that is over wait again, are done, or have failed."""
    for row in open_rows(session, PlaceTable.state == State.STARTING.value):
        kept = session.get(LeaseTable, row.lease_id) if row.lease_id else None
        lease = lease_of(kept) if kept else None
        if lease is None or not lease.active:
            why = lease.why_ended if lease else None
            row.attempts += why is Ended.FAILED_START
            row.state, row.lease_id = State.WAITING.value, None
            log.warning("place %s of %s lost its lease: %s", row.id, row.username, why)
            if row.attempts >= rules.ATTEMPTS:
                _end(row, State.FAILED, why, now)
        elif lease.ready_at is not None:
            _end(row, State.DONE, None, now)


def _start(session: Session, start: Start, now: datetime) -> Place:
    row = _find(session, start.place.id)
    lease = write_lease(
        session,
        start.place.request,
        group=start.offer.group,
        lender=start.offer.lender,
        devices=start.offer.devices,
        now=now,
        minutes=start.minutes,
    )
    row.state, row.lease_id = State.STARTING.value, lease.id
    return place_of(row)


def _keep_first_forecasts(session: Session, decision: Decision) -> None:
    for row in open_rows(session, PlaceTable.expected_at.is_(None)):
        outlook = decision.outlooks.get(row.id)
        row.expected_at = outlook.expected_at if outlook else None


def _end(row: PlaceTable, state: State, why: str | None, now: datetime) -> None:
    row.state, row.why, row.ended_at = state.value, why, max(now, row.entered_at)


def _find(session: Session, place_id: str) -> PlaceTable:
    row = session.get(PlaceTable, place_id)
    if row is None:
        raise refusals.unknown_place(place_id)
    return row


def _waiting_row(session: Session, place_id: str) -> PlaceTable:
    """The row of a place that waits; UnknownPlace, PlaceOver, PlaceStarting."""
    row = _find(session, place_id)
    if row.ended_at is not None:
        raise refusals.place_over(place_of(row))
    if row.state != State.WAITING:
        raise refusals.place_starting(place_of(row))
    return row


def _is_of(row: PlaceTable, groups: Collection[str]) -> bool:
    """Whether one of `groups` may come to serve the place."""
    return not set(place_of(row).request.groups).isdisjoint(groups)


def _open_row(session: Session, username: str, server_name: str) -> PlaceTable | None:
    whose = (PlaceTable.username == username, PlaceTable.server_name == server_name)
    return next(iter(open_rows(session, *whose)), None)


def _as_it_is(row: PlaceTable, options: Mapping[str, Any]) -> bool:
    """True where entering again changes nothing: it starts already, or the same is wanted."""
    return row.state == State.STARTING or row.options == _kept(options)


def _kept(options: Mapping[str, Any]) -> str:
    return json.dumps(dict(options), sort_keys=True, ensure_ascii=False)
