"""The bell: when a session's time is up, its server is stopped.

Every few seconds the leases that are due (`Lease.until`: their minutes, or earlier because they are
idle, called back or out of hours) are noted with why and their servers stopped through the Hub. The
ledger remembers what is due, so that a round may fail (a Hub that restarts) or run
twice without harm; a lease is free again only when its container is gone, which is not the bell's
to say.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Lease
from hub_config.portal.hub import Hub, UnknownUser

EVERY_SECONDS = 5.0
# A class ends at once, and the Hub takes up to ten seconds for each stop: not one after another,
# nor sixty at the same time.
_AT_ONCE = 10

log = logging.getLogger(__name__)


class Bell:
    """Ends sessions in time, for as long as `run` runs."""

    def __init__(self, ledger: Ledger, hub: Hub) -> None:
        self._ledger = ledger
        self._hub = hub
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._trouble = ""

    async def run(self) -> None:
        """Ring every few seconds, until cancelled; no failure ends it."""
        while True:
            try:
                await self.ring()
            except RadLabError as error:
                self._say(error.code, str(error))
            except Exception:
                log.exception("a round of the bell failed; the next one follows")
            await asyncio.sleep(EVERY_SECONDS)

    async def ring(self) -> None:
        """One round: every lease that is due has its server stopped, or the first refusal."""
        due = await asyncio.to_thread(self._ledger.due, clock.now())
        results = await asyncio.gather(*map(self._end, due), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if self._trouble and due:
            log.info("the bell ends sessions again")
            self._trouble = ""

    async def _end(self, lease: Lease) -> None:
        async with self._at_once:
            noted = await asyncio.to_thread(self._ledger.note_end, lease.id, lease.until_why)
            if not noted.active:
                return  # stopped meanwhile; a new server of the same person must not be hit
            log.info("lease %s of %s is over: %s", lease.id, lease.username, noted.why_ended)
            with suppress(UnknownUser):  # deleted while running: the container is the keeper's
                await self._hub.stop(lease.username, lease.server_name)

    def _say(self, code: str, sentence: str) -> None:
        # A Hub that is down for an hour is one line, not seven hundred.
        if code != self._trouble:
            log.warning("sessions cannot be ended for now: %s", sentence)
            self._trouble = code
