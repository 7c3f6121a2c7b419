"""Does this desk work? Each part is tried out, in seconds, and told as one line.

Nothing here raises: a part that fails says how, and the others are still tried.
"""

from __future__ import annotations

import html
import importlib
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from IPython.display import HTML

from course_kit import show
from course_kit.desk import allowed_cores
from course_kit.texts import say

_MIB = 2**20
_SPEED_SECONDS = 0.4
_ROUNDS = 3
_LEAST_GAIN = 1.2
PACKAGES = ("numpy", "matplotlib", "torch", "monai", "SimpleITK", "sklearn", "pydicom")


@dataclass(frozen=True)
class Finding:
    """One part of the desk: whether it works, in words, and the seconds that this took."""

    part: str
    works: bool
    words: str
    seconds: float


def self_test(home: Path | None = None) -> list[Finding]:
    """Try all parts of the desk, show the table, and give back what was found."""
    parts: list[tuple[str, Callable[[], str]]] = [
        (say("test_processor"), _processor),
        (say("test_memory"), _memory),
        (say("test_folder"), lambda: _folder(home or Path.home())),
        (say("test_packages"), _packages),
        (say("test_images"), _images),
    ]
    found = [_try(part, trial) for part, trial in parts]
    show.render(_Table(found))
    return found


class _Table(HTML):  # type: ignore[misc]
    """The findings as a table; as lines where no HTML is shown."""

    def __init__(self, findings: list[Finding]) -> None:
        self._lines = "\n".join(
            f"{'✓' if one.works else '✗'} {one.part}: {one.words}" for one in findings
        )
        cell = "padding:6px 14px;border-bottom:1px solid #e2e8f0;text-align:left"
        rows = "".join(
            f'<tr><td style="{cell};color:{"#059669" if one.works else "#d97706"}">'
            f"{'✓' if one.works else '✗'}</td>"
            f'<td style="{cell};font-weight:600">{html.escape(one.part)}</td>'
            f'<td style="{cell};color:#475569">{html.escape(one.words)}</td>'
            f'<td style="{cell};color:#94a3b8">{one.seconds:.1f} s</td></tr>'
            for one in findings
        )
        table = f'<table style="border-collapse:collapse;max-width:760px">{rows}</table>'
        super().__init__(table)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return self._lines


def _try(part: str, trial: Callable[[], str]) -> Finding:
    start = time.monotonic()
    try:
        works, words = True, trial()
    except Exception as error:
        works, words = False, say("test_failed", kind=type(error).__name__, error=str(error))
    return Finding(part, works, words, time.monotonic() - start)


def _processor() -> str:
    """How many times faster all cores together are than one."""
    cores = max(1, int(allowed_cores()))
    alone = max(sum(_work(1)) for _ in range(_ROUNDS))
    together = max(sum(_work(cores)) for _ in range(_ROUNDS))
    times = together / max(1, alone)
    # Cores are shares of a machine: while all of it is busy, the second one gives little.
    key = "test_busy" if cores > 1 and times < _LEAST_GAIN else "test_speed"
    return say(key, cores=cores, times=f"{times:.1f}")


def _work(threads: int) -> list[int]:
    """How many sorts each thread ends in its time; sorting lets the others run beside it."""
    counts = [0] * threads
    end = time.monotonic() + _SPEED_SECONDS

    def run(number: int) -> None:
        values = np.random.default_rng(number).random(200_000)
        while time.monotonic() < end:
            np.sort(values)
            counts[number] += 1

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return counts


def _memory() -> str:
    block = np.ones(256 * _MIB // 8)
    return say("test_filled", megabytes=block.nbytes // _MIB)


def _folder(home: Path) -> str:
    content = np.random.default_rng(1).bytes(8 * _MIB)
    with tempfile.NamedTemporaryFile(dir=home, prefix=".radlab-selftest-") as file:
        start = time.monotonic()
        file.write(content)
        file.flush()
        file.seek(0)
        if file.read() != content:
            raise OSError(say("test_other_content"))
        seconds = max(1e-3, time.monotonic() - start)
    return say("test_written", speed=f"{2 * len(content) / _MIB / seconds:.0f}")


def _packages() -> str:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(", ".join(missing))
    return ", ".join(PACKAGES)


def _images() -> str:
    from dicom_catalog import Catalog

    names = list(Catalog())
    if not names:
        raise LookupError(say("test_no_images"))
    return ", ".join(map(str, names))
