"""A RadLab with three groups and four devices, and requests that want some of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Device, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def cards() -> list[Device]:
    """Two small cards and a large one, then one of another make."""
    return [
        Device("GPU-aaaa-0", 0, "Large", 80 * 1024),
        Device("GPU-aaab-1", 1, "Small", 24 * 1024),
        Device("GPU-bbbb-2", 2, "Small", 24 * 1024),
        Device("GPU-cccc-3", 3, "Other", 16 * 1024),
    ]


@pytest.fixture
def devices(engine: Engine, cards: list[Device]) -> DeviceStore:
    """The cards recorded; 0 to 2 belong to radiology, 3 to cardiology, none to empty."""
    groups = GroupStore(engine)
    for name in ("radiology", "cardiology", "empty"):
        groups.create(name, by="ada")
    store = DeviceStore(engine)
    store.record(cards, NOON)
    for index, group in enumerate(("radiology", "radiology", "radiology", "cardiology")):
        store.assign(str(index), group, "ada")
    return store


@pytest.fixture
def ledger(devices: DeviceStore) -> Ledger:
    return Ledger(devices.engine)


@pytest.fixture
def request_for() -> Callable[..., LeaseRequest]:
    """Makes a request of a student of radiology for one GPU and an hour, changed as asked."""

    def make(username: str = "sam", **changes: object) -> LeaseRequest:
        fields: dict[str, object] = {
            "username": username,
            "groups": ("radiology",),
            "gpu_count": 1,
            "cpus": 2.0,
            "memory_mb": 8192,
            "minutes": 60,
            "image": "radlab/imaging:1",
        }
        return LeaseRequest(**{**fields, **changes})  # type: ignore[arg-type]

    return make
