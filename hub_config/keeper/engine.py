"""The Docker Engine, as the keeper reaches it: its clients, whether it answers, what stands in it.

One client serves all threads. What only looks is given up sooner than what changes something: an
engine that is busy with starts is slow, one that cannot say what stands is of no use.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import requests
from docker import APIClient
from docker.errors import DockerException, NotFound

from hub_config.errors import Unready
from hub_config.gpus.rules import INSTANCE_LABEL, LEASE_LABEL
from hub_config.keeper.rules import Standing
from hub_config.settings import Settings

# A paused container still holds its GPUs and may go on.
RUNNING = {"running", "paused", "restarting"}
_ACT_SECONDS = 60
_LOOK_SECONDS = 20
_PING_SECONDS = 5
# Pings are 2 s apart; one that hangs takes 5 s.
_STALE_SECONDS = 15.0
_CONNECTIONS = 160


class EngineSilent(Unready):
    """The Docker Engine does not answer; what stands in it is unknown."""

    code = "engine_silent"


class Clients:
    """The engine's clients, made when first needed: making one asks the engine its version."""

    def __init__(self, settings: Settings) -> None:
        self.address = settings.engine
        self._made: dict[int, APIClient] = {}
        self._making = threading.Lock()

    @property
    def acts(self) -> APIClient:
        """For what changes something."""
        return self._client(_ACT_SECONDS)

    @property
    def looks(self) -> APIClient:
        """For what only looks."""
        return self._client(_LOOK_SECONDS)

    @property
    def pings(self) -> APIClient:
        """For asking whether it answers."""
        return self._client(_PING_SECONDS)

    def _client(self, seconds: int) -> APIClient:
        made = self._made.get(seconds)
        if made is not None:
            return made
        # An engine that hangs is waited for without the lock: each thread for itself.
        made = APIClient(
            base_url=self.address, version="auto", timeout=seconds, max_pool_size=_CONNECTIONS
        )
        with self._making:
            return self._made.setdefault(seconds, made)


class EngineWatch:
    """Whether the engine answers, without asking it anew each time."""

    def __init__(self, clients: Clients, ticks: Callable[[], float] = time.monotonic) -> None:
        self._clients = clients
        self._ticks = ticks
        self._answered: float | None = None
        self._trouble = "it was not asked yet"

    def round(self) -> None:
        """Ask it; EngineSilent where it does not answer."""
        try:
            self._clients.pings.ping()
        except (DockerException, requests.RequestException, OSError) as error:
            self._answered, self._trouble = None, str(error)
            raise _silent(self._clients.address, self._trouble) from error
        self._answered = self._ticks()

    def require(self) -> None:
        """EngineSilent where it did not answer lately."""
        if self._answered is None or self._ticks() - self._answered > _STALE_SECONDS:
            raise _silent(self._clients.address, self._trouble)

    @property
    def answers(self) -> bool:
        """Whether it answered lately."""
        try:
            self.require()
        except EngineSilent:
            return False
        return True


class Containers(Protocol):
    """What stands in the engine."""

    def all(self) -> list[Standing]:
        """Every container of this RadLab, stopped ones too; EngineSilent where unknown."""

    def remove(self, container_id: str) -> None:
        """Stop and remove it, or find it gone; EngineSilent unless the engine said that it is."""


class EngineContainers:
    """The containers of one RadLab in a Docker Engine."""

    def __init__(self, settings: Settings, clients: Clients | None = None) -> None:
        self._settings = settings
        self._clients = clients or Clients(settings)

    def all(self) -> list[Standing]:
        """Every container with the label of this RadLab that belongs to a lease."""
        labels = [f"{INSTANCE_LABEL}={self._settings.instance}", LEASE_LABEL]
        try:
            found = self._clients.looks.containers(all=True, filters={"label": labels})
        except (DockerException, requests.RequestException, OSError) as error:
            raise self._silent(error) from error
        return [
            Standing(
                id=one["Id"],
                name=one["Names"][0].lstrip("/"),
                lease_id=one["Labels"][LEASE_LABEL],
                running=one["State"] in RUNNING,
            )
            for one in found
            if one.get("Names")
        ]

    def remove(self, container_id: str) -> None:
        """Stop it, with 5 s of grace, and remove it."""
        try:
            self._clients.acts.stop(container_id, timeout=5)
            self._clients.acts.remove_container(container_id, v=True, force=True)
        except NotFound:
            return
        except (DockerException, requests.RequestException, OSError) as error:
            raise self._silent(error) from error

    def _silent(self, error: Exception) -> EngineSilent:
        return _silent(self._settings.engine, str(error))


def _silent(address: str, reason: str) -> EngineSilent:
    return EngineSilent(
        "The Docker Engine at {engine} does not answer: {reason}.",
        do="Start it: systemctl start docker, or `./radlab up` where there is no systemd.",
        engine=address,
        reason=reason.rstrip("."),
    )
