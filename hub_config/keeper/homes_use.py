"""How much each home holds, measured every 10 minutes at the lowest priority.

`du` counts blocks, follows no link and leaves the file system never; names of files may be any
bytes, as only the sum is read. A home too large to be measured in time keeps its last figure.
Those of running sessions are measured each time, the others once a day. Where the file system can
set a hard limit (`disk_limits`), the quota of the home's owner is set as one at the same time.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from hub_config import clock
from hub_config.containers.rules import home_slug
from hub_config.gpus.model import Lease
from hub_config.keeper.disk_limits import limit_home, quota_device
from hub_config.settings import Settings
from hub_config.usage.model import HomeUse

HOMES_SECONDS = 600
LIMIT_SECONDS = 120
RESTING = timedelta(days=1)
log = logging.getLogger("radlab.keeper")

# Behind everything that a student waits for, on processor and disk.
_GENTLY = ("nice", "-n", "19", "ionice", "-c", "3")


class Leases(Protocol):
    """The ledger, as far as it is read here."""

    def active(self) -> list[Lease]:
        """Every lease that is not released."""

    def usernames(self) -> list[str]:
        """Everybody who ever held a lease."""


class Uses(Protocol):
    """The records of use, as far as they are needed here."""

    def homes(self, homes: Sequence[HomeUse]) -> None:
        """Keep these measures."""

    def home(self, username: str) -> HomeUse | None:
        """The last measure."""


def used_mb(folder: Path, seconds: float = LIMIT_SECONDS) -> int | None:
    """What lies in `folder`, in MB; None where it could not be measured in that time.

    Files that are removed meanwhile are no failure: `du` says so, and its sum stands.
    """
    command = [*_GENTLY, "du", "--summarize", "--one-file-system", "--block-size=1K", "--"]
    try:
        done = subprocess.run(
            [*command, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return None
    sum_kb, _, _ = done.stdout.partition(b"\t")
    return -(-int(sum_kb) // 1024) if sum_kb.isdigit() else None


class HomesUse:
    """Makes the round over the homes of a state folder; `limits` says what each may hold, in MB."""

    def __init__(
        self,
        settings: Settings,
        leases: Leases,
        uses: Uses,
        limits: Callable[[str], int | None],
        seconds: float = LIMIT_SECONDS,
    ) -> None:
        self._settings = settings
        self._leases = leases
        self._uses = uses
        self._limits = limits
        self._seconds = seconds

    def round(self) -> None:
        """Measure the homes whose turn it is; each is kept as soon as it is known."""
        device = quota_device(self._settings.path("homes"))
        running = {lease.username for lease in self._leases.active()}
        for username in self._turn(running, clock.now()):
            folder = self._settings.path("homes", home_slug(username))
            if not folder.is_dir() or folder.is_symlink():
                continue
            if device is not None:
                self._limit(username, folder, device)
            self._measure(username, folder)

    def _measure(self, username: str, folder: Path) -> None:
        used = used_mb(folder, self._seconds)
        if used is None:
            log.warning("the home of %s could not be measured in time", username)
            return
        self._uses.homes([HomeUse(username=username, used_mb=used, measured_at=clock.now())])

    def _limit(self, username: str, folder: Path, device: str) -> None:
        try:
            limit_home(folder, self._limits(username), device)
        except OSError as error:
            log.warning("the home of %s could not be limited: %s", username, error)

    def _turn(self, running: set[str], now: datetime) -> Iterable[str]:
        yield from sorted(running)
        for username in self._leases.usernames():
            if username in running:
                continue
            last = self._uses.home(username)
            if last is None or now - last.measured_at > RESTING:
                yield username
