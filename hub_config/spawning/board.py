"""Who waits, as all of the Hub's spawners see it together: one look for a whole class.

Sixty spawners that each asked the database four times a second would be most of what the Hub does.
Here one thread looks for all of them, and only while somebody waits; and what the waiting are told
(`standing`), which costs more, is worked out once for all and kept for a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from hub_config.errors import RadLabError
from hub_config.queueing.model import Place, Standing
from hub_config.spawning.refusal import place_gone

LOOK_SECONDS = 0.25
_KEPT_SECONDS = 1.0
# A place that was just taken is on nobody's list yet: its owner is not kept waiting a second.
_NEW_SECONDS = 0.3
# What is told takes a tenth of the time at most, however long the line.
_SHARE = 10

log = logging.getLogger("jupyterhub")
IsNews = Callable[[Place], bool]


class Lines(Protocol):
    """Where the board looks; synchronous, for threads."""

    def places(self, place_ids: Collection[str]) -> Mapping[str, Place]:
        """Those places as they stand, closed ones too; one that is gone is left out."""

    def standings(self) -> list[Standing]:
        """Every open place with what its owner is told."""


@dataclass(eq=False)
class _Waiter:
    place_id: str
    is_news: IsNews
    place: asyncio.Future[Place]


class Board:
    """The places in line, for all who wait in one event loop."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._waiters: set[_Waiter] = set()
        self._looking: asyncio.Task[None] | None = None
        self._sooner = asyncio.Event()
        self._told: dict[str, Standing] = {}
        self._told_at = float("-inf")
        self._told_took = 0.0
        self._telling: asyncio.Task[None] | None = None
        self._trouble = ""

    async def until(self, place_id: str, is_news: IsNews) -> Place:
        """The place, as soon as `is_news` says so of it; waits for as long as that takes.

        PlaceEnded where there is no such place any more.
        """
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(place_id, is_news, future)
        self._waiters.add(waiter)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look_on())
        try:
            return await future
        finally:
            self._waiters.discard(waiter)

    def look(self) -> None:
        """Look now: a place was changed here."""
        self._sooner.set()
        self._told_at = float("-inf")

    async def standing(self, place_id: str) -> Standing | None:
        """How that place stands, a second ago at most; None where it is not open."""
        age = time.monotonic() - self._told_at
        kept = _KEPT_SECONDS if place_id in self._told else _NEW_SECONDS
        if age > max(kept, _SHARE * self._told_took):
            if self._telling is None or self._telling.done():
                self._telling = asyncio.ensure_future(self._tell())
            # Shielded: whoever closes the page does not end it for the others.
            await asyncio.shield(self._telling)
        return self._told.get(place_id)

    async def _look_on(self) -> None:
        while self._waiters:
            self._sooner.clear()
            try:
                ids = {waiter.place_id for waiter in self._waiters}
                self._bring(ids, await asyncio.to_thread(self._lines.places, ids))
                self._trouble = ""
            except Exception as error:  # whoever waits is told nothing wrong, and waits on
                self._say(error)
            try:
                await asyncio.wait_for(self._sooner.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue

    def _bring(self, asked: Collection[str], places: Mapping[str, Place]) -> None:
        for waiter in list(self._waiters):
            if waiter.place_id not in asked or waiter.place.done():
                continue
            place = places.get(waiter.place_id)
            if place is None:
                waiter.place.set_exception(place_gone(waiter.place_id))
            elif waiter.is_news(place):
                waiter.place.set_result(place)

    async def _tell(self) -> None:
        began = time.monotonic()
        try:
            standings = await asyncio.to_thread(self._lines.standings)
            self._told = {each.place.id: each for each in standings}
        except Exception as error:  # what was told before is still the best that is known
            self._say(error)
        self._told_at = time.monotonic()
        self._told_took = self._told_at - began

    def _say(self, error: Exception) -> None:
        # A database that is locked for a minute is one line, not two hundred.
        said = str(error) or type(error).__name__
        if said != self._trouble:
            self._trouble = said
            # A refusal explains itself; anything else is a fault of ours and wants its place.
            ours = not isinstance(error, RadLabError)
            log.warning("The line cannot be looked at for now: %s", said, exc_info=ours)
