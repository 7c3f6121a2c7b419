"""What the spawner and its pages ask of the queue and of the ledger; synchronous, for threads."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from hub_config import clock
from hub_config.db import reading
from hub_config.errors import RadLabError
from hub_config.gpus.model import Lease, LeaseRequest
from hub_config.gpus.tables import LeaseTable, active_leases
from hub_config.groups.rules import class_groups
from hub_config.network.walls import WallsDown, require_walls
from hub_config.offers.images import UnknownImage
from hub_config.offers.modules import UnknownModule
from hub_config.offers.sizes import UnknownSize
from hub_config.queueing.model import Choice, Place, Standing, State
from hub_config.queueing.refusals import UnknownPlace
from hub_config.spawning import rules
from hub_config.spawning.fitting import SizeNotYours, SizeTooSmall, alternatives
from hub_config.spawning.stores import Stores

# The catalogs are files: what is told sixty times a minute is not read anew each time.
_KEPT_SECONDS = 60.0
_MOST_KEPT = 500
# What was on offer when a place was taken, and is not any more.
_WITHDRAWN = (
    UnknownImage,
    UnknownModule,
    UnknownSize,
    SizeNotYours,
    SizeTooSmall,
    rules.NeedsGpu,
    rules.NotOffered,
    rules.UnknownOption,
)


class Line:
    """The places in line of one RadLab."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._queue = stores.queue
        self._orders: dict[str, tuple[float, rules.Order]] = {}
        self._known: dict[str, rules.Order] = {}

    def enter(
        self,
        options: Mapping[str, Any],
        username: str,
        server_name: str,
        hub_groups: Iterable[str],
        by: str,
    ) -> Place:
        """The open place of that server, taken now or taken up; refuses what can never be served.

        A place that was taken for just this, which is no longer on offer, fails: it would be given
        leases for ever that nobody can start. Raises what `Stores.order` and `QueueStore.enter`
        raise.
        """
        try:
            request, kept = self._request(options, username, server_name, hub_groups)
        except _WITHDRAWN as error:
            place = self.of(username, server_name)
            if place is not None and place.options == options:
                self.fail(place.id, str(error))
            raise
        return self._queue.enter(
            username, server_name, request.groups, request, kept, by, clock.now()
        )

    def take(self, place: Place, options: Mapping[str, Any], hub_groups: Iterable[str]) -> Place:
        """The same place, for something else; its rank stays. Raises as `enter`."""
        request, kept = self._request(options, place.username, place.server_name, hub_groups)
        return self._queue.change(place.id, request, kept, clock.now())

    def leave(self, place_id: str, by: str) -> Place:
        """Close the place, which somebody gives up; one that is closed stays as it is."""
        return self._queue.leave(place_id, by, clock.now())

    def fail(self, place_id: str, why: str) -> None:
        """Close the place, whose start cannot succeed."""
        self._queue.fail(place_id, why, clock.now())

    def granted(self, place: Place, lease_id: str) -> tuple[rules.Order, Lease]:
        """What the place is for by now, and the lease that it was given.

        Whether its size is theirs, and a card there for it, was asked on entering: one that drains
        or serves another group since then takes nobody's lease away.
        """
        return self._stores.order(place.options), self.lease(lease_id)

    def of(self, username: str, server_name: str) -> Place | None:
        """The open place of that server, if there is one."""
        return self._queue.of(username, server_name)

    def places(self, place_ids: Collection[str]) -> Mapping[str, Place]:
        """Those places as they stand, closed ones too; one that is gone is left out."""
        still_open = {place.id: place for place in self._queue.open()}
        found = {id: still_open.get(id) or self._closed(id) for id in place_ids}
        return {id: place for id, place in found.items() if place is not None}

    def standings(self) -> list[Standing]:
        """Every open place with what its owner is told."""
        now = clock.now()
        waiting = [each for each in self._queue.open() if each.state is State.WAITING]
        offered = {place.id: self._instead_of(place) for place in waiting}
        return self._queue.board(now, offered=offered, paused=self._paused())

    def lease(self, lease_id: str) -> Lease:
        """The lease of that id; UnknownLease."""
        return self._stores.ledger.get(lease_id)

    def forgotten(self, place: Place) -> Lease | None:
        """A lease of the place's server that is not the place's own: left from a lost start."""
        mine = (
            LeaseTable.username == place.username,
            LeaseTable.server_name == place.server_name,
        )
        with reading(self._stores.ledger.engine) as session:
            held = active_leases(session, *mine)
        if not held:
            return None
        # Read after the leases: one of them may have been given to this place just now.
        own = self._queue.get(place.id).lease_id
        return next((lease for lease in held if lease.id != own), None)

    def order(self, options: Mapping[str, Any], groups: Iterable[str]) -> rules.Order:
        """What these options ask for, a minute ago at most; for telling, not for starting."""
        key = _key({"options": options, "groups": sorted(groups)})
        made_at, order = self._orders.get(key) or (0.0, None)
        if order is None or time.monotonic() - made_at > _KEPT_SECONDS:
            if len(self._orders) > _MOST_KEPT:
                self._orders.clear()
                self._known.clear()
            order = self._stores.order(options, groups)
            self._orders[key] = (time.monotonic(), order)
            self._known[_key(options)] = order
        return order

    def known(self, options: Mapping[str, Any]) -> rules.Order | None:
        """What these options were told to ask for, without looking; None where nobody looked."""
        return self._known.get(_key(options))

    def _closed(self, place_id: str) -> Place | None:
        try:
            return self._queue.get(place_id)
        except UnknownPlace:
            return None  # a database that was put back from a backup does not know it

    def _instead_of(self, place: Place) -> tuple[Choice, ...]:
        """What could be started in place of that, were it free: smaller, or without a GPU."""
        groups = place.request.groups
        try:
            order = self.order(place.options, groups)
            orders = alternatives(order, self._stores.sizes(), groups)
        except RadLabError:
            return ()  # it was taken from the catalog meanwhile: the start will say so
        self._known.update({_key(order.choice.as_options()): order for order in orders})
        return tuple(
            Choice(
                order.choice.as_options(),
                rules.lease_request(order, place.username, place.server_name, groups),
            )
            for order in orders
        )

    def _paused(self) -> bool:
        try:
            require_walls(self._stores.settings)
        except WallsDown:
            return True
        return False

    def _request(
        self,
        options: Mapping[str, Any],
        username: str,
        server_name: str,
        hub_groups: Iterable[str],
    ) -> tuple[LeaseRequest, dict[str, Any]]:
        groups = class_groups(hub_groups, self._stores.groups.names())
        order = self._stores.order(options, groups)
        request = rules.lease_request(order, username, server_name, groups)
        return request, order.choice.as_options()


def _key(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, sort_keys=True)
