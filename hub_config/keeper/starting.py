"""Starts, looks and stops: one lease's container from nothing to an answering JupyterLab, and back.

    lease -> home -> create -> start -> "started", and what it is made of -> it answers -> "ready",
    and its place has arrived

Each may be asked again after any end of this process: a container that stands is kept and waited
for, one that does not run is made anew. What a start has made is removed where it fails; the
lease is released only by a stop, once the engine has said that its container is gone.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from hub_config import clock
from hub_config.containers.model import Gone, Running, Seen, StartOrder, StopOrder
from hub_config.containers.refusals import LabEnded, LabSilent
from hub_config.db import reading
from hub_config.errors import RadLabError
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.refusals import lease_over
from hub_config.gpus.rules import Ended, Lease, container_name
from hub_config.keeper import containers, datasets_room
from hub_config.keeper.containers import Found
from hub_config.keeper.engine import Clients
from hub_config.keeper.hardening import PORT
from hub_config.keeper.homes import ensure_home
from hub_config.keeper.locks import Held, LeaseLocks
from hub_config.keeper.plan import (
    container_for,
    dataset_room,
    reaches_internet,
    visible_folder,
    visible_versions,
)
from hub_config.network.walls import require_walls
from hub_config.offers.images import load_images
from hub_config.queueing.tables import latest_of_lease
from hub_config.settings import Settings

# The base image's JupyterLab answers within a few seconds; on a host that is busy with sixty of
# them within a minute.
LAB_SECONDS = 180.0
_LISTEN_AGAIN_SECONDS = 0.05
_LOOK_AGAIN_SECONDS = 0.5
_CONNECT_SECONDS = 2.0
log = logging.getLogger("radlab.keeper")


class Places(Protocol):
    """The queue, as far as a start touches it (`queueing.store.QueueStore` is one)."""

    def arrived(self, lease_id: str, now: datetime) -> object:
        """Close the place whose lease that is: its server answers."""


class Starter:
    """Does what the keeper is asked; synchronous, for threads."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        places: Places,
        policies: Callable[[], Mapping[str, bool]],
        clients: Clients,
        locks: LeaseLocks,
        *,
        freed: Callable[[], None] = lambda: None,
        took: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """`policies`: which group may reach the internet.

        `freed` is told when a start has ended or a lease was released, `took` how long a start
        took, from its being asked for to its answer.
        """
        self.settings = settings
        self.ledger = ledger
        self.places = places
        self.policies = policies
        self.clients = clients
        self.locks = locks
        self.freed = freed
        self.took = took

    # Start

    def start(self, lease_id: str, order: StartOrder) -> Running:
        """The container of that lease, running and answering; `KeeperClient.start` says more."""
        began = time.monotonic()
        # Whoever wants it made anew is not served by a start that is under way: that one ends.
        lock = self.locks.stop if order.fresh else self.locks.start
        try:
            with lock(lease_id) as held:
                running = self._start(self._active(lease_id), order, held)
        finally:
            self.freed()
        self.took(time.monotonic() - began)
        return running

    def _start(self, lease: Lease, order: StartOrder, held: Held) -> Running:
        name = self._name(lease)
        there = containers.find(self.clients.looks, name)
        if there is not None and there.running and not order.fresh:
            return self._arrive(lease, there, held)
        if there is not None:
            containers.remove(self.clients.acts, name)
        try:
            return self._arrive(lease, self._make(lease, order, held), held)
        except BaseException:
            self._undo(name)
            raise

    def _make(self, lease: Lease, order: StartOrder, held: Held) -> Found:
        name = self._name(lease)
        require_walls(self.settings)
        image = load_images(self.settings.path("offers", "images.yaml")).image(lease.image)
        internet = reaches_internet(lease, self._groups(lease), self.policies())
        home = ensure_home(self.clients.acts, self.settings, lease.username)
        datasets_room.complete(
            dataset_room(self.settings, None), dataset_room(self.settings, lease.group)
        )
        held.check()
        container = container_for(self.settings, lease, image, order, home, internet)
        containers.create(self.clients.acts, container)
        held.check()
        # `./radlab down` releases leases, too: nothing may start under one that is over.
        self._active(lease.id)
        containers.start(self.clients.acts, name)
        found = containers.find(self.clients.looks, name)
        if found is None:  # somebody has removed it by hand
            containers.require_running(found)
        assert found is not None
        return found

    def _groups(self, lease: Lease) -> tuple[str, ...]:
        """The class groups of its user, as they were when its place was taken.

        The place may be closed: a start whose answer was lost is asked for again.
        """
        with reading(self.ledger.engine) as session:
            place = latest_of_lease(session, lease)
        return place.request.groups if place is not None else ()

    def _arrive(self, lease: Lease, found: Found, held: Held) -> Running:
        """Note that it runs, wait until it answers, and note that."""
        versions = visible_versions(visible_folder(self.settings, lease.group))
        self.ledger.started(lease.id, found.id, clock.now())
        self.ledger.record_start(lease.id, found.image_id, versions)
        address = self._listening(self._name(lease), found, held)
        now = clock.now()
        self.ledger.ready(lease.id, now)
        self.places.arrived(lease.id, now)
        return Running(container_id=found.id, address=address, port=PORT)

    def _listening(self, name: str, found: Found | None, held: Held) -> str:
        """Its address, once something listens there; LabEnded as soon as it ends instead."""
        deadline = time.monotonic() + LAB_SECONDS
        look_at = 0.0
        while True:
            address = self._require_running(name, found)
            look_at = time.monotonic() + _LOOK_AGAIN_SECONDS
            pid = found.pid if found else 0
            while time.monotonic() < look_at:
                if _listens(address):
                    return address
                held.check()
                time.sleep(_LISTEN_AGAIN_SECONDS)
                # The host's own list of processes says at once, and for nothing, that it ended.
                if not _lives(pid):
                    break
            if time.monotonic() > deadline:
                raise LabSilent(
                    "The container runs, and nothing in it answered within {seconds} s.",
                    do="Try again; if it stays so, tell an administrator.",
                    seconds=round(LAB_SECONDS),
                )
            found = containers.find(self.clients.looks, name)

    def _require_running(self, name: str, found: Found | None) -> str:
        try:
            return containers.require_running(found)
        except LabEnded:
            words = containers.last_words(self.clients.looks, name)
            log.warning("The last lines of %s:\n%s", name, words)
            raise

    def _undo(self, name: str) -> None:
        """Remove what a failed start has made; where that fails the keeper's rounds do it."""
        try:
            containers.remove(self.clients.acts, name)
        except RadLabError as error:
            log.error("%s is left to the rounds: %s", name, error)

    # Look and stop

    def see(self, lease_id: str) -> Seen:
        """What the engine says of the lease's container; UnknownLease, EngineTrouble."""
        lease = self.ledger.get(lease_id)
        found = containers.find(self.clients.looks, self._name(lease))
        if found is None:
            return Seen(standing=False, port=PORT)
        return Seen(
            standing=True,
            running=found.running,
            exit_code=found.exit_code,
            out_of_memory=found.out_of_memory,
            address=found.address,
            port=PORT,
        )

    def stop(self, lease_id: str, order: StopOrder) -> Gone:
        """Stop and remove the lease's container and release the lease; again does nothing."""
        lease = self.ledger.get(lease_id)
        name = self._name(lease)
        with self.locks.stop(lease_id):
            if order.seconds:
                containers.stop(self.clients.acts, name, order.seconds)
            containers.remove(self.clients.acts, name)
            self.ledger.release(lease_id, Ended(order.why), clock.now())
        self.freed()
        return Gone(released=True)

    def _active(self, lease_id: str) -> Lease:
        """The lease; UnknownLease, and LeaseOver where it was released."""
        lease = self.ledger.get(lease_id)
        if not lease.active:
            raise lease_over(lease)
        return lease

    def _name(self, lease: Lease) -> str:
        return container_name(self.settings.instance, lease.id)


def _lives(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


def _listens(address: str) -> bool:
    try:
        socket.create_connection((address, PORT), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
