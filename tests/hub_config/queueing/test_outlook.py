"""What those who wait are told: when, why, and what could start now; learnt from what ran."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hub_config.gpus.model import Ended
from hub_config.queueing.model import Choice, NoExtension, Reason
from hub_config.usage.model import Kind, Limits
from tests.hub_config.queueing.story import Site, wanted


def seconds(site: Site, moment: datetime | None) -> float:
    assert moment is not None
    return (moment - site.now).total_seconds()


def test_who_waits_for_a_gpu_is_told_its_end_and_the_start(site: Site) -> None:
    site.cards("aa")
    lease = site.run("ann")
    site.enter("bob")
    told = site.outlook("bob")
    assert (told.position, told.waiting, told.reason) == (1, 1, Reason.BUSY)
    assert told.reason_values == {
        "group": "aa",
        "total": 1,
        "used": 1,
        "next_free_at": lease.until,
    }
    assert told.expected_at is not None
    assert lease.until <= told.expected_at <= lease.until + timedelta(seconds=15)


def test_each_further_place_is_expected_after_the_one_before(site: Site) -> None:
    site.cards("aa", "aa")
    site.run("ann", minutes=30)
    site.run("bob", minutes=60)
    moments = []
    for index in range(4):
        site.enter(f"s{index}", minutes=60)
        expected = site.outlook(f"s{index}").expected_at
        moments.append(round(seconds(site, expected) / 60))
    assert moments == [30, 60, 90, 120]


def test_an_early_end_is_expected_where_such_sessions_end_early(site: Site) -> None:
    site.cards("aa")
    for _ in range(5):
        site.run("ann", module="m")
        site.later(20)
        site.release("ann")
    site.run("bob", module="m")
    site.enter("cat", module="m")
    assert round(seconds(site, site.outlook("cat").expected_at) / 60) == 20
    site.later(30)
    assert round(seconds(site, site.outlook("cat").expected_at) / 60) == 30


def test_sessions_of_something_else_and_failed_starts_teach_nothing(site: Site) -> None:
    site.cards("aa")
    for index in range(6):
        site.run("ann", module="m" if index % 2 else "other")
        site.later(20)
        site.release("ann", Ended.FAILED_START if index % 2 else Ended.STOPPED)
    site.run("bob", module="m")
    site.enter("cat", module="m")
    assert round(seconds(site, site.outlook("cat").expected_at) / 60) == 60


def test_starts_are_expected_as_many_at_once_as_start(site: Site) -> None:
    site.settings.starts_at_once = 2
    for _ in range(3):
        site.run("old", gpu_count=0, groups=())
        site.release("old")
    for index in range(6):
        site.enter(f"s{index}", gpu_count=0, groups=())
    site.queue.dispatch(site.now, 2, seconds_a_start=10)
    expected = [place.expected_at for place in site.queue.open()]
    assert [seconds(site, moment) for moment in expected] == [10, 10, 20, 20, 30, 30]


def test_what_a_start_takes_is_learnt_from_the_latest_starts(site: Site) -> None:
    site.settings.starts_at_once = 1
    for name in ("ann", "bob", "cat"):
        site.enter(name, gpu_count=0, groups=())
        site.dispatch()
        site.later(0.5)
        site.arrive(site.lease(name).id)
    site.later(2)
    site.enter("dan", gpu_count=0, groups=())
    site.enter("eve", gpu_count=0, groups=())
    assert seconds(site, site.outlook("eve").expected_at) == 60


@pytest.mark.parametrize(("usual", "counts"), [(1, True), (0.1, False)])
def test_a_start_counts_until_it_takes_much_longer_than_starts_take_here(
    site: Site, usual: float, counts: bool
) -> None:
    site.settings.starts_at_once = 1
    site.enter("ann", gpu_count=0, groups=())
    site.dispatch()
    site.later(usual)
    site.arrive(site.lease("ann").id)
    site.later(2)
    site.enter("slow", gpu_count=0, groups=())
    site.dispatch()
    site.later(2)
    site.enter("eve", gpu_count=0, groups=())
    assert site.outlook("eve").reason_values["used"] == counts


def test_the_first_forecast_is_kept(site: Site) -> None:
    site.cards("aa")
    site.run("ann")
    site.enter("bob")
    site.dispatch()
    first = site.place("bob").expected_at
    assert first is not None
    site.later(10)
    site.release("ann")
    site.dispatch()
    assert site.place("bob").expected_at == first


def test_a_session_that_overstays_is_never_expected_in_the_past(site: Site) -> None:
    site.cards("aa")
    site.run("ann")
    site.enter("bob")
    site.later(90)
    assert seconds(site, site.outlook("bob").expected_at) > 0


def test_a_server_that_starts_is_told_so(site: Site) -> None:
    site.cards("aa")
    site.enter("ann")
    site.enter("bob")
    site.dispatch()
    told = site.outlook("ann")
    assert (told.position, told.reason) == (0, Reason.STARTING)
    assert site.outlook("bob").position == 1


def test_what_could_start_now_is_offered_and_what_could_not_is_not(site: Site) -> None:
    site.cards("aa", "bb")
    site.run("ann")
    site.run("ben", groups=("bb",))
    place = site.enter("bob", groups=("aa", "bb"))
    choices = [
        Choice({"gpus": 0}, wanted("bob", gpu_count=0)),
        Choice({"gpus": 1}, wanted("bob", minutes=30)),
    ]
    assert site.outlook("bob", offered={place.id: choices}).alternatives == ({"gpus": 0},)


def test_nothing_that_is_promised_to_others_is_offered(site: Site) -> None:
    site.cards("aa", "aa")
    site.run("ann")
    site.enter("big", gpu_count=2)
    bob = site.enter("bob", minutes=90)
    choices = [Choice({"short": n}, wanted("bob", minutes=n)) for n in (30, 90)]
    told = site.outlook("bob", offered={bob.id: choices})
    assert told.alternatives == ({"short": 30},)


def test_while_nothing_starts_everybody_is_told_that(site: Site) -> None:
    site.enter("ann", gpu_count=0, groups=())
    told = site.outlook("ann", paused=True)
    assert (told.reason, told.alternatives) == (Reason.PAUSED, ())


def test_where_no_card_is_left_no_moment_is_told(site: Site) -> None:
    site.cards("aa")
    site.enter("ann")
    site.devices.drain("0", True, "ada")
    told = site.outlook("ann")
    assert (told.expected_at, told.reason, told.reason_values["total"]) == (None, Reason.BUSY, 0)


# --- extensions


def test_a_session_is_extended_where_nobody_waits(site: Site) -> None:
    site.cards("aa")
    lease = site.run("ann")
    assert site.queue.may_extend(lease, site.now).minutes == site.settings.extend_minutes


def test_a_session_is_not_extended_while_somebody_waits_for_its_gpu(site: Site) -> None:
    site.cards("aa", "bb")
    ann, ben = site.run("ann"), site.run("ben", groups=("bb",))
    site.enter("bob")
    assert site.queue.may_extend(ann, site.now).refused is NoExtension.WAITED_FOR
    assert site.queue.may_extend(ben, site.now).refused is None


def test_the_owner_of_a_gpu_is_not_kept_from_it_by_borrowers(site: Site) -> None:
    site.cards("aa")
    site.groups.create("bb", by="ada")
    site.groups.set_lending("aa", True, False, "ada")
    site.groups.set_lending("bb", False, True, "ada")
    lease = site.run("ann")
    site.enter("bob", groups=("bb",))
    assert site.queue.may_extend(lease, site.now).refused is None


@pytest.mark.parametrize(
    ("limits", "minutes", "refused"),
    [
        ({"minutes": 75}, 15, None),
        ({"minutes": 60}, 0, NoExtension.LONGEST),
        ({"gpu_hours_week": 1.25}, 15, None),
        ({"gpu_hours_week": 1}, 0, NoExtension.HOURS),
    ],
)
def test_an_extension_is_what_limits_leave(
    site: Site, limits: dict[str, float], minutes: int, refused: NoExtension | None
) -> None:
    site.cards("aa")
    site.quotas.set(Kind.PERSON, "ann", Limits(**limits), "ada")
    offered = site.queue.may_extend(site.run("ann"), site.now)
    assert (offered.minutes, offered.refused) == (minutes, refused)


def test_a_session_that_was_called_back_is_not_extended_and_an_idle_one_is(site: Site) -> None:
    site.cards("aa")
    lease = site.run("ann")
    soon = site.now + timedelta(minutes=5)
    idle = site.ledger.stop_early(lease.id, soon, Ended.IDLE)
    assert site.queue.may_extend(idle, site.now).refused is None
    called = site.ledger.stop_early(lease.id, soon - timedelta(minutes=1), Ended.RECALLED)
    assert site.queue.may_extend(called, site.now).refused is NoExtension.EARLY
