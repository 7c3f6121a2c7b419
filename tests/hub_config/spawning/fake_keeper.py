"""A keeper without an engine: the real routes on a real socket, the real queue, and no containers.

A started lease is answered with the address of a small web server, which stands in for JupyterLab.
It can be killed and started again, as the real one can.
"""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Callable

import uvicorn

from hub_config import clock
from hub_config.containers.model import Gone, Health, Running, Seen, StartOrder, StopOrder
from hub_config.db import open_database
from hub_config.errors import RadLabError
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended
from hub_config.gpus.refusals import lease_over
from hub_config.keeper.listening import listen
from hub_config.keeper.server import create_app
from hub_config.network.walls import report
from hub_config.queueing.store import QueueStore
from hub_config.settings import Settings

_VOUCHES_SECONDS = 5.0


class _Lab(http.server.BaseHTTPRequestHandler):
    """As much of JupyterLab as the Hub looks for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        return


class FakeKeeper:
    """Starts whatever the queue gives a lease, as soon as `go` is set; `refusal` is raised first.

    `running` are the leases whose container would run, `orders` what it was asked for.
    """

    def __init__(self, settings: Settings, starts_at_once: int = 100) -> None:
        self.settings = settings
        database = open_database(settings.radlab_database_url)
        self.ledger, self.queue = Ledger(database), QueueStore(database, settings)
        self.starts_at_once = starts_at_once
        self.go = threading.Event()
        self.go.set()
        self.refusal: Callable[[], RadLabError | None] = lambda: None
        self.running: set[str] = set()
        self.orders: list[tuple[str, StartOrder]] = []
        self.stops: list[tuple[str, StopOrder]] = []
        self.wakes = 0
        self._wake = threading.Event()
        self._ended: set[str] = set()
        self._over = threading.Event()
        self._lab = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Lab)
        threading.Thread(target=self._lab.serve_forever, daemon=True).start()
        threading.Thread(target=self._dispatch, daemon=True).start()
        self._server: uvicorn.Server | None = None

    # The process

    def up(self) -> None:
        """Listen."""
        app = create_app(self, self._health, self._woken)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        self._server = uvicorn.Server(config)
        listening = listen(self.settings)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()

    def down(self) -> None:
        """Be gone: connections end, and whoever asks finds nobody."""
        if self._server is not None:
            self._server.force_exit = self._server.should_exit = True
            self._thread.join(10)
            self.settings.path("run", "keeper.sock").unlink(missing_ok=True)

    def close(self) -> None:
        """End everything."""
        self._over.set()
        self._wake.set()
        self.go.set()
        self.down()
        self._lab.shutdown()
        self._lab.server_close()

    # What it is asked (`keeper.starting.Starter`)

    def start(self, lease_id: str, order: StartOrder) -> Running:
        self.orders.append((lease_id, order))
        while not self.go.wait(0.05):
            if lease_id in self._ended:
                raise lease_over(self.ledger.get(lease_id))
        if (refusal := self.refusal()) is not None:
            raise refusal
        if not self.ledger.get(lease_id).active:
            raise lease_over(self.ledger.get(lease_id))
        self.running.add(lease_id)
        self.ledger.started(lease_id, f"container-{lease_id}", clock.now())
        self.ledger.ready(lease_id, clock.now())
        self.queue.arrived(lease_id, clock.now())
        return Running(container_id=f"container-{lease_id}", address="127.0.0.1", port=self.port)

    def see(self, lease_id: str) -> Seen:
        self.ledger.get(lease_id)
        if lease_id not in self.running:
            return Seen(standing=False)
        return Seen(standing=True, running=True, address="127.0.0.1", port=self.port)

    def stop(self, lease_id: str, order: StopOrder) -> Gone:
        self.stops.append((lease_id, order))
        self._ended.add(lease_id)
        self.running.discard(lease_id)
        self.ledger.release(lease_id, Ended(order.why), clock.now())
        self._wake.set()
        return Gone(released=True)

    @property
    def port(self) -> int:
        """Where its JupyterLab listens."""
        return int(self._lab.server_port)

    def _health(self) -> Health:
        return Health(walls=True, engine=True, starting=0, instance=self.settings.instance)

    def _woken(self) -> None:
        self.wakes += 1
        self._wake.set()

    def _dispatch(self) -> None:
        vouched = float("-inf")
        while not self._over.is_set():
            if time.monotonic() - vouched > _VOUCHES_SECONDS:
                vouched = time.monotonic()
                report(self.settings, problems=[])  # the walls, which it watches too
            self._wake.wait(0.1)
            self._wake.clear()
            starting = sum(lease.ready_at is None for lease in self.ledger.active())
            self.queue.dispatch(clock.now(), max(0, self.starts_at_once - starting))


def free_port(address: str) -> int:
    """A port of that address that nobody listens on."""
    with socket.socket() as free:
        free.bind((address, 0))
        return int(free.getsockname()[1])
