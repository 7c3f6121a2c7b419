"""`python -m hub_config.machine.serve NAME`: become one of the platform's services."""

from __future__ import annotations

import os
import sys

from hub_config.errors import RadLabError
from hub_config.machine.services import NAMES, clean_environment, program
from hub_config.settings import load_settings


def main(name: str) -> int:
    """Replace this process by the service's program; returns only where that fails."""
    if name not in NAMES:
        print(f"There is no service '{name}'; there are {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    try:
        settings = load_settings()
        made = program(settings, name)
        os.chdir(settings.state)
    except (RadLabError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    os.umask(0o022)
    os.execve(made.words[0], made.words, {**clean_environment(settings), **made.environment})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
