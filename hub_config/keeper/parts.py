"""The keeper's parts put together: wiring only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from functools import partial

from hub_config.containers.model import Health
from hub_config.db import open_database
from hub_config.errors import RadLabError
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore
from hub_config.keeper.dispatcher import DISPATCH_SECONDS, Dispatcher, Pace
from hub_config.keeper.engine import Clients, EngineContainers, EngineWatch
from hub_config.keeper.listening import listen
from hub_config.keeper.locks import LeaseLocks
from hub_config.keeper.loop import Keeper, Round
from hub_config.keeper.publishing import PUBLISH_SECONDS, Publisher
from hub_config.keeper.server import create_app, serve
from hub_config.keeper.starting import Starter
from hub_config.keeper.watching import watching_rounds
from hub_config.network.walls import require_walls
from hub_config.queueing.store import QueueStore
from hub_config.settings import Settings
from hub_config.teaching.store import PublicationStore

WATCH_SECONDS = 2
log = logging.getLogger("radlab.keeper")


class Parts:
    """All that one keeper is made of."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        database = open_database(settings.radlab_database_url)
        ledger, queue = Ledger(database), QueueStore(database, settings)
        self._groups = GroupStore(database)
        clients, locks, pace = Clients(settings), LeaseLocks(), Pace()
        self.watch = EngineWatch(clients)
        self._walls = partial(require_walls, settings)
        self.dispatcher = Dispatcher(queue, ledger, pace, [self._walls, self.watch.require])
        wake = self.dispatcher.wake.set
        self.starter = Starter(
            settings, ledger, queue, self._policies, clients, locks, freed=wake, took=pace.took
        )
        self.locks = locks
        containers = EngineContainers(settings, clients)
        publisher = Publisher(settings, PublicationStore(database))
        rounds = [
            Round(self.watch.round, WATCH_SECONDS),
            Round(self.dispatcher.round, DISPATCH_SECONDS, self.dispatcher.wake),
            Round(publisher.round, PUBLISH_SECONDS),
            *watching_rounds(settings, database, containers.all, lambda: clients.looks),
        ]
        self.keeper = Keeper(
            settings,
            ledger,
            DeviceStore(database),
            containers,
            locks=locks,
            freed=wake,
            rounds=rounds,
        )

    def run(self) -> int:
        """Listen and make the rounds until the keeper is stopped; 1 where the socket failed."""
        app = create_app(self.starter, self.health, self.dispatcher.wake.set)
        listening = listen(self.settings)
        failed = threading.Event()

        def answer() -> None:
            try:
                serve(app, listening)
            finally:
                # Whoever cannot be asked is of no use: the supervisor starts another.
                failed.set()
                self.keeper.stop()

        threading.Thread(target=answer, name="socket", daemon=True).start()
        self.keeper.run()
        return 1 if failed.is_set() else 0

    def health(self) -> Health:
        """How the keeper is."""
        try:
            self._walls()
            walls = True
        except RadLabError:
            walls = False
        return Health(
            walls=walls,
            engine=self.watch.answers,
            starting=len(self.locks.handled()),
            instance=self.settings.instance,
        )

    def _policies(self) -> Mapping[str, bool]:
        """Which class group may reach the internet."""
        return {group.name: group.internet for group in self._groups.all()}
