"""What the keeper finds when its engine is ended and comes back; one line of JSON for each stage.

A program of its own, because it has to stand in the network namespace of the tests' engine.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta

from keeper_support import Site, order

from hub_config import clock
from hub_config.containers.model import StopOrder
from hub_config.errors import RadLabError
from hub_config.gpus.store import DeviceStore
from hub_config.keeper.engine import Clients, EngineContainers, EngineWatch
from hub_config.keeper.loop import Keeper
from hub_config.keeper.rules import STILL_TAKES
from hub_config.network.walls import report
from hub_config.settings import load_settings


def tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def refused(ask: Callable[[], object]) -> str:
    try:
        ask()
    except RadLabError as error:
        return error.code
    return "not refused"


def main() -> None:
    settings = load_settings()
    site, clients = Site(settings), Clients(settings)
    starter, watch = site.starter(clients), EngineWatch(clients)
    containers = EngineContainers(settings, clients)
    keeper = Keeper(settings, site.ledger, DeviceStore(site.database), containers)
    first, second = site.grant("ann"), site.grant("bob")
    starter.start(first.id, order())
    tell(running=starter.see(first.id).running)

    sys.stdin.readline()
    tell(
        see=refused(lambda: starter.see(first.id)),
        start=refused(lambda: starter.start(second.id, order())),
        stop=refused(lambda: starter.stop(first.id, StopOrder())),
        watch=refused(watch.round),
        active=site.ledger.get(first.id).active and site.ledger.get(second.id).active,
    )

    sys.stdin.readline()
    watch.round()
    report(settings, problems=[])
    starter.start(second.id, order())
    settle(keeper)
    tell(
        first=site.ledger.get(first.id).why_ended,
        second=starter.see(second.id).running,
        watch=watch.answers,
        standing=len(containers.all()),
    )


def settle(keeper: Keeper) -> None:
    """A round now, and one when what does not run is not about to be stopped by anybody."""
    keeper.reconcile()
    keeper.settled()
    now = clock.now
    clock.now = lambda: now() + STILL_TAKES + timedelta(seconds=1)  # type: ignore[assignment]
    keeper.reconcile()
    keeper.settled()


if __name__ == "__main__":
    main()
