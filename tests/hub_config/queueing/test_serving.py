"""Who gets which GPU: gaps that delay nobody, the pool, loans and their end, limits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import event

from hub_config.db import reading
from hub_config.gpus.model import Ended
from hub_config.gpus.tables import LeaseTable
from hub_config.queueing.history import History
from hub_config.queueing.model import Reason
from hub_config.queueing.reading import scene
from hub_config.queueing.store import QueueStore
from hub_config.usage.model import Kind, Limits
from tests.hub_config.queueing.story import GB, Site, wanted


def quota(site: Site, kind: Kind, name: str, **limits: float) -> None:
    site.quotas.set(kind, name, Limits(**limits), "ada")


# --- gaps


def test_a_short_session_fills_the_gap_before_a_large_request(site: Site) -> None:
    site.cards("aa", "aa")
    site.run("ann", minutes=60)
    site.enter("big", gpu_count=2)
    site.enter("long", minutes=120)
    site.enter("short", minutes=30)
    assert site.dispatch() == ["short"]


def test_a_gap_is_not_filled_by_who_would_end_too_late_for_it(site: Site) -> None:
    site.cards("aa", "aa")
    site.run("ann", minutes=60)
    site.enter("big", gpu_count=2)
    site.enter("late", minutes=60)
    assert site.dispatch() == []
    assert site.outlook("late").reason is Reason.BEHIND
    assert site.outlook("big").reason is Reason.BUSY


def test_a_card_that_nobody_before_could_use_is_given_out_of_order(site: Site) -> None:
    site.cards("aa", "aa", gb=(16, 80))
    site.run("ann", gpu_memory_mb=80 * GB)
    site.enter("large", gpu_memory_mb=80 * GB)
    site.enter("small")
    assert site.dispatch() == ["small"]


def test_a_large_request_is_served_though_small_ones_keep_coming(site: Site) -> None:
    site.cards("aa", "aa")
    site.run("ann", minutes=50)
    site.run("bob", minutes=60)
    site.enter("big", gpu_count=2)
    for index in range(12):
        site.later(5)
        for name in ("ann", "bob"):
            held = [lease for lease in site.ledger.active() if lease.username == name]
            if held and held[0].until <= site.now:
                site.release(name)
        site.enter(f"small{index}")
        if "big" in site.dispatch():
            break
    assert site.now == site.lease("big").granted_at
    assert index == 11


def test_the_pool_serves_every_group_after_its_own_cards(site: Site) -> None:
    site.cards("aa", pool=1)
    site.groups.create("bb", by="ada")
    assert [device.index for device in site.run("ann").devices] == [0]
    assert [device.index for device in site.run("bob", groups=("bb",)).devices] == [1]
    site.enter("cat")
    assert site.dispatch() == []


# --- loans


def lending(site: Site) -> None:
    """Two cards of `aa`, which lends, and none of `bb`, which borrows."""
    site.cards("aa", "aa")
    site.groups.create("bb", by="ada")
    site.groups.set_lending("aa", True, False, "ada")
    site.groups.set_lending("bb", False, True, "ada")


def test_an_idle_gpu_is_lent_where_both_groups_allow_it(site: Site) -> None:
    lending(site)
    lease = site.run("bob", groups=("bb",))
    assert (lease.group, lease.lender) == ("bb", "aa")


def test_nothing_is_lent_while_a_member_of_its_group_waits_for_it(site: Site) -> None:
    lending(site)
    site.enter("bob", groups=("bb",))
    site.enter("ben", groups=("bb",))
    site.enter("ann")
    assert site.dispatch(2) == ["bob", "ann"]
    assert site.lease("ann").lender is None


def test_the_newest_loan_is_called_back_for_a_member_with_the_stated_notice(site: Site) -> None:
    lending(site)
    site.run("bob", groups=("bb",))
    site.later(1)
    site.run("ben", groups=("bb",))
    site.enter("ann")
    assert site.dispatch() == []
    assert site.lease("bob").stop_at is None
    newest = site.lease("ben")
    assert (newest.stop_why, newest.until) == (Ended.RECALLED, site.now + timedelta(minutes=10))
    told = site.outlook("ann")
    assert told.reason is Reason.RECALLING
    assert told.reason_values["next_free_at"] == newest.until


def test_a_session_on_a_card_that_came_to_another_group_meanwhile_is_called_back(
    site: Site,
) -> None:
    lending(site)
    site.groups.create("cc", by="ada")
    site.run("bob", groups=("bb",))
    for index in "01":
        site.devices.assign(index, "cc", "ada")
    site.run("cat", groups=("cc",))
    site.enter("cay", groups=("cc",))
    site.dispatch()
    assert site.lease("bob").stop_why is Ended.RECALLED
    assert site.lease("cat").stop_why is None
    assert site.outlook("cay").reason is Reason.RECALLING


def test_a_session_on_a_card_that_its_own_group_got_meanwhile_is_no_loan(site: Site) -> None:
    lending(site)
    site.run("bob", groups=("bb",))
    site.run("ben", groups=("bb",))
    site.devices.assign(str(site.lease("ben").devices[0].index), "bb", "ada")
    site.enter("eve", groups=("bb",))
    site.enter("ann")
    site.dispatch()
    assert site.lease("bob").stop_why is Ended.RECALLED
    assert site.lease("ben").stop_why is None


def test_calling_back_again_puts_nothing_off_and_calls_nobody_else(site: Site) -> None:
    lending(site)
    site.run("bob", groups=("bb",))
    site.run("ben", groups=("bb",))
    site.enter("ann")
    site.dispatch()
    before = {lease.username: lease.until for lease in site.ledger.active()}
    site.later(5)
    site.dispatch()
    assert {lease.username: lease.until for lease in site.ledger.active()} == before


def test_each_waiting_member_has_a_loan_called_back(site: Site) -> None:
    lending(site)
    site.run("bob", groups=("bb",))
    site.run("ben", groups=("bb",))
    site.enter("ann")
    site.enter("amy")
    site.dispatch()
    assert {lease.stop_why for lease in site.ledger.active()} == {Ended.RECALLED}


def test_nothing_is_called_back_where_a_card_is_free_within_the_notice(site: Site) -> None:
    lending(site)
    site.run("bob", groups=("bb",))
    site.run("own", minutes=5)
    site.enter("ann")
    site.dispatch()
    assert site.lease("bob").stop_at is None
    assert site.outlook("ann").reason is Reason.BUSY


def test_nothing_is_called_back_for_a_request_that_loans_alone_cannot_serve(site: Site) -> None:
    lending(site)
    site.run("own", minutes=120)
    site.run("bob", groups=("bb",))
    site.enter("ann", gpu_count=2)
    site.dispatch()
    assert site.lease("bob").stop_at is None


@pytest.mark.parametrize("others", [True, False])
def test_a_call_that_nobody_needs_any_more_is_taken_back(site: Site, others: bool) -> None:
    lending(site)
    site.run("bob", groups=("bb",))
    site.run("ben", groups=("bb",))
    site.enter("ann")
    site.dispatch()
    if others:
        site.enter("eve", groups=("bb",))
    site.queue.leave(site.place("ann").id, "ann", site.now)
    site.dispatch()
    assert [lease.stop_why for lease in site.ledger.active()] == [None, None]


def test_a_borrower_who_waits_has_nobody_called_back(site: Site) -> None:
    lending(site)
    site.run("ann")
    site.run("bob", groups=("bb",))
    site.enter("ben", groups=("bb",))
    site.dispatch()
    assert all(lease.stop_at is None for lease in site.ledger.active())
    assert site.outlook("ben").reason is Reason.BUSY


# --- limits


@pytest.mark.parametrize(
    ("kind", "name", "limits", "reason"),
    [
        (Kind.GROUP, "aa", {"gpus": 1}, Reason.QUOTA_GROUP),
        (Kind.PERSON, "bob", {"servers": 1}, Reason.QUOTA_PERSON),
        (Kind.GROUP, "aa", {"cpus": 1.5}, Reason.QUOTA_GROUP),
        (Kind.GROUP, "aa", {"memory_mb": 1500}, Reason.QUOTA_GROUP),
    ],
)
def test_who_is_at_their_limit_waits_and_nobody_behind_them(
    site: Site, kind: Kind, name: str, limits: dict[str, float], reason: Reason
) -> None:
    site.cards("aa", "aa", "bb")
    quota(site, kind, name, **limits)
    site.run("ann")
    if kind is Kind.PERSON:
        site.queue.enter("bob", "x", ["aa"], wanted("bob", gpu_count=0), {}, "bob", site.now)
        site.start_all()
    site.enter("bob", minutes=30)
    site.enter("cat", groups=("bb",))
    assert site.dispatch() == ["cat"]
    told = site.outlook("bob")
    assert told.reason is reason
    assert told.reason_values["limit"] == (
        pytest.approx(limits["memory_mb"] / GB)
        if "memory_mb" in limits
        else next(iter(limits.values()))
    )


def test_one_round_hands_out_no_more_than_a_limit_allows(site: Site) -> None:
    site.cards("aa", "aa", "aa")
    quota(site, Kind.GROUP, "aa", gpus=2)
    for name in ("ann", "bob", "cat"):
        site.enter(name)
    assert site.dispatch() == ["ann", "bob"]


def test_a_second_group_serves_where_the_first_is_at_its_limit(site: Site) -> None:
    site.cards("aa", "bb")
    quota(site, Kind.GROUP, "aa", servers=1)
    site.run("ann", gpu_count=0)
    site.enter("bob", gpu_count=0, groups=("aa", "bb"))
    assert site.dispatch() == ["bob"]
    assert site.lease("bob").group == "bb"


def test_a_session_gets_no_more_minutes_than_its_limit(site: Site) -> None:
    site.cards("aa")
    quota(site, Kind.GROUP, "aa", minutes=45)
    assert site.run("ann").minutes == 45


def test_two_sessions_together_never_outlast_the_hours_of_the_week(site: Site) -> None:
    site.cards("aa", "aa", "aa")
    quota(site, Kind.GROUP, "aa", gpu_hours_week=1.5)
    assert site.run("ann").minutes == 60
    assert site.run("bob").minutes == 30
    site.enter("cat")
    assert site.dispatch() == []
    assert site.outlook("cat").reason is Reason.QUOTA_GROUP
    assert site.outlook("cat").reason_values["what"] == "gpu_hours_week"


def test_hours_of_the_next_week_are_the_next_weeks(site: Site) -> None:
    site.cards("aa")
    quota(site, Kind.PERSON, "ann", gpu_hours_week=1)
    site.now = site.now.replace(day=8, hour=23, minute=30)
    assert site.run("ann", minutes=80).minutes == 80


def test_hours_are_counted_without_reading_the_whole_leases_of_the_week(site: Site) -> None:
    site.cards("aa", "bb")
    quota(site, Kind.GROUP, "aa", gpu_hours_week=2)
    quota(site, Kind.PERSON, "bob", gpu_hours_week=2)
    for name, group in (("ann", "aa"), ("bob", "bb"), ("bob", "aa")):
        site.run(name, groups=(group,))
        site.later(30)
        site.release(name)
    site.enter("cat")
    read: list[LeaseTable] = []

    def note(row: LeaseTable, _: object) -> None:
        read.append(row)

    event.listen(LeaseTable, "load", note)
    with reading(site.engine) as session:
        room = scene(session, site.now, History()).room
    event.remove(LeaseTable, "load", note)
    assert room.used_hours == {(Kind.GROUP, "aa"): 1.0, (Kind.PERSON, "bob"): 1.0}
    assert read == []


def two_of_three_cards(site: Site, kind: Kind = Kind.GROUP) -> None:
    """`ann` has one of the two GPUs that may be held at once, and `big` waits for both."""
    site.cards("aa", "aa", "aa")
    name = "aa" if kind is Kind.GROUP else "ann"
    quota(site, kind, name, gpus=2)
    site.run("ann", minutes=50)


def test_room_is_kept_for_who_wants_two_gpus_though_others_who_want_one_keep_coming(
    site: Site,
) -> None:
    two_of_three_cards(site)
    site.run("bob", minutes=60)
    site.enter("big", gpu_count=2)
    for index in range(12):
        site.later(5)
        for lease in site.ledger.active():
            if lease.until <= site.now:
                site.ledger.release(lease.id, Ended.TIME_UP, site.now)
        site.enter(f"small{index}")
        if "big" in site.dispatch():
            break
    assert "big" not in site.waiting()
    assert index == 11


def test_kept_room_is_used_by_who_has_left_it_by_then(site: Site) -> None:
    two_of_three_cards(site)
    site.enter("big", gpu_count=2)
    site.enter("late", minutes=50)
    site.enter("short", minutes=40)
    assert site.dispatch() == ["short"]
    assert site.outlook("late").reason is Reason.QUOTA_GROUP


def test_kept_room_makes_nobody_of_another_group_wait(site: Site) -> None:
    two_of_three_cards(site)
    site.devices.assign("2", None, "ada", pool=True)
    site.groups.create("bb", by="ada")
    site.enter("big", gpu_count=2)
    site.enter("late")
    assert site.dispatch() == []
    assert site.outlook("late").reason is Reason.BEHIND
    site.enter("other", groups=("bb",))
    assert site.dispatch() == ["other"]


def test_room_that_the_place_before_does_not_need_is_taken(site: Site) -> None:
    site.cards("aa", "aa", "aa", "aa")
    quota(site, Kind.GROUP, "aa", gpus=3)
    site.run("ann", minutes=50)
    site.run("bob", minutes=50)
    site.enter("big", gpu_count=2)
    site.enter("one")
    site.enter("two")
    assert site.dispatch() == ["one"]
    site.release("ann")
    site.release("bob")
    assert site.dispatch() == ["big"]


def test_a_persons_second_server_does_not_take_the_room_that_the_first_waits_for(
    site: Site,
) -> None:
    two_of_three_cards(site, Kind.PERSON)
    options = {"groups": ("aa",)}
    for server, count in (("x", 2), ("y", 1)):
        request = wanted("ann", gpu_count=count)
        site.queue.enter("ann", server, ["aa"], request, options, "ann", site.now)
    site.enter("bob")
    assert site.dispatch() == ["bob"]


# --- processes


def test_a_card_whose_session_overstays_is_given_to_nobody_until_it_is_gone(site: Site) -> None:
    site.cards("aa")
    site.run("ann")
    site.enter("bob")
    site.later(600)
    assert site.dispatch() == []
    site.release("ann")
    assert site.dispatch() == ["bob"]


def test_a_server_that_was_lost_before_anybody_heard_of_it_starts_again(site: Site) -> None:
    site.cards("aa")
    site.enter("ann")
    (place,) = site.queue.dispatch(site.now, 1)
    assert place.lease_id
    site.ledger.ready(place.lease_id, site.now)  # and its keeper is killed, and its container
    site.release("ann", Ended.CONTAINER_GONE)
    assert site.dispatch() == ["ann"]


def test_two_dispatchers_at_once_hand_out_no_more_than_a_limit_allows(site: Site) -> None:
    site.cards("aa", "aa")
    quota(site, Kind.GROUP, "aa", gpus=1)
    site.enter("ann")
    site.enter("bob")
    stores = [QueueStore(site.engine, site.settings, site.host) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(store.dispatch, site.now, 1) for store in stores]
        started = [place.username for each in found for place in each.result()]
    assert started == ["ann"]
    assert len(site.ledger.active()) == 1
