"""Devices: which were found, which group each belongs to; one transaction a verb.

A device belongs to one group at most or to the pool that all groups may use, and to nobody until an
administrator assigns it. Taking it from a group ends no session: the lease on it runs on to its own
end, and the next is granted to the new group. A device that drains is granted to nobody until that
is taken back. A device that is no longer found is gone, not deleted: leases name it, and when it
comes back it has its group again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Engine, select

from hub_config import clock
from hub_config.db import reading, writing
from hub_config.gpus import refusals, rules
from hub_config.gpus.model import Device, DeviceRow
from hub_config.gpus.tables import DeviceTable, device_rows
from hub_config.groups.store import find

log = logging.getLogger(__name__)


class DeviceStore:
    """All devices of this RadLab."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def record(self, devices: Iterable[Device], now: datetime, server: str = "local") -> None:
        """Keep what was found on `server`; what was not found there is gone since `now`."""
        found = {device.uuid: device for device in devices}
        with writing(self.engine) as session:
            known = session.scalars(select(DeviceTable).where(DeviceTable.server == server))
            for row in known:
                if row.uuid not in found and row.gone_at is None:
                    row.gone_at = now
                    log.warning("GPU %s of server %s is gone", row.uuid, server)
            for device in found.values():
                session.merge(
                    DeviceTable(
                        uuid=device.uuid,
                        server=server,
                        index=device.index,
                        model=device.model,
                        memory_mb=device.memory_mb,
                        simulated=device.simulated,
                        unusable=device.unusable,
                        seen_at=now,
                        gone_at=None,
                    )
                )

    def all(self) -> list[DeviceRow]:
        """Every device with its group and who holds it, by server and index; gone ones last."""
        with reading(self.engine) as session:
            return device_rows(session)

    def assign(self, device: str, group: str | None, by: str, *, pool: bool = False) -> DeviceRow:
        """Give `device` (UUID, its beginning, or index) to `group`, or with None to nobody.

        With `pool` and no group it is everybody's. Raises UnknownDevice, AmbiguousDevice and
        UnknownGroup, which name the nearest, and GroupOrPool. The lease of the answer, where it
        has one, runs on.
        """
        if pool and group is not None:
            raise refusals.group_or_pool(group)
        with writing(self.engine) as session:
            chosen = rules.resolve(device, device_rows(session))
            if group is not None:
                find(session, group)
            row = session.get_one(DeviceTable, chosen.uuid)
            row.group_name = group
            row.pool = pool
            row.assigned_at = clock.now()
            row.assigned_by = by
        log.info("GPU %s assigned to %s by %s", chosen.uuid, "the pool" if pool else group, by)
        return replace(chosen, group=group, pool=pool)

    def drain(self, device: str, on: bool, by: str) -> DeviceRow:
        """Grant nothing new on `device`, or with `on` False grant again; its lease runs on.

        Raises UnknownDevice and AmbiguousDevice.
        """
        with writing(self.engine) as session:
            chosen = rules.resolve(device, device_rows(session))
            session.get_one(DeviceTable, chosen.uuid).draining = on
        log.info("GPU %s draining=%s by %s", chosen.uuid, on, by)
        return replace(chosen, draining=on)
