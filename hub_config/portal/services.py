"""What the portal works with: the settings, the slices' stores, the Hub, and who is known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import Engine

from hub_config.db import open_database
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore
from hub_config.invites.store import InviteStore, open_store
from hub_config.portal import TOKEN_SECRET
from hub_config.portal.hub import Hub
from hub_config.portal.sealing import Seals
from hub_config.portal.sessions import Sessions
from hub_config.queueing.store import QueueStore
from hub_config.settings import Settings
from hub_config.teaching.store import OfferStore, ProgressStore, PublicationStore
from hub_config.usage.store import AuditStore, QuotaStore, UsageStore


@dataclass(frozen=True, kw_only=True)
class Services:
    """One of each; the slices' routers find their stores here by name."""

    settings: Settings
    engine: Engine
    hub: Hub
    seals: Seals
    sessions: Sessions
    groups: GroupStore
    devices: DeviceStore
    ledger: Ledger
    invites: InviteStore
    queue: QueueStore
    usage: UsageStore
    quotas: QuotaStore
    audit: AuditStore
    publications: PublicationStore
    offers: OfferStore
    progress: ProgressStore
    # One edit of memberships at a time: the second one reads what the first one has left.
    regrouping: asyncio.Lock = field(default_factory=asyncio.Lock)


def open_services(
    settings: Settings, *, engine: Engine | None = None, hub: Hub | None = None
) -> Services:
    """Services on the site's database and Hub, or on those given."""
    token = settings.secret(TOKEN_SECRET)
    engine = engine or open_database(settings.radlab_database_url)
    hub = hub or Hub(settings.hub_api_url, token)
    return Services(
        settings=settings,
        engine=engine,
        hub=hub,
        seals=Seals(token),
        sessions=Sessions(hub),
        groups=GroupStore(engine),
        devices=DeviceStore(engine),
        ledger=Ledger(engine),
        invites=open_store(settings, engine),
        queue=QueueStore(engine, settings),
        usage=UsageStore(engine),
        quotas=QuotaStore(engine),
        audit=AuditStore(engine),
        publications=PublicationStore(engine),
        offers=OfferStore(engine),
        progress=ProgressStore(engine),
    )
