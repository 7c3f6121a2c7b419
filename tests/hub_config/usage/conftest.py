"""A RadLab with two groups and four devices, its stores, and leases that were granted in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Device, Ended, Lease, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore
from hub_config.usage.store import AuditStore, QuotaStore, UsageStore

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    """Two devices of radiology and two of oncology, all free."""
    devices = DeviceStore(engine)
    devices.record([Device(f"GPU-{i}", i, "Card", 24576) for i in range(4)], NOON)
    for name in ("radiology", "oncology"):
        GroupStore(engine).create(name, by="ada")
    for index, group in enumerate(("radiology", "radiology", "oncology", "oncology")):
        devices.assign(str(index), group, "ada")
    return Ledger(engine)


@pytest.fixture
def quotas(ledger: Ledger) -> QuotaStore:
    return QuotaStore(ledger.engine)


@pytest.fixture
def usage(ledger: Ledger) -> UsageStore:
    return UsageStore(ledger.engine)


@pytest.fixture
def audit(ledger: Ledger) -> AuditStore:
    return AuditStore(ledger.engine)


@pytest.fixture
def run(ledger: Ledger) -> Callable[..., Lease]:
    """Grants a lease that starts so many minutes after noon, and ends it where told."""

    def grant(
        username: str = "sam",
        group: str = "radiology",
        *,
        start: int = 0,
        end: int | None = None,
        **changes: object,
    ) -> Lease:
        fields: dict[str, object] = {
            "username": username, "groups": (group,), "gpu_count": 1, "cpus": 2.0,
            "memory_mb": 8192, "minutes": 60, "image": "radlab/imaging:1",
        }  # fmt: skip
        request = LeaseRequest(**{**fields, **changes})  # type: ignore[arg-type]
        begin = NOON + timedelta(minutes=start)
        lease = ledger.started(ledger.grant(request, begin).id, "c0ffee", begin)
        if end is None:
            return lease
        return ledger.release(lease.id, Ended.STOPPED, NOON + timedelta(minutes=end))

    return grant
