"""Asking the keeper: one coroutine a verb of `model`, over its Unix socket.

A keeper that is being restarted is waited for, and asked again: each verb may be asked twice
without harm. What it refuses is raised here as the refusal that it was there.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

# httpx imports these two with its first request, which would hold up a Hub's event loop for a
# sixth of a second, at the moment when the first of a class clicks.
import anyio._backends._asyncio  # noqa: F401
import httpcore  # noqa: F401
import httpx

from hub_config.containers.door import SOCKET, reachable_path
from hub_config.containers.model import Gone, Health, Running, Seen, StartOrder, StopOrder
from hub_config.containers.refusals import KeeperAway, received
from hub_config.settings import Settings

# A start's own limits (`keeper.starting`) end it long before this.
_ANSWER_SECONDS = 300.0
_CONNECT_SECONDS = 5.0
_ASK_AGAIN_SECONDS = 0.25
PATIENCE_SECONDS = 90.0


class KeeperClient:
    """The keeper of one RadLab, as other processes see it; one for each event loop."""

    def __init__(self, settings: Settings, *, patience: float = PATIENCE_SECONDS) -> None:
        """`patience`: for how long a keeper that does not answer is asked again."""
        self.socket = settings.path(*SOCKET)
        self.patience = patience
        self._client: httpx.AsyncClient | None = None
        self._folder: int | None = None

    async def start(self, lease_id: str, order: StartOrder) -> Running:
        """Have the container of that lease made and started; returns when its JupyterLab answers.

        Raises UnknownLease, LeaseOver, EngineTrouble, ImageMissing, HomeTrouble, LabEnded,
        LabSilent, WallsDown, KeeperAway.
        """
        answer = await self._ask("PUT", _container(lease_id), order.model_dump(mode="json"))
        return Running.model_validate(answer)

    async def see(self, lease_id: str, *, patience: float | None = None) -> Seen:
        """What the engine says of the lease's container; EngineTrouble, KeeperAway: unknown."""
        answer = await self._ask("GET", _container(lease_id), patience=patience)
        return Seen.model_validate(answer)

    async def stop(self, lease_id: str, order: StopOrder | None = None) -> Gone:
        """Stop and remove the lease's container, and release the lease; again does nothing.

        Raises UnknownLease, EngineTrouble, KeeperAway: then the lease stands, and the keeper ends
        it when it can.
        """
        order = order or StopOrder()
        answer = await self._ask("DELETE", _container(lease_id), order.model_dump(mode="json"))
        return Gone.model_validate(answer)

    async def wake(self) -> None:
        """Have the queue looked at now; a keeper that is away looks when it is back."""
        try:
            await self._ask("POST", "/v1/wake", patience=0)
        except KeeperAway:
            return

    async def health(self, *, patience: float | None = None) -> Health:
        """How the keeper is; KeeperAway."""
        return Health.model_validate(await self._ask("GET", "/v1/health", patience=patience))

    async def aclose(self) -> None:
        """Close its connections; the next question opens new ones."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    async def _ask(
        self, verb: str, path: str, body: Any = None, *, patience: float | None = None
    ) -> Any:
        deadline = 0.0
        while True:
            asked = time.monotonic()
            try:
                answer = await self._opened().request(verb, path, json=body)
                said = answer.json()
                break
            except httpx.ReadTimeout as error:
                raise self._away(error) from error
            # One that is ending may answer anything: what is not JSON is no answer.
            except (httpx.TransportError, OSError, ValueError) as error:
                now = time.monotonic()
                if not deadline or now - asked > _CONNECT_SECONDS:  # it was there until now
                    deadline = now + (self.patience if patience is None else patience)
                if now >= deadline:
                    raise self._away(error) from error
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        if answer.is_success:
            return said
        raise received(said, answer.status_code)

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            # Every start holds a connection for as long as it takes: there is no limit to them.
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=16)
            if self._folder is None:
                self._folder = os.open(self.socket.parent, os.O_PATH | os.O_DIRECTORY)
            transport = httpx.AsyncHTTPTransport(
                uds=reachable_path(self.socket, self._folder),
                verify=False,
                limits=limits,
                trust_env=False,
            )
            self._client = httpx.AsyncClient(
                transport=transport,
                base_url="http://keeper",
                timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
                trust_env=False,
            )
        return self._client

    def _away(self, error: Exception) -> KeeperAway:
        return KeeperAway(
            "The keeper, which starts and stops servers, does not answer: {reason}.",
            do="It is started again by itself; try again in a minute. An administrator sees why "
            "with `./radlab logs keeper`.",
            reason=str(error).rstrip(".") or type(error).__name__,
        )


def _container(lease_id: str) -> str:
    return f"/v1/leases/{lease_id}/container"
