"""`python -m hub_config.keeper`: keep the RadLab of RADLAB_STATE until SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import sys

from hub_config.db import open_database
from hub_config.errors import NotAllowed, RadLabError
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.store import DeviceStore
from hub_config.keeper.engine import EngineContainers
from hub_config.keeper.loop import Keeper
from hub_config.settings import load_settings


def main() -> int:
    """Run until SIGTERM or SIGINT; returns 0."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = load_settings()
        if os.geteuid() != 0:
            raise NotAllowed(
                "The keeper sets firewall rules and must be root.",
                do="Let `./radlab up` start it.",
            )
    except RadLabError as error:
        print(error, file=sys.stderr)
        return 1
    database = open_database(settings.radlab_database_url)
    keeper = Keeper(settings, Ledger(database), DeviceStore(database), EngineContainers(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: keeper.stop())
    logging.info("keeping %s of %s", settings.instance, settings.state)
    keeper.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
