"""The keeper's rounds, each in a thread of its own: an engine that hangs silences no heartbeat.

What fails in one round is logged once, and tried again in the next. What a round finds to be
settled is done beside it: a container that does not let itself be removed delays no other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.gpus.inventory import find_devices
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.rules import Ended, Lease, UnknownLease
from hub_config.gpus.store import DeviceStore
from hub_config.keeper.engine import Containers
from hub_config.keeper.locks import LeaseLocks
from hub_config.keeper.rules import Overstay, Standing, compare, still_since
from hub_config.network.walls import build_walls, report
from hub_config.settings import Settings

WALLS_SECONDS = 5
RECONCILE_SECONDS = 10
DEVICES_SECONDS = 60
_SETTLING = 16
log = logging.getLogger("radlab.keeper")


@dataclass(frozen=True)
class Round:
    """Something that is done every so many seconds, and at once when `wake` is set."""

    work: Callable[[], object]
    seconds: float
    wake: threading.Event | None = None

    @property
    def name(self) -> str:
        """What log and thread call it."""
        return getattr(self.work, "__qualname__", type(self.work).__name__)


class Keeper:
    """The keeper of one RadLab; `run` returns after `stop`."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        devices: DeviceStore,
        containers: Containers,
        *,
        locks: LeaseLocks | None = None,
        freed: Callable[[], None] = lambda: None,
        rounds: Sequence[Round] = (),
    ) -> None:
        """`freed` is told when a lease was released; `rounds` are made beside the keeper's own."""
        self.settings = settings
        self.ledger = ledger
        self.devices = devices
        self.containers = containers
        self.locks = locks or LeaseLocks()
        self.freed = freed
        self.began = clock.now()
        self._rounds = tuple(rounds)
        self._stopping = threading.Event()
        self._said: dict[str, str] = {}
        self._still: dict[str, datetime] = {}
        self._pool = ThreadPoolExecutor(_SETTLING, thread_name_prefix="settle")
        self._settling: dict[str, Future[None]] = {}

    def run(self) -> None:
        """Make the rounds until `stop`; afterwards nobody vouches for the walls any more."""
        rounds = [
            Round(self.watch_walls, WALLS_SECONDS),
            Round(self.reconcile, RECONCILE_SECONDS),
            Round(self.record_devices, DEVICES_SECONDS),
            *self._rounds,
        ]
        threads = [threading.Thread(target=self._repeat, args=[one]) for one in rounds]
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
        found = compare(
            self.settings.instance,
            leases,
            standing,
            self._still,
            now,
            since=self.began,
            handled=self.locks.handled(),
        )
        by_id = {lease.id: lease for lease in leases}
        for lease_id in found.lost:
            self._settle(f"lease {lease_id}", partial(self._release, by_id[lease_id]))
        for overstay in found.overstays:
            lease = by_id[overstay.container.lease_id]
            self._settle(f"lease {lease.id}", partial(self._end, lease, overstay))
        for stray in found.strays:
            self._settle(f"container {stray.name}", partial(self._remove, stray))

    def settled(self, seconds: float | None = None) -> None:
        """Return when all that the last rounds found is settled, or was tried."""
        wait(list(self._settling.values()), timeout=seconds)

    def record_devices(self) -> None:
        """Note which GPUs the machine has now."""
        self.devices.record(find_devices(self.settings), clock.now())

    def _release(self, lease: Lease) -> None:
        with self.locks.settle(lease.id) as alone:
            if not alone or self.ledger.get(lease.id) != lease:
                return  # somebody has taken care of it since the round began
            self.ledger.release(lease.id, Ended.CONTAINER_GONE, clock.now())
        log.warning("lease %s released: its container is gone", lease.id)
        self.freed()

    def _end(self, lease: Lease, overstay: Overstay) -> None:
        """Remove the container, and release its lease only once that has succeeded."""
        container, why = overstay.container, overstay.why
        with self.locks.settle(lease.id) as alone:
            if not alone or self.ledger.get(lease.id) != lease:
                return
            self.containers.remove(container.id)
            self.ledger.release(lease.id, why, clock.now())
        log.warning("container %s removed, its lease released: %s", container.name, why)
        self.freed()

    def _remove(self, stray: Standing) -> None:
        with self.locks.settle(stray.lease_id) as alone:
            if not alone or self._holds(stray.lease_id):
                return  # granted after the list of leases was read
            self.containers.remove(stray.id)
        log.warning("container %s removed: its lease is over", stray.name)

    def _holds(self, lease_id: str) -> bool:
        try:
            return self.ledger.get(lease_id).active
        except UnknownLease:
            log.warning("a container bears the lease %s, which the ledger does not know", lease_id)
            return False

    def _settle(self, name: str, work: Callable[[], None]) -> None:
        """Do it beside the round, unless the last round's is still at it."""
        before = self._settling.get(name)
        if before is None or before.done():
            self._settling = {n: one for n, one in self._settling.items() if not one.done()}
            self._settling[name] = self._pool.submit(self._each, name, work)

    def _repeat(self, one: Round) -> None:
        pause = one.wake or self._stopping
        while not self._stopping.is_set():
            if one.wake is not None:
                one.wake.clear()
            self._each(one.name, one.work)
            pause.wait(one.seconds)

    def _each(self, name: str, work: Callable[[], object]) -> None:
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
