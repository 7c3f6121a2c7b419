"""What all spawners of one Hub have in common: catalogs, the line, its board, and the keeper."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hub_config.containers.client import KeeperClient
from hub_config.errors import RadLabError
from hub_config.settings import Settings
from hub_config.spawning.board import Board
from hub_config.spawning.line import Line
from hub_config.spawning.stores import Stores

T = TypeVar("T")
log = logging.getLogger("jupyterhub")


class Shared:
    """One for each event loop."""

    def __init__(self, settings: Settings) -> None:
        self.stores = Stores(settings)
        self.line = Line(self.stores)
        self.board = Board(self.line)
        self.keeper = KeeperClient(settings)
        # One thread writes: SQLite lets one writer in at a time, and the others would wait by
        # sleeping, in turns of up to a tenth of a second.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="line")
        self._waking: asyncio.Task[None] | None = None
        self._wake_again = False

    async def write(self, verb: Callable[[], T]) -> T:
        """Do what changes the line, in its own thread, and have everybody look."""
        made = await asyncio.get_running_loop().run_in_executor(self._writer, verb)
        self.board.look()
        self.wake()
        return made

    def wake(self) -> None:
        """Have the keeper look at the line; returns at once, and asks once for many."""
        self._wake_again = True
        if self._waking is None or self._waking.done():
            self._waking = asyncio.ensure_future(self._wake())

    async def _wake(self) -> None:
        while self._wake_again:
            self._wake_again = False
            try:
                await self.keeper.wake()
            except RadLabError as error:
                log.warning("The keeper looks at the line by itself: %s", error)
