"""Who is before whom: first come first served, those who had much lately a little later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub_config.gpus.model import Ended
from hub_config.queueing import rules
from hub_config.queueing.refusals import PlaceOver, PlaceStarting, UnknownPlace
from tests.hub_config.queueing.story import Site, wanted


def test_those_who_come_first_are_served_first(site: Site) -> None:
    site.cards("aa")
    for name in ("ann", "bob", "cat"):
        site.enter(name)
    site.start_all()
    assert site.waiting() == ["bob", "cat"]
    site.release("ann")
    assert site.dispatch() == ["bob"]


def test_who_had_gpu_hours_lately_ranks_ten_minutes_later_for_each(site: Site) -> None:
    site.cards("aa")
    site.run("ann", minutes=180)
    site.later(120)
    site.release("ann")
    site.run("bob")
    site.enter("ann")
    site.later(19)
    site.enter("cat")
    site.later(2)
    site.enter("dan")
    assert site.waiting() == ["cat", "ann", "dan"]


def test_a_server_without_gpu_has_no_handicap(site: Site) -> None:
    site.cards("aa")
    site.run("ann", minutes=180)
    site.later(120)
    site.release("ann")
    place = site.enter("ann", gpu_count=0)
    assert place.rank_at == place.entered_at


@pytest.mark.parametrize(("hours", "minutes"), [(0, 0), (1.5, 15), (6, 60), (500, 60), (-1, 0)])
def test_the_handicap_grows_and_is_an_hour_at_most(hours: float, minutes: float) -> None:
    assert rules.handicap(hours) == timedelta(minutes=minutes)


def test_hours_of_a_week_ago_and_of_another_group_are_no_handicap(site: Site) -> None:
    site.cards("aa", "bb")
    site.run("ann", minutes=120, groups=("bb",))
    site.later(120)
    site.release("ann")
    assert site.enter("ann").rank_at == site.now
    site.queue.leave(site.place("ann").id, "ann", site.now)
    site.later(7 * 24 * 60)
    place = site.enter("ann", groups=("bb",))
    assert place.rank_at == place.entered_at


def test_a_clock_that_steps_back_gives_nobody_an_earlier_rank(site: Site) -> None:
    site.cards("aa")
    site.enter("ann")
    site.enter("bob")
    site.later(-600)
    site.enter("cat")
    assert site.waiting() == ["ann", "bob", "cat"]
    assert len({place.rank_at for place in site.queue.open()}) == 3


def test_entering_again_keeps_the_place_and_other_options_keep_the_rank(site: Site) -> None:
    site.cards("aa", "aa")
    first = site.enter("ann")
    site.enter("bob")
    site.later(5)
    assert site.enter("ann") == first
    changed = site.enter("ann", gpu_count=2)
    assert (changed.id, changed.rank_at) == (first.id, first.rank_at)
    assert changed.request.gpu_count == 2


@pytest.mark.parametrize("taken", [True, False])
def test_hours_count_too_for_who_enters_without_a_gpu_and_then_wants_one(
    site: Site, taken: bool
) -> None:
    site.cards("aa")
    site.run("ann")
    site.later(60)
    site.release("ann")
    place = site.enter("ann", gpu_count=0)
    site.later(1)
    site.enter("bob")
    if taken:
        site.queue.change(place.id, wanted("ann"), {}, site.now)
    else:
        site.enter("ann")
    assert site.waiting() == ["bob", "ann"]
    assert site.place("ann").rank_at - place.entered_at == timedelta(minutes=10)


def test_who_was_moved_up_stays_first_with_other_options(site: Site) -> None:
    site.cards("aa")
    site.run("ann")
    site.later(60)
    site.release("ann")
    site.enter("bob")
    place = site.enter("ann", gpu_count=0)
    site.queue.move_up(place.id, "ada")
    site.queue.change(place.id, wanted("ann"), {}, site.now)
    assert site.waiting() == ["ann", "bob"]


def test_the_same_options_are_not_refused_where_the_gpus_are_gone_meanwhile(site: Site) -> None:
    site.cards("aa")
    first = site.enter("ann")
    site.devices.drain("0", True, "ada")
    assert site.enter("ann") == first


def test_a_place_that_starts_is_returned_as_it_is(site: Site) -> None:
    site.cards("aa", "aa")
    site.enter("ann")
    site.dispatch()
    assert site.enter("ann", gpu_count=2) == site.place("ann")
    assert site.place("ann").request.gpu_count == 1
    with pytest.raises(PlaceStarting):
        site.queue.change(site.place("ann").id, site.place("ann").request, {}, site.now)


def test_a_place_that_was_left_is_over_and_leaving_again_changes_nothing(site: Site) -> None:
    site.cards("aa")
    place = site.enter("ann")
    left = site.queue.leave(place.id, "ann", site.now)
    assert (left.state, left.why, left.open) == ("left", "ann", False)
    assert site.queue.fail(place.id, "late", site.now) == left
    assert site.queue.of("ann", "") is None
    assert site.dispatch() == []
    with pytest.raises(PlaceOver):
        site.queue.change(place.id, place.request, {}, site.now)
    assert site.enter("ann").id != place.id


def test_unknown_places_are_refused(site: Site) -> None:
    for act in (
        lambda: site.queue.get("none"),
        lambda: site.queue.leave("none", "ann", site.now),
        lambda: site.queue.move_up("none", "ada"),
    ):
        with pytest.raises(UnknownPlace):
            act()


def test_moving_up_passes_everybody_of_the_site(site: Site) -> None:
    site.cards("aa", "bb")
    for name, group in (("ann", "aa"), ("bob", "bb"), ("cat", "aa"), ("dan", "bb")):
        site.enter(name, groups=(group,))
    site.queue.move_up(site.place("dan").id, "ada")
    assert site.waiting() == ["dan", "ann", "bob", "cat"]


def test_moving_up_within_a_group_passes_nobody_of_another(site: Site) -> None:
    site.cards("aa", "bb")
    groups = {"ann": "aa", "bob": "bb", "cat": "aa", "dan": "bb", "eve": "aa"}
    for name, group in groups.items():
        site.enter(name, groups=(group,))
    site.queue.move_up(site.place("eve").id, "ira", among=("aa",))
    assert site.waiting() == ["eve", "bob", "ann", "dan", "cat"]


def test_a_place_is_of_all_groups_that_may_serve_it_also_when_it_is_over(site: Site) -> None:
    site.cards("aa", "bb")
    both, one = site.enter("ann", groups=("aa", "bb")), site.enter("bob", groups=("bb",))
    site.queue.leave(both.id, "ann", site.now)
    asked = (both.id, one.id, "none")
    assert site.queue.of_groups(asked, ["aa"]) == {both.id}
    assert site.queue.of_groups(asked, ["aa", "bb"]) == {both.id, one.id}
    assert site.queue.of_groups([one.id], ["bb"]) == {one.id}
    assert site.queue.of_groups(asked, []) == set()


def test_who_enters_later_stays_behind_somebody_who_was_moved_up(site: Site) -> None:
    site.cards("aa")
    for name in ("ann", "bob"):
        site.enter(name)
    site.queue.move_up(site.place("bob").id, "ada")
    site.enter("cat")
    assert site.waiting() == ["bob", "ann", "cat"]


def test_a_start_that_is_lost_waits_again_with_its_rank(site: Site) -> None:
    site.cards("aa")
    site.enter("ann")
    site.enter("bob")
    assert site.dispatch() == ["ann"]
    site.release("ann", Ended.CONTAINER_GONE)
    assert site.dispatch() == ["ann"]
    assert site.place("ann").attempts == 0


def test_three_starts_that_fail_end_a_place_and_the_next_is_served(site: Site) -> None:
    site.cards("aa")
    failing = site.enter("ann")
    site.enter("bob")
    for _ in range(3):
        assert site.dispatch() == ["ann"]
        site.release("ann", Ended.FAILED_START)
    assert site.dispatch() == ["bob"]
    failed = site.queue.get(failing.id)
    assert (failed.state, failed.attempts, failed.why) == ("failed", 3, "failed_start")


def test_a_server_that_answered_unseen_is_done(site: Site) -> None:
    """The keeper was killed after it noted the answer in the ledger and before it closed it."""
    site.cards("aa")
    place = site.enter("ann")
    site.dispatch()
    site.ledger.ready(site.lease("ann").id, site.now)
    site.dispatch()
    assert site.queue.get(place.id).state == "done"


def test_a_second_server_of_the_same_name_waits_until_the_first_is_gone(site: Site) -> None:
    site.cards("aa", "aa")
    site.run("ann")
    site.enter("ann")
    assert site.dispatch() == []
    assert site.outlook("ann").reason == "ending"
    site.release("ann")
    assert site.dispatch() == ["ann"]


def test_places_that_ended_are_found_by_when(site: Site) -> None:
    site.cards("aa")
    place = site.enter("ann")
    site.queue.leave(place.id, "ann", site.now)
    assert [each.id for each in site.queue.ended(site.now)] == [place.id]
    assert site.queue.ended(site.now + timedelta(seconds=1)) == []


def test_starts_are_handed_out_in_order_and_no_more_than_are_free(site: Site) -> None:
    for name in ("ann", "bob", "cat"):
        site.enter(name, gpu_count=0, groups=())
    assert site.dispatch(0) == []
    assert site.dispatch(2) == ["ann", "bob"]
    assert site.outlook("cat").reason == "starts"
    assert site.dispatch(1) == ["cat"]
