"""The reviver: whoever waits for a server has a spawn pending at the Hub, whatever became of it.

A place in line outlives the Hub: the pending spawn is only its window. After a restart of the Hub
(or of the machine) nobody clicks again; every few seconds each open place whose server the Hub
neither starts, runs nor stops has its spawn posted again, with the options that it was taken with.
The spawner takes up the place that is there. A place whose user was deleted can never be served and
is closed. A round may fail (a Hub that restarts) or run twice without harm.
"""

from __future__ import annotations

import asyncio
import logging

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.portal.hub import Hub, ServerBusy, StartRefused, UnknownUser
from hub_config.queueing.model import Place, State
from hub_config.queueing.store import QueueStore

EVERY_SECONDS = 3.0
# The Hub ends a start that is being stopped, and asks a second later that it be left: until then
# it looks like one that was lost.
SETTLE_SECONDS = 2.0
# A post takes as long as the Hub waits for a start before it answers; sixty come back together.
_AT_ONCE = 30
# What the Hub refuses is asked again, ever less often: each failed start counts in the Hub.
_MOST_SECONDS = 120.0
# What the place keeps as the reason why it failed.
DELETED = "the user was deleted"

log = logging.getLogger(__name__)


class Reviver:
    """Keeps a spawn pending for every open place, for as long as `run` runs."""

    def __init__(self, queue: QueueStore, hub: Hub, settle: float = SETTLE_SECONDS) -> None:
        """`settle`: for how many seconds a place that looks lost may still be left."""
        self._queue = queue
        self._hub = hub
        self._settle = settle
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._patience: dict[str, tuple[float, float]] = {}  # place id: pause, not before
        self._trouble = ""

    async def run(self) -> None:
        """Look every few seconds, until cancelled; no failure ends it."""
        while True:
            try:
                await self.revive()
            except RadLabError as error:
                self._say(error.code, str(error))
            except Exception:
                log.exception("a round of the reviver failed; the next one follows")
            await asyncio.sleep(EVERY_SECONDS)

    async def revive(self) -> None:
        """One round: every open place without a server at the Hub is posted, or the first refusal.

        The places are read before the servers: one that was taken in between has its spawn already.
        """
        places = await asyncio.to_thread(self._queue.open)
        self._forget_all_but(places)
        if places and (lost := await self._lost(places)):
            await asyncio.sleep(self._settle)
            await self._revive(lost)
        if self._trouble:
            log.info("places in line are posted to the Hub again")
            self._trouble = ""

    async def _lost(self, places: list[Place]) -> list[Place]:
        users = await self._hub.users(active=True)
        present = {(server.username, server.name) for user in users for server in user.servers}
        lost = [place for place in places if (place.username, place.server_name) not in present]
        now = asyncio.get_running_loop().time()
        lost = [place for place in lost if self._patience.get(place.id, (0.0, 0.0))[1] <= now]
        # Whoever has a lease already holds what others wait for: their container first.
        return sorted(lost, key=lambda place: place.state is not State.STARTING)

    async def _revive(self, places: list[Place]) -> None:
        results = await asyncio.gather(*map(self._post, places), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _post(self, place: Place) -> None:
        async with self._at_once:
            present = await asyncio.to_thread(self._queue.get, place.id)
            if not present.open:
                return  # left meanwhile: nobody wants this server any more
            try:
                await self._hub.start(place.username, place.server_name, present.options)
            except UnknownUser:
                await self._close(place)
            except ServerBusy:
                log.debug("the Hub is at the server of %s already", place.username)
            except StartRefused as refusal:
                self._wait_longer(place)
                log.warning("place %s: %s", place.id, refusal)
            else:
                self._patience.pop(place.id, None)
                log.info("place %s of %s is posted to the Hub again", place.id, place.username)

    async def _close(self, place: Place) -> None:
        await asyncio.to_thread(self._queue.fail, place.id, DELETED, clock.now())
        log.info("place %s is closed: the user %s was deleted", place.id, place.username)

    def _wait_longer(self, place: Place) -> None:
        pause = min(2 * self._patience.get(place.id, (EVERY_SECONDS, 0.0))[0], _MOST_SECONDS)
        self._patience[place.id] = (pause, asyncio.get_running_loop().time() + pause)

    def _forget_all_but(self, places: list[Place]) -> None:
        open_ids = {place.id for place in places}
        self._patience = {k: v for k, v in self._patience.items() if k in open_ids}

    def _say(self, code: str, sentence: str) -> None:
        # A Hub that is down for an hour is one line, not a thousand.
        if code != self._trouble:
            log.warning("places in line cannot be posted for now: %s", sentence)
            self._trouble = code
