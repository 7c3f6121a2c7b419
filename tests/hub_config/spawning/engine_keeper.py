"""The keeper on a Docker Engine, in threads of the test; it vouches for walls it never made."""

from __future__ import annotations

import threading

import uvicorn

from hub_config.errors import RadLabError
from hub_config.keeper.listening import listen
from hub_config.keeper.parts import Parts
from hub_config.keeper.server import create_app
from hub_config.network.walls import report
from hub_config.settings import Settings

_ROUND_SECONDS = 0.3


class EngineKeeper:
    """Answers on the settings' socket and moves the queue until `close`."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.parts = settings, Parts(settings)
        self.walls_stand = True
        self._over = threading.Event()
        app = create_app(self.parts.starter, self.parts.health, self.parts.dispatcher.wake.set)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        self._server = uvicorn.Server(config)
        arguments = ([listen(settings)],)
        self._threads = [
            threading.Thread(target=self._server.run, args=arguments, daemon=True),
            threading.Thread(target=self._make_rounds, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Answer and move nothing any more."""
        self._server.force_exit = self._server.should_exit = True
        self._over.set()
        self.parts.dispatcher.wake.set()
        for thread in self._threads:
            thread.join(20)

    def _make_rounds(self) -> None:
        wake = self.parts.dispatcher.wake
        while not self._over.is_set():
            report(
                self.settings, problems=[] if self.walls_stand else ["the IPv4 chain is missing"]
            )
            try:
                self.parts.watch.round()
                self.parts.dispatcher.round()
            except RadLabError:
                pass  # said by the place that waits
            wake.wait(_ROUND_SECONDS)
            wake.clear()
