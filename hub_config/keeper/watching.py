"""The rounds that watch what runs, put together: load, idle sessions, homes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from docker import APIClient
from sqlalchemy import Engine

from hub_config.gpus.ledger import Ledger
from hub_config.keeper.culling import CULL_SECONDS, Culler
from hub_config.keeper.homes_use import HOMES_SECONDS, HomesUse
from hub_config.keeper.kernel_log import KernelLog
from hub_config.keeper.loop import Round
from hub_config.keeper.meter import Meter
from hub_config.keeper.rules import Standing
from hub_config.keeper.sampling import SAMPLE_SECONDS, Sampler
from hub_config.settings import Settings
from hub_config.usage.store import QuotaStore, UsageStore


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
    culler = Culler(settings, ledger, uses, QuotaStore(database).hours_ends)
    return [
        Round(sampler.round, SAMPLE_SECONDS),
        Round(culler.round, CULL_SECONDS),
        Round(HomesUse(settings, ledger, uses).round, HOMES_SECONDS),
    ]
