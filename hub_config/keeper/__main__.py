"""`python -m hub_config.keeper`: keep the RadLab of RADLAB_STATE until SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import sys

from hub_config.errors import NotAllowed, RadLabError
from hub_config.keeper.parts import Parts
from hub_config.settings import load_settings


def main() -> int:
    """Run until SIGTERM or SIGINT; returns 0, or 1 where it cannot go on."""
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
    parts = Parts(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: parts.keeper.stop())
    logging.info("keeping %s of %s", settings.instance, settings.state)
    return parts.run()


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    # What threads have asked of the engine is not waited for: the next keeper takes it up.
    os._exit(status)
