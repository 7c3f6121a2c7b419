"""The keeper's server before a stand-in for what starts containers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

import uvicorn

from hub_config.containers.model import Gone, Health, Running, Seen, StartOrder, StopOrder
from hub_config.keeper.listening import listen
from hub_config.keeper.server import create_app
from hub_config.settings import Settings


class FakeStarter:
    """Answers as it is told to: `refusal` is raised, `held` keeps starts of that lease waiting."""

    def __init__(self) -> None:
        self.refusal: Exception | None = None
        self.orders: list[tuple[str, StartOrder]] = []
        self.stopped: list[tuple[str, StopOrder]] = []
        self.held: dict[str, threading.Event] = {}

    def start(self, lease_id: str, order: StartOrder) -> Running:
        self.orders.append((lease_id, order))
        self._refuse()
        if lease_id in self.held:
            self.held[lease_id].wait(60)
        return Running(container_id=f"c-{lease_id}", address="172.29.0.9", port=8888)

    def see(self, lease_id: str) -> Seen:
        self._refuse()
        return Seen(standing=True, running=True, address="172.29.0.9")

    def stop(self, lease_id: str, order: StopOrder) -> Gone:
        self._refuse()
        self.stopped.append((lease_id, order))
        return Gone(released=True)

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise self.refusal


class FakeKeeper:
    """The keeper's server in a thread of the test's; it can be ended and begun again."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.starter = FakeStarter()
        self.woken = threading.Semaphore(0)
        self._server: uvicorn.Server | None = None

    def begin(self) -> None:
        app = create_app(self.starter, self.health, self.woken.release)  # type: ignore[arg-type]
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=0)
        self._server = uvicorn.Server(config)
        self._listening = listen(self.settings)
        self._thread = threading.Thread(target=self._serve, args=[self._server, self._listening])
        self._thread.start()

    def _serve(self, server: uvicorn.Server, listening: socket.socket) -> None:
        server.run(sockets=[listening])

    def end(self) -> None:
        if self._server is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(30)
            self._listening.close()
            self._server = None

    def health(self) -> Health:
        return Health(walls=True, engine=False, starting=0, instance=self.settings.instance)


async def until(what: Callable[[], bool]) -> None:
    """Return when `what` holds."""
    async with asyncio.timeout(60):
        while not what():  # noqa: ASYNC110  the other side is a thread
            await asyncio.sleep(0.02)
