"""A class of this platform: accounts made with a code, and how its places were served."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from crowd import Person

from hub_config import clock
from hub_config.db import open_database
from hub_config.gpus.ledger import Ledger
from hub_config.groups.store import GroupStore
from hub_config.invites.store import open_store
from hub_config.queueing.store import QueueStore
from hub_config.settings import Settings

GROUP = "bench"
CHOSEN = {"start": "image/base/0", "language": "en"}
_AT_ONCE = 4
_EVER = datetime(2000, 1, 1, tzinfo=UTC)


async def make_members(
    address: str, settings: Settings, names: Sequence[str], password: str
) -> None:
    """Sign them up one after the other, as a class does in its first week."""
    database = open_database(settings.radlab_database_url)
    GroupStore(database).create(GROUP, title="Measurements", by="bench")
    expires = clock.now() + timedelta(hours=1)
    store = open_store(settings, database)
    code = store.create(
        role="student", group=GROUP, by="bench", expires_at=expires, uses=len(names)
    ).code
    database.dispose()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def sign_up(name: str) -> None:
        async with gate:
            person = Person(address, name)
            fields = {"code": code, "notice": "accepted", "username": name}
            fields |= {"password": password, "password_again": password}
            status, leads = await person.send("/hub/signup", fields)
            await person.http.close()
            assert status in (302, 303), (status, leads)

    await asyncio.gather(*(sign_up(name) for name in names))


def out_of_order(settings: Settings) -> int:
    """How many were granted their lease after somebody of their priority who came later."""
    database = open_database(settings.radlab_database_url)
    granted = {lease.id: lease.granted_at for lease in Ledger(database).history(_EVER)}
    store = QueueStore(database, settings)
    places = [*store.ended(_EVER), *store.open()]
    database.dispose()
    served = [place for place in places if place.lease_id in granted]
    late = 0
    for place in served:
        mine = granted[str(place.lease_id)]
        late += any(
            other.priority == place.priority
            and other.rank_at > place.rank_at
            and granted[str(other.lease_id)] < mine
            for other in served
        )
    return late
