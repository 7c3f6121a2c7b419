from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from hub_config.db import writing
from hub_config.gpus import rules
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.gpus.tables import LeaseDeviceTable, LeaseTable

Ask = Callable[..., LeaseRequest]
HOUR = timedelta(minutes=60)


def test_a_lease_says_who_what_and_until_when(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    request = request_for(module="05_classification", module_version="1.0.0", server_name="b")
    lease = ledger.grant(request, noon)
    assert ledger.get(lease.id) == lease
    assert len(lease.id) == 32
    assert (lease.username, lease.server_name, lease.group) == ("sam", "b", "radiology")
    assert (lease.module, lease.module_version) == ("05_classification", "1.0.0")
    assert lease.device_uuids == ("GPU-aaab-1",)
    assert (lease.granted_at, lease.started_at, lease.ends_at) == (noon, None, noon + HOUR)
    assert lease.active
    assert not lease.simulated


def test_a_lease_may_hold_several_devices(ledger: Ledger, request_for: Ask, noon: datetime) -> None:
    lease = ledger.grant(request_for(gpu_count=3), noon)
    assert lease.device_uuids == ("GPU-aaaa-0", "GPU-aaab-1", "GPU-bbbb-2")


def test_a_lease_without_a_gpu_needs_no_device(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(gpu_count=0, groups=("empty",)), noon)
    assert (lease.devices, lease.group) == ((), "empty")
    assert ledger.grant(request_for("guest", gpu_count=0, groups=()), noon).group is None


def test_groups_that_are_no_class_groups_lend_nothing(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(groups=("instructors", "cardiology")), noon)
    assert lease.group == "cardiology"


def test_the_group_is_never_given_more_than_it_has(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    taken = [ledger.grant(request_for(f"student{i}"), noon) for i in range(3)]
    assert len({lease.device_uuids for lease in taken}) == 3
    with pytest.raises(rules.NoFreeGpu, match="radiology") as full:
        ledger.grant(request_for("late"), noon + HOUR / 2)
    assert full.value.next_free_at == noon + HOUR
    assert {lease.id for lease in ledger.active()} == {lease.id for lease in taken}


def test_a_refused_request_leaves_no_trace(
    ledger: Ledger, devices: DeviceStore, request_for: Ask, noon: datetime
) -> None:
    for changes in ({"minutes": 0}, {"gpu_count": 4}, {"groups": ("empty",)}):
        with pytest.raises((rules.BadLeaseRequest, rules.NoGpuForGroup)):
            ledger.grant(request_for(**changes), noon)
    assert ledger.active() == []
    assert not any(row.lease for row in devices.all())


def test_a_named_server_holds_one_lease(ledger: Ledger, request_for: Ask, noon: datetime) -> None:
    first = ledger.grant(request_for(), noon)
    with pytest.raises(rules.AlreadyHeld) as refused:
        ledger.grant(request_for(gpu_count=0), noon)
    assert refused.value.lease == first
    other = ledger.grant(request_for(server_name="second"), noon)
    assert ledger.active() == sorted([first, other], key=lambda lease: lease.id)


def test_the_minutes_count_from_the_start_of_the_container(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(), noon)
    started = ledger.started(lease.id, "c0ffee", noon + timedelta(minutes=2))
    assert started.started_at == noon + timedelta(minutes=2)
    assert started.ends_at == noon + HOUR + timedelta(minutes=2)
    assert started.container_id == "c0ffee"
    assert ledger.get(lease.id) == started


def test_starting_again_gives_no_more_minutes(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(), noon)
    first = ledger.started(lease.id, "c0ffee", noon)
    again = ledger.started(lease.id, "decaf", noon + HOUR / 2)
    assert again.ends_at == first.ends_at
    assert again.container_id == "decaf"


def test_nothing_starts_under_a_lease_that_is_over(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(), noon)
    over = ledger.release(lease.id, Ended.FAILED_START, noon)
    with pytest.raises(rules.LeaseOver, match="failed_start"):
        ledger.started(lease.id, "c0ffee", noon)
    assert ledger.get(lease.id) == over


def test_a_released_device_can_be_granted_again(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(groups=("cardiology",)), noon)
    ledger.release(lease.id, Ended.STOPPED, noon + HOUR / 4)
    later = ledger.grant(request_for(groups=("cardiology",)), noon + HOUR / 2)
    assert later.device_uuids == lease.device_uuids
    assert later.id != lease.id


def test_releasing_again_keeps_the_first_reason_and_time(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(), noon)
    first = ledger.release(lease.id, Ended.TIME_UP, noon + HOUR)
    assert (first.why_ended, first.released_at) == (Ended.TIME_UP, noon + HOUR)
    assert ledger.release(lease.id, Ended.ADMINISTRATOR, noon + 2 * HOUR) == first


def test_releasing_again_frees_nothing_of_the_next_lease(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    old = ledger.grant(request_for(groups=("cardiology",)), noon)
    ledger.release(old.id, Ended.STOPPED, noon)
    new = ledger.grant(request_for(groups=("cardiology",)), noon)
    ledger.release(old.id, Ended.CONTAINER_GONE, noon)
    with pytest.raises(rules.NoFreeGpu):
        ledger.grant(request_for("eve", groups=("cardiology",)), noon)
    assert ledger.active() == [new]


def test_a_clock_that_stepped_back_gives_no_negative_session(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(), noon)
    over = ledger.release(lease.id, Ended.STOPPED, noon - HOUR)
    assert over.released_at == noon


def test_a_lease_is_due_when_its_time_is_up_until_it_is_released(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(), noon)
    assert ledger.due(noon + HOUR - timedelta(seconds=1)) == []
    assert ledger.due(noon + HOUR) == [lease]
    ledger.release(lease.id, Ended.TIME_UP, noon + HOUR)
    assert ledger.due(noon + 2 * HOUR) == []


def test_a_time_that_is_up_frees_no_device_while_its_container_is_there(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    ledger.grant(request_for(groups=("cardiology",)), noon)
    with pytest.raises(rules.NoFreeGpu) as full:
        ledger.grant(request_for("eve", groups=("cardiology",)), noon + 2 * HOUR)
    assert full.value.next_free_at == noon + 2 * HOUR


def test_the_list_of_devices_says_who_holds_each(
    ledger: Ledger, devices: DeviceStore, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(gpu_count=2), noon)
    held = {row.uuid: row.lease for row in devices.all()}
    assert held == {
        "GPU-aaaa-0": None, "GPU-aaab-1": lease, "GPU-bbbb-2": lease, "GPU-cccc-3": None,
    }  # fmt: skip


def test_what_is_free_is_counted_for_the_groups_that_ask(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    ledger.grant(request_for(groups=("cardiology",)), noon)
    mine = ledger.free_for(["cardiology"], noon)
    assert (mine.free, mine.total, mine.enough, mine.next_free_at) == (0, 1, False, noon + HOUR)
    both = ledger.free_for(["cardiology", "radiology"], noon, memory_mb=24 * 1024)
    assert (both.free, both.total, both.enough, both.next_free_at) == (3, 3, True, None)
    nobody = ledger.free_for([], noon)
    assert (nobody.total, nobody.enough, nobody.next_free_at) == (0, False, None)


@pytest.mark.parametrize("verb", ["get", "started", "release"])
def test_an_unknown_lease_is_refused(ledger: Ledger, noon: datetime, verb: str) -> None:
    words: dict[str, tuple[Any, ...]] = {
        "get": (), "started": ("c0ffee", noon), "release": (Ended.STOPPED, noon),
    }  # fmt: skip
    with pytest.raises(rules.UnknownLease):
        getattr(ledger, verb)("no-such-lease", *words[verb])


def _raw_lease(noon: datetime, lease_id: str, username: str) -> dict[str, Any]:
    return {
        "id": lease_id, "server": "local", "username": username, "server_name": "", "task": "lab",
        "image": "i", "cpus": 1.0, "memory_mb": 1, "gpu_count": 1, "minutes": 1,
        "granted_at": noon, "ends_at": noon,
    }  # fmt: skip


def test_the_database_itself_refuses_a_device_twice(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(), noon)
    with pytest.raises(IntegrityError), writing(ledger.engine) as session:
        session.execute(insert(LeaseTable).values(_raw_lease(noon, "f" * 32, "eve")))
        session.execute(
            insert(LeaseDeviceTable).values(
                lease_id="f" * 32, device_uuid=lease.device_uuids[0], share=0
            )
        )
    assert ledger.active() == [lease]


def test_the_database_itself_refuses_a_named_server_twice(
    ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(), noon)
    with pytest.raises(IntegrityError), writing(ledger.engine) as session:
        session.execute(insert(LeaseTable).values(_raw_lease(noon, "f" * 32, "sam")))
    assert ledger.active() == [lease]
