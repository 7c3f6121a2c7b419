"""The keeper's two rounds: walls every 5 s, and ledger against Docker every 10 s.

They run apart, so that an engine that hangs does not silence the heartbeat of the walls. What
fails in one round is logged once, and tried again in the next.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.gpus.inventory import find_devices
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.rules import Ended, UnknownLease
from hub_config.gpus.store import DeviceStore
from hub_config.keeper.engine import Containers
from hub_config.keeper.rules import Overstay, Standing, compare, still_since
from hub_config.network.walls import build_walls, report
from hub_config.settings import Settings

WALLS_SECONDS = 5
RECONCILE_SECONDS = 10
DEVICES_SECONDS = 60
log = logging.getLogger("radlab.keeper")


class Keeper:
    """The keeper of one RadLab; `run` returns after `stop`."""

    def __init__(
        self, settings: Settings, ledger: Ledger, devices: DeviceStore, containers: Containers
    ) -> None:
        self.settings = settings
        self.ledger = ledger
        self.devices = devices
        self.containers = containers
        self._stopping = threading.Event()
        self._said: dict[str, str] = {}
        self._still: dict[str, datetime] = {}

    def run(self) -> None:
        """Make the rounds until `stop`; afterwards nobody vouches for the walls any more."""
        rounds = [
            (self.watch_walls, WALLS_SECONDS),
            (self.reconcile, RECONCILE_SECONDS),
            (self.record_devices, DEVICES_SECONDS),
        ]
        threads = [
            threading.Thread(target=self._repeat, args=one, name=one[0].__name__) for one in rounds
        ]
        for thread in threads:
            thread.daemon = True  # a hung engine does not keep the keeper from ending
            thread.start()
        self._stopping.wait()
        threads[0].join(timeout=WALLS_SECONDS)
        report(self.settings, ["the keeper was stopped"])

    def stop(self) -> None:
        """Let `run` return."""
        self._stopping.set()

    def watch_walls(self) -> None:
        """Repair the walls where needed, and write the heartbeat."""
        try:
            mended = build_walls(self.settings)
        except Exception as error:
            if not self._stopping.is_set():
                report(self.settings, [str(error).rstrip(".")])
            raise
        if not self._stopping.is_set():
            report(self.settings, [])
        for problem in mended:
            log.warning("mended: %s", problem)

    def reconcile(self) -> None:
        """Release leases whose container is gone; remove containers that must not stand."""
        leases = self.ledger.active()  # before the containers; `compare` says why
        standing = self.containers.all()
        now = clock.now()
        self._still = still_since(self._still, standing, now)
        found = compare(self.settings.instance, leases, standing, self._still, now)
        for lease_id in found.lost:
            self._each(f"lease {lease_id}", partial(self._release, lease_id))
        for overstay in found.overstays:
            self._each(f"lease {overstay.container.lease_id}", partial(self._end, overstay))
        for stray in found.strays:
            self._each(f"container {stray.name}", partial(self._remove, stray))

    def record_devices(self) -> None:
        """Note which GPUs the machine has now."""
        self.devices.record(find_devices(self.settings), clock.now())

    def _release(self, lease_id: str) -> None:
        self.ledger.release(lease_id, Ended.CONTAINER_GONE, clock.now())
        log.warning("lease %s released: its container is gone", lease_id)

    def _end(self, overstay: Overstay) -> None:
        """Remove the container, and release its lease only once that has succeeded."""
        container, why = overstay.container, overstay.why
        self.containers.remove(container.id)
        self.ledger.release(container.lease_id, why, clock.now())
        log.warning("container %s removed, its lease released: %s", container.name, why)

    def _remove(self, stray: Standing) -> None:
        try:
            if self.ledger.get(stray.lease_id).active:
                return  # granted after the list of leases was read
        except UnknownLease:
            log.warning("container %s bears a lease that the ledger does not know", stray.name)
        self.containers.remove(stray.id)
        log.warning("container %s removed: its lease is over", stray.name)

    def _repeat(self, work: Callable[[], None], seconds: float) -> None:
        while not self._stopping.is_set():
            self._each(work.__name__, work)
            self._stopping.wait(seconds)

    def _each(self, name: str, work: Callable[[], None]) -> None:
        """Do it; what fails is said when it begins and when it is over, not every few seconds."""
        try:
            work()
        except Exception as error:
            said = str(error) or type(error).__name__
            if self._said.get(name) != said:
                self._said[name] = said
                # A refusal explains itself; anything else is a fault of ours and wants its place.
                log.error("%s: %s", name, said, exc_info=not isinstance(error, RadLabError))
        else:
            if self._said.pop(name, None):
                log.warning("%s: works again", name)
