"""Named faults, each put into the queue and each caught by a check that passes without it.

A check is a test of this folder or the search of small_scope.py. What catches nothing proves
nothing: a fault that goes through here says that its check has grown blind.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub_config.db import migrate, open_database, reading, writing
from hub_config.gpus.model import Ended
from hub_config.queueing import reading as scenes
from hub_config.queueing import rules
from hub_config.queueing import store as stores
from hub_config.queueing.history import History
from hub_config.queueing.loans import _Calls
from hub_config.queueing.model import Place, State
from hub_config.queueing.plan import Planner, Turn
from hub_config.queueing.room import Room
from hub_config.queueing.store import QueueStore
from hub_config.queueing.tables import PlaceTable, open_rows
from hub_config.settings import Settings
from tests.hub_config.queueing import test_order as order
from tests.hub_config.queueing import test_serving as serving
from tests.hub_config.queueing.small_scope import Small, search
from tests.hub_config.queueing.story import Site

Patch = pytest.MonkeyPatch


def the_search(site: Site, **faults: Any) -> None:
    search(Small(site.settings, **faults))


def the_search_with_failures(site: Site) -> None:
    search(Small(site.settings, students=2, cards=1, failures=1))


# --- the faults


def a_lease_is_released_on_timeout(_patch: Patch) -> None:
    """Not in our code but in whoever calls it: see the check."""


def a_count_is_read_outside_the_transaction(patch: Patch) -> None:
    together = threading.Barrier(2)

    def dispatch(self: QueueStore, now: datetime, starts_free: int) -> list[Place]:
        with reading(self.engine) as session:
            seen = scenes.scene(session, now, History())
        together.wait(10)
        decision = rules.decide(seen, starts_free, notice=timedelta(minutes=10))
        with writing(self.engine) as session:
            return [stores._start(session, start, now) for start in decision.starts]

    patch.setattr(QueueStore, "dispatch", dispatch)


def a_clock_that_steps_back_is_believed(patch: Patch) -> None:
    patch.setattr(rules, "entry", lambda now, _open_places: now)


def the_last_are_served_first(patch: Patch) -> None:
    def open_places(session: Session) -> list[Place]:
        return [stores.place_of(row) for row in reversed(open_rows(session))]

    patch.setattr(scenes, "open_places", open_places)


def a_gap_is_filled_for_too_long(patch: Patch) -> None:
    patch.setattr(Planner, "_usable", lambda self, row, _minutes: self.cards[row.uuid].free)


def starts_are_not_rationed(patch: Patch) -> None:
    decide = rules.decide
    patch.setattr(rules, "decide", lambda scene, _free, **rest: decide(scene, 99, **rest))


def a_lost_start_loses_its_rank(patch: Patch) -> None:
    def take_back(session: Session, now: datetime) -> None:
        for row in open_rows(session, PlaceTable.state == State.STARTING.value):
            taken_back(session, now)
            if row.state == State.WAITING.value:
                row.rank_at = now + timedelta(minutes=5)

    taken_back = stores._take_back_lost
    patch.setattr(stores, "_take_back_lost", take_back)


def lease_and_place_are_written_one_after_the_other(patch: Patch) -> None:
    def start(session: Session, start: rules.Start, now: datetime) -> Place:
        lease = stores.write_lease(
            session,
            start.place.request,
            group=start.offer.group,
            lender=start.offer.lender,
            devices=start.offer.devices,
            now=now,
        )
        session.connection().connection.commit()
        session.execute(stores.select(PlaceTable)).all()
        row = session.get_one(PlaceTable, start.place.id)
        row.state, row.lease_id = State.STARTING.value, lease.id
        return replace(start.place, state=State.STARTING, lease_id=lease.id)

    patch.setattr(stores, "_start", start)


def a_round_forgets_what_it_hands_out(patch: Patch) -> None:
    patch.setattr(Room, "take", lambda *_arguments: None)


def room_is_promised_to_nobody(patch: Patch) -> None:
    patch.setattr(Room, "claim", lambda *_arguments: None)


def time_that_is_up_counts_as_gone(patch: Patch) -> None:
    device_rows = scenes.device_rows

    def rows(session: Session) -> list[Any]:
        late = serving_until(session)
        return [replace(r, lease=None) if r.uuid in late else r for r in device_rows(session)]

    def serving_until(session: Session) -> set[str]:
        held = [row for row in device_rows(session) if row.lease]
        return {row.uuid for row in held if row.lease and row.lease.minutes < 600}

    patch.setattr(scenes, "device_rows", rows)


def leaving_releases_the_lease(patch: Patch) -> None:
    leave = QueueStore.leave

    def leave_and_release(self: QueueStore, place_id: str, by: str, now: datetime) -> Place:
        place = self.get(place_id)
        if place.lease_id:
            self.ledger.release(place.lease_id, Ended.STOPPED, now)
        return leave(self, place_id, by, now)

    patch.setattr(QueueStore, "leave", leave_and_release)


def borrowers_have_their_turn_before_members(patch: Patch) -> None:
    turn = Planner._turn

    def borrow_first(self: Planner, place: Place) -> Turn:
        taken = self._taken(place.request, self.offers(place.request))
        return self._take(place, taken) if taken else turn(self, place)

    patch.setattr(Planner, "_turn", borrow_first)


def the_oldest_loan_is_called_back(patch: Patch) -> None:
    loans = _Calls._loans
    patch.setattr(_Calls, "_loans", lambda self, offer: loans(self, offer)[::-1])


def a_failing_start_is_tried_for_ever(patch: Patch) -> None:
    patch.setattr(rules, "ATTEMPTS", 10**6)


Check = Callable[[Site], None]
FAULTS: list[tuple[Callable[[Patch], None], Check]] = [
    (a_lease_is_released_on_timeout, lambda site: the_search(site, release_early=True)),
    (
        a_count_is_read_outside_the_transaction,
        serving.test_two_dispatchers_at_once_hand_out_no_more_than_a_limit_allows,
    ),
    (
        a_clock_that_steps_back_is_believed,
        order.test_a_clock_that_steps_back_gives_nobody_an_earlier_rank,
    ),
    (the_last_are_served_first, the_search),
    (
        a_gap_is_filled_for_too_long,
        serving.test_a_gap_is_not_filled_by_who_would_end_too_late_for_it,
    ),
    (starts_are_not_rationed, the_search),
    (a_lost_start_loses_its_rank, the_search_with_failures),
    (lease_and_place_are_written_one_after_the_other, the_search),
    (
        a_round_forgets_what_it_hands_out,
        serving.test_one_round_hands_out_no_more_than_a_limit_allows,
    ),
    (
        room_is_promised_to_nobody,
        serving.test_room_is_kept_for_who_wants_two_gpus_though_others_who_want_one_keep_coming,
    ),
    (
        time_that_is_up_counts_as_gone,
        serving.test_a_card_whose_session_overstays_is_given_to_nobody_until_it_is_gone,
    ),
    (leaving_releases_the_lease, the_search),
    (
        borrowers_have_their_turn_before_members,
        serving.test_nothing_is_lent_while_a_member_of_its_group_waits_for_it,
    ),
    (
        the_oldest_loan_is_called_back,
        serving.test_the_newest_loan_is_called_back_for_a_member_with_the_stated_notice,
    ),
    (
        a_failing_start_is_tried_for_ever,
        order.test_three_starts_that_fail_end_a_place_and_the_next_is_served,
    ),
]


@pytest.fixture
def alone(tmp_path: Path, settings: Settings) -> Iterator[Site]:
    """A RadLab on SQLite: what is to be caught is not the database's doing."""
    engine = open_database(f"sqlite:///{tmp_path / 'radlab.sqlite'}")
    migrate(engine)
    logging.disable(logging.WARNING)
    yield Site(engine, settings)
    logging.disable(logging.NOTSET)
    engine.dispose()


@pytest.mark.parametrize(("fault", "check"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_fault_is_caught(
    alone: Site, monkeypatch: Patch, fault: Callable[[Patch], None], check: Check
) -> None:
    fault(monkeypatch)
    with pytest.raises((AssertionError, IntegrityError)):
        check(alone)
