"""What happens to a lease between its start and its end: ready, extended, told to end early."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from hub_config.gpus import rules
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended, Lease, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore

Ask = Callable[..., LeaseRequest]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def lease(ledger: Ledger, request_for: Ask, noon: datetime) -> Lease:
    """A lease of an hour that runs since noon."""
    granted = ledger.grant(request_for(size="small"), noon)
    return ledger.started(granted.id, "c0ffee", noon)


def test_the_first_answer_of_jupyterlab_stays_noted(
    ledger: Ledger, lease: Lease, noon: datetime
) -> None:
    assert lease.ready_at is None
    assert ledger.ready(lease.id, noon + MINUTE).ready_at == noon + MINUTE
    assert ledger.ready(lease.id, noon + 9 * MINUTE).ready_at == noon + MINUTE


def test_what_answers_has_started(ledger: Ledger, request_for: Ask, noon: datetime) -> None:
    granted = ledger.grant(request_for(), noon)
    ready = ledger.ready(granted.id, noon + MINUTE)
    assert (ready.started_at, ready.ends_at) == (noon + MINUTE, noon + 61 * MINUTE)


def test_a_lease_keeps_its_size_its_image_and_its_datasets(ledger: Ledger, lease: Lease) -> None:
    assert lease.size == "small"
    kept = ledger.record_start(lease.id, "sha256:1234", ["肺/2", "chest/1"])
    assert (kept.image_digest, kept.datasets) == ("sha256:1234", ("chest/1", "肺/2"))
    assert ledger.get(lease.id) == kept


def test_an_extension_moves_the_end(ledger: Ledger, lease: Lease, noon: datetime) -> None:
    longer = ledger.extend(lease.id, 30, noon, most_minutes=90)
    assert (longer.ends_at, longer.until) == (noon + 90 * MINUTE,) * 2
    assert (longer.minutes, longer.extended_minutes) == (60, 30)
    assert ledger.due(noon + 60 * MINUTE) == []


def test_an_extension_before_the_start_counts_from_the_start_too(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    granted = ledger.grant(request_for(), noon)
    ledger.extend(granted.id, 30, noon, most_minutes=90)
    assert ledger.started(granted.id, "c0ffee", noon + MINUTE).ends_at == noon + 91 * MINUTE


def test_nothing_is_extended_beyond_what_a_session_may_have(
    ledger: Ledger, lease: Lease, noon: datetime
) -> None:
    with pytest.raises(rules.LongEnough, match=r"has 60 minutes, and 31 more .* 90") as refused:
        ledger.extend(lease.id, 31, noon, most_minutes=90)
    assert refused.value.allowed == 30
    assert ledger.get(lease.id) == lease


@pytest.mark.parametrize("minutes", [0, -5])
def test_an_extension_by_nothing_is_refused(
    ledger: Ledger, lease: Lease, noon: datetime, minutes: int
) -> None:
    with pytest.raises(rules.BadLeaseRequest, match="minutes"):
        ledger.extend(lease.id, minutes, noon, most_minutes=90)


@pytest.mark.parametrize("why", [Ended.RECALLED, Ended.HOURS_USED])
def test_what_ends_early_cannot_be_extended(
    ledger: Ledger, lease: Lease, noon: datetime, why: Ended
) -> None:
    ledger.stop_early(lease.id, noon + 5 * MINUTE, why)
    with pytest.raises(rules.EndsEarly, match="12:05"):
        ledger.extend(lease.id, 10, noon, most_minutes=90)
    assert ledger.get(lease.id).extended_minutes == 0


def test_an_idle_server_can_be_extended(ledger: Ledger, lease: Lease, noon: datetime) -> None:
    ledger.stop_early(lease.id, noon + 5 * MINUTE, Ended.IDLE)
    assert ledger.extend(lease.id, 10, noon, most_minutes=90).extended_minutes == 10


def test_what_is_being_ended_is_over_for_extensions(
    ledger: Ledger, lease: Lease, noon: datetime
) -> None:
    ledger.note_end(lease.id, Ended.ADMINISTRATOR)
    with pytest.raises(rules.LeaseOver):
        ledger.extend(lease.id, 10, noon, most_minutes=90)


@pytest.mark.parametrize("verb", ["ready", "record_start", "extend", "started"])
def test_nothing_happens_to_a_lease_that_is_over(
    ledger: Ledger, lease: Lease, noon: datetime, verb: str
) -> None:
    over = ledger.release(lease.id, Ended.STOPPED, noon)
    with pytest.raises(rules.LeaseOver, match="stopped"):
        if verb == "extend":
            ledger.extend(lease.id, 10, noon, most_minutes=90)
        elif verb == "record_start":
            ledger.record_start(lease.id, "sha256:1", [])
        elif verb == "ready":
            ledger.ready(lease.id, noon)
        else:
            ledger.started(lease.id, "c0ffee", noon)
    assert ledger.get(lease.id) == over


def test_an_early_end_makes_a_lease_due_and_says_why(
    ledger: Ledger, lease: Lease, noon: datetime
) -> None:
    early = ledger.stop_early(lease.id, noon + 5 * MINUTE, Ended.IDLE)
    assert (early.until, early.until_why) == (noon + 5 * MINUTE, Ended.IDLE)
    assert ledger.due(noon + 4 * MINUTE) == []
    assert ledger.due(noon + 5 * MINUTE) == [early]


def test_of_two_early_ends_the_earlier_stays(ledger: Ledger, lease: Lease, noon: datetime) -> None:
    ledger.stop_early(lease.id, noon + 10 * MINUTE, Ended.RECALLED)
    later = ledger.stop_early(lease.id, noon + 20 * MINUTE, Ended.IDLE)
    assert (later.stop_at, later.stop_why) == (noon + 10 * MINUTE, Ended.RECALLED)
    sooner = ledger.stop_early(lease.id, noon + 5 * MINUTE, Ended.IDLE)
    assert (sooner.stop_at, sooner.stop_why) == (noon + 5 * MINUTE, Ended.IDLE)


def test_an_end_that_was_noted_and_did_not_come_is_taken_back_with_its_reason(
    ledger: Ledger, lease: Lease, noon: datetime
) -> None:
    ledger.stop_early(lease.id, noon + 5 * MINUTE, Ended.IDLE)
    ledger.note_end(lease.id, Ended.IDLE)
    assert ledger.let_run(lease.id, Ended.IDLE) == lease
    assert ledger.extend(lease.id, 10, noon, most_minutes=90).extended_minutes == 10


def test_an_end_that_was_noted_for_another_reason_stays(
    ledger: Ledger, lease: Lease, noon: datetime
) -> None:
    ledger.stop_early(lease.id, noon + 5 * MINUTE, Ended.IDLE)
    ledger.note_end(lease.id, Ended.ADMINISTRATOR)
    assert ledger.let_run(lease.id, Ended.IDLE).why_ended is Ended.ADMINISTRATOR
    over = ledger.release(lease.id, Ended.STOPPED, noon)
    assert ledger.let_run(lease.id, Ended.ADMINISTRATOR) == over


def test_an_early_end_is_taken_back_by_its_own_reason_only(
    ledger: Ledger, lease: Lease, noon: datetime
) -> None:
    early = ledger.stop_early(lease.id, noon + 5 * MINUTE, Ended.RECALLED)
    assert ledger.let_run(lease.id, Ended.IDLE) == early
    assert ledger.let_run(lease.id, Ended.RECALLED) == lease


def test_history_holds_what_was_not_over_by_then(
    ledger: Ledger, lease: Lease, request_for: Ask, noon: datetime
) -> None:
    other = ledger.grant(request_for("kim", groups=("cardiology",)), noon)
    over = ledger.release(lease.id, Ended.STOPPED, noon + 10 * MINUTE)
    assert ledger.history(noon) == sorted([over, other], key=lambda found: found.id)
    assert ledger.history(noon + 10 * MINUTE) == [other]
    assert ledger.history(noon, usernames=["sam"]) == [over]
    assert ledger.history(noon, groups=["cardiology"]) == [other]
    assert ledger.history(noon, groups=[]) == []


def test_everybody_who_ever_held_a_lease_is_known(
    ledger: Ledger, lease: Lease, request_for: Ask, noon: datetime
) -> None:
    ledger.release(lease.id, Ended.STOPPED, noon)
    for server in ("", "second"):
        ledger.grant(request_for("kim", gpu_count=0, server_name=server), noon)
    assert ledger.usernames() == ["kim", "sam"]


def test_a_loan_names_its_lender_and_counts_for_the_borrower(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    groups = GroupStore(ledger.engine)
    with pytest.raises(rules.NoGpuForGroup):
        ledger.grant(request_for(groups=("empty",)), noon)
    groups.set_lending("cardiology", True, False, "ada")
    groups.set_lending("empty", False, True, "ada")
    assert ledger.free_for(["empty"], noon).free == 1
    loan = ledger.grant(request_for(groups=("empty",)), noon)
    assert (loan.group, loan.lender, loan.device_uuids) == ("empty", "cardiology", ("GPU-cccc-3",))
    with pytest.raises(rules.NoFreeGpu):
        ledger.grant(request_for("kim", groups=("cardiology",)), noon)


def test_lending_that_ends_cuts_no_loan(ledger: Ledger, request_for: Ask, noon: datetime) -> None:
    groups = GroupStore(ledger.engine)
    groups.set_lending("cardiology", True, None, "ada")
    groups.set_lending("empty", None, True, "ada")
    loan = ledger.grant(request_for(groups=("empty",)), noon)
    groups.set_lending("cardiology", False, None, "ada")
    assert ledger.active() == [loan]


def test_every_group_may_use_the_pool(
    ledger: Ledger, devices: DeviceStore, request_for: Ask, noon: datetime
) -> None:
    row = devices.assign("3", None, "ada", pool=True)
    assert (row.group, row.pool) == (None, True)
    lease = ledger.grant(request_for(groups=("empty",)), noon)
    assert (lease.group, lease.lender, lease.device_uuids) == ("empty", None, ("GPU-cccc-3",))


def test_a_device_of_the_pool_that_a_group_gets_is_in_the_pool_no_more(
    devices: DeviceStore,
) -> None:
    devices.assign("3", None, "ada", pool=True)
    row = devices.assign("3", "empty", "ada")
    assert (row.group, row.pool) == ("empty", False)
    assert devices.all()[3] == row


def test_a_device_is_a_groups_or_the_pools(devices: DeviceStore) -> None:
    before = devices.all()
    with pytest.raises(rules.GroupOrPool, match="radiology"):
        devices.assign("3", "radiology", "ada", pool=True)
    assert devices.all() == before


def test_draining_ends_no_session_and_grants_nothing_new(
    ledger: Ledger, devices: DeviceStore, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(groups=("cardiology",)), noon)
    row = devices.drain("3", True, "ada")
    assert (row.draining, row.lease) == (True, lease)
    ledger.release(lease.id, Ended.STOPPED, noon)
    with pytest.raises(rules.NoGpuForGroup):
        ledger.grant(request_for(groups=("cardiology",)), noon)
    devices.drain("3", False, "ada")
    assert ledger.grant(request_for(groups=("cardiology",)), noon).device_uuids == ("GPU-cccc-3",)


def test_a_device_that_comes_back_drains_on(devices: DeviceStore, noon: datetime) -> None:
    [card] = [row for row in devices.all() if row.index == 3]
    devices.drain(card.uuid, True, "ada")
    devices.record([], noon)
    devices.record([rules.Device(card.uuid, 3, "Other", 16384)], noon)
    [back] = [row for row in devices.all() if not row.gone]
    assert (back.draining, back.group) == (True, "cardiology")
