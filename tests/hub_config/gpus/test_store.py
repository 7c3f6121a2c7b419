from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from hub_config.gpus import rules
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Device, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.groups.rules import UnknownGroup

Ask = Callable[..., LeaseRequest]


def test_what_was_recorded_is_listed(devices: DeviceStore, cards: list[Device]) -> None:
    rows = devices.all()
    assert [(r.uuid, r.index, r.model, r.memory_mb) for r in rows] == [
        (c.uuid, c.index, c.model, c.memory_mb) for c in cards
    ]
    assert [r.group for r in rows] == ["radiology"] * 3 + ["cardiology"]
    assert not any(r.gone or r.lease for r in rows)


def test_recording_again_keeps_groups_and_takes_what_changed(
    devices: DeviceStore, cards: list[Device], noon: datetime
) -> None:
    cards[0] = replace(cards[0], index=7, unusable="mig")
    devices.record(cards, noon + timedelta(days=1))
    moved = next(r for r in devices.all() if r.uuid == cards[0].uuid)
    assert (moved.index, moved.unusable, moved.group) == (7, "mig", "radiology")


def test_what_vanished_is_gone_and_has_its_group_when_it_is_back(
    devices: DeviceStore, cards: list[Device], noon: datetime
) -> None:
    devices.record(cards[1:], noon)
    assert [(r.uuid, r.gone) for r in devices.all()][-1] == (cards[0].uuid, True)
    devices.record(cards, noon)
    back = devices.all()[0]
    assert (back.uuid, back.gone, back.group) == (cards[0].uuid, False, "radiology")


def test_what_one_server_lists_takes_nothing_from_another(
    devices: DeviceStore, noon: datetime
) -> None:
    devices.record([Device("GPU-far", 0, "Card", 24576)], noon, server="second")
    assert [r.gone for r in devices.all()] == [False] * 5
    assert devices.all()[-1].server == "second"


def test_a_gone_device_is_not_granted(
    devices: DeviceStore, ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    devices.record([], noon)
    with pytest.raises(rules.NoGpuForGroup):
        ledger.grant(request_for(), noon)


def test_a_device_that_nobody_was_given_serves_nobody(
    devices: DeviceStore, ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    assert devices.assign("3", None, "ada").group is None
    with pytest.raises(rules.NoGpuForGroup):
        ledger.grant(request_for(groups=("cardiology",)), noon)


def test_taking_a_device_away_lets_the_lease_on_it_run_on(
    devices: DeviceStore, ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(groups=("cardiology",)), noon)
    row = devices.assign("GPU-cccc", "empty", "ada")
    assert (row.group, row.lease) == ("empty", lease)
    assert ledger.get(lease.id).active
    with pytest.raises(rules.NoFreeGpu) as full:
        ledger.grant(request_for("eve", groups=("empty",)), noon)
    assert full.value.next_free_at == lease.ends_at


@pytest.mark.parametrize(
    ("device", "group", "error", "hint"),
    [
        ("GPU-aaax", "radiology", rules.UnknownDevice, "Did you mean 'GPU-aaa"),
        ("GPU-aa", "radiology", rules.AmbiguousDevice, "2 GPUs match"),
        ("0", "radiologi", UnknownGroup, "Did you mean 'radiology'"),
    ],
)
def test_a_wrong_name_is_refused_and_nothing_changes(
    devices: DeviceStore, device: str, group: str, error: type[Exception], hint: str
) -> None:
    before = devices.all()
    with pytest.raises(error, match=hint):
        devices.assign(device, group, "ada")
    assert devices.all() == before
