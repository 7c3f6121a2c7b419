"""Docker, as the keeper needs it: which containers of ours stand, and removing one."""

from __future__ import annotations

from typing import Protocol

import requests
from docker import DockerClient
from docker.errors import DockerException, NotFound

from hub_config.errors import Unready
from hub_config.gpus.rules import INSTANCE_LABEL, LEASE_LABEL
from hub_config.keeper.rules import Standing
from hub_config.settings import Settings

# A paused container still holds its GPUs and may go on.
RUNNING = {"running", "paused", "restarting"}


class EngineSilent(Unready):
    """The Docker Engine does not answer; what stands in it is unknown."""

    code = "engine_silent"


class Containers(Protocol):
    """What stands in the engine."""

    def all(self) -> list[Standing]:
        """Every container of this RadLab, stopped ones too; EngineSilent where unknown."""

    def remove(self, container_id: str) -> None:
        """Stop and remove it, or find it gone; EngineSilent unless the engine said that it is."""


class EngineContainers:
    """The containers of one RadLab in a Docker Engine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: DockerClient | None = None

    def all(self) -> list[Standing]:
        """Every container with the label of this RadLab that belongs to a lease."""
        labels = [f"{INSTANCE_LABEL}={self._settings.instance}", LEASE_LABEL]
        try:
            found = self._api().containers(all=True, filters={"label": labels})
        except (DockerException, requests.RequestException) as error:
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
            self._api().stop(container_id, timeout=5)
            self._api().remove_container(container_id, v=True, force=True)
        except NotFound:
            return
        except (DockerException, requests.RequestException) as error:
            raise self._silent(error) from error

    def _api(self) -> DockerClient:
        if self._client is None:
            self._client = DockerClient(base_url=self._settings.engine, timeout=60)
        return self._client.api

    def _silent(self, error: Exception) -> EngineSilent:
        return EngineSilent(
            "The Docker Engine at {engine} does not answer: {reason}.",
            do="Start it: systemctl start docker, or `./radlab up` where there is no systemd.",
            engine=self._settings.engine,
            reason=str(error).rstrip("."),
        )
