"""The rounds that watch what runs, put together: load, idle sessions, homes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from docker import APIClient
from sqlalchemy import Engine, select

from hub_config.db import reading
from hub_config.gpus.ledger import Ledger
from hub_config.keeper.culling import CULL_SECONDS, Culler
from hub_config.keeper.homes_use import HOMES_SECONDS, HomesUse
from hub_config.keeper.kernel_log import KernelLog
from hub_config.keeper.loop import Round
from hub_config.keeper.meter import Meter
from hub_config.keeper.rules import Standing
from hub_config.keeper.sampling import SAMPLE_SECONDS, Sampler
from hub_config.queueing.tables import PlaceTable, request_of
from hub_config.settings import Settings
from hub_config.usage.rules import disk_limit
from hub_config.usage.store import QuotaStore, UsageStore, for_person


def watching_rounds(
    settings: Settings,
    database: Engine,
    containers: Callable[[], Iterable[Standing]],
    client: Callable[[], APIClient],
) -> list[Round]:
    """What the keeper does beside starting and ending; `client` gives the engine's client."""
    ledger, uses = Ledger(database), UsageStore(database)
    meter = Meter(settings.instance, client)
    sampler = Sampler(ledger, uses, containers, meter, KernelLog())
    homes = HomesUse(settings, ledger, uses, partial(disk_limit_of, database))
    culler = Culler(settings, ledger, uses, QuotaStore(database).hours_ends)
    return [
        Round(sampler.round, SAMPLE_SECONDS),
        Round(culler.round, CULL_SECONDS),
        Round(homes.round, HOMES_SECONDS),
    ]


def disk_limit_of(database: Engine, username: str) -> int | None:
    """How many MB the home of `username` may hold; their groups are those of their last place."""
    newest = select(PlaceTable.request).where(PlaceTable.username == username)
    with reading(database) as session:
        kept = session.scalar(newest.order_by(PlaceTable.entered_at.desc()).limit(1))
        groups = request_of(kept).groups if kept else ()
        return disk_limit(for_person(session, username, groups))
