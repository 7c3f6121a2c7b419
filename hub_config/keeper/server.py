"""What the keeper answers on its socket (`containers.model`): each question in a thread of its own.

Starts, stops and looks have threads apart from each other, so that sixty starts that wait for
their JupyterLab, or an engine that hangs in stops, do not delay the others.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from hub_config.containers.model import Gone, Health, Running, Seen, StartOrder, StopOrder
from hub_config.containers.refusals import BadOrder, KeeperFault, sent
from hub_config.errors import RadLabError
from hub_config.keeper.starting import Starter

T = TypeVar("T")
_THREADS = 64
log = logging.getLogger("radlab.keeper")


class Threads:
    """Threads for one kind of question."""

    def __init__(self, kind: str) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix=kind)

    async def do(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises, without keeping anybody else waiting."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def create_app(starter: Starter, health: Callable[[], Health], wake: Callable[[], None]) -> FastAPI:
    """The keeper's routes."""
    app = FastAPI(title="RadLab keeper", docs_url=None, redoc_url=None, openapi_url=None)
    starts, stops, looks = Threads("start"), Threads("stop"), Threads("look")
    app.add_exception_handler(RadLabError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_schema)
    app.add_exception_handler(Exception, _confess)

    @app.put("/v1/leases/{lease_id}/container")
    async def start(lease_id: str, order: StartOrder) -> Running:
        """Start the lease's container, and answer when it does."""
        return await starts.do(partial(starter.start, lease_id, order))

    @app.get("/v1/leases/{lease_id}/container")
    async def see(lease_id: str) -> Seen:
        """Say what the engine says of it."""
        return await looks.do(partial(starter.see, lease_id))

    @app.delete("/v1/leases/{lease_id}/container")
    async def stop(lease_id: str, order: StopOrder | None = None) -> Gone:
        """Stop and remove it, and release its lease."""
        return await stops.do(partial(starter.stop, lease_id, order or StopOrder()))

    @app.post("/v1/wake")
    async def wake_up() -> dict[str, str]:
        """Look at the queue now."""
        wake()
        return {}

    @app.get("/v1/health")
    async def say_how() -> Health:
        """Say how the keeper is."""
        return await looks.do(health)

    return app


def serve(app: FastAPI, listening: socket.socket) -> None:
    """Answer on that socket for as long as this process lives."""
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


async def _refuse(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RadLabError)
    log.info("refused: %s %s: %s", request.method, request.url.path, error)
    return JSONResponse(sent(error), error.status)


async def _refuse_schema(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    refusal = BadOrder(
        "The keeper was asked for something that it does not do: {place}: {reason}.",
        do="Start and stop servers by way of the Hub.",
        place=place,
        reason=first["msg"],
    )
    return await _refuse(request, refusal)


async def _confess(request: Request, error: Exception) -> JSONResponse:
    fault = KeeperFault(
        "The keeper failed: {reason}.",
        do="Tell an administrator, who sees more with `./radlab logs keeper`.",
        reason=type(error).__name__,
    )
    return JSONResponse(sent(fault), fault.status)
