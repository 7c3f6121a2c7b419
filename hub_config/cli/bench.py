"""`./radlab bench NAME`: measures a speed beside a peer, in one run, on this machine.

The measurements lie in `tests/performance/bench_NAME.py`; each prints a table that names its arms,
with medians and ratios, and the same figures with `--json`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from hub_config.errors import NotFound, nearest
from hub_config.machine import checkout


class UnknownBench(NotFound):
    """There is no measurement of that name."""

    code = "unknown_bench"


def benches(root: Path) -> dict[str, Path]:
    """The measurements of a checkout, by name."""
    found = (root / "tests" / "performance").glob("bench_*.py")
    return {path.stem.removeprefix("bench_"): path for path in sorted(found)}


# What follows the name is the measurement's own, `--help` too.
@click.command("bench", context_settings={"allow_interspersed_args": False})
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(name: str, arguments: tuple[str, ...]) -> int:
    """Measure a speed: `server`, `start`, `storm`, `read`, `view`, `epoch`, `train`, with peers.

    `--json` gives figures, `--check` judges them by tests/performance/ranges.yaml where they are
    kept there, `--help` all options.
    """
    known = benches(checkout.root())
    if name not in known:
        raise UnknownBench(
            "There is no measurement '{name}'.{hint}",
            given=name,
            allowed=sorted(known),
            do="There are: {known}.",
            name=name,
            hint=nearest(name, known),
            known=", ".join(known),
        )
    return subprocess.run(
        [sys.executable, str(known[name]), *arguments], env=dict(os.environ), check=False
    ).returncode
