"""The application: routes behind the gate, one for every refusal, bell and reviver beside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.types import Scope

from hub_config.errors import BadInput, NotFound, RadLabError
from hub_config.gpus import api as gpus_api
from hub_config.groups import api as groups_api
from hub_config.invites import api as invites_api
from hub_config.portal import PREFIX, acting, courses, members, metrics, oauth, servers
from hub_config.portal.armour import HEADERS, Armour
from hub_config.portal.bell import Bell
from hub_config.portal.gate import Here, address, gate, person
from hub_config.portal.hub import Hub, HubUnready, NotSignedIn
from hub_config.portal.pages import PAGES
from hub_config.portal.pages.render import error_page
from hub_config.portal.reviver import Reviver
from hub_config.portal.services import Services, open_services
from hub_config.queueing import api as queueing_api
from hub_config.settings import Settings
from hub_config.teaching import api as teaching_api
from hub_config.usage import api as usage_api

ASSETS = Path(__file__).parents[1] / "assets"

log = logging.getLogger(__name__)


class Assets(StaticFiles):
    """The stylesheet, scripts and pictures of all RadLab pages; nothing private."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, to be asked for again after five minutes."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "max-age=300"
        return response


def create_app(
    settings: Settings, *, engine: Engine | None = None, hub: Hub | None = None
) -> FastAPI:
    """The portal on `settings`; a database and a Hub may be given for tests."""
    services = open_services(settings, engine=engine, hub=hub)
    app = FastAPI(
        title="RadLab",
        version="0.1.0",
        description="Groups, GPUs, quotas, invites, courses, queue, servers and usage of a RadLab. "
        "Authenticate with a token of the Hub: `Authorization: token ...`.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.services = services
    app.state.metrics = metrics.Metrics(services)
    app.add_middleware(Armour)
    app.include_router(_public_routes(app), prefix=PREFIX)
    app.include_router(oauth.router, prefix=PREFIX)
    app.include_router(metrics.router, prefix=PREFIX)
    app.include_router(_private_routes(services), prefix=PREFIX)
    app.mount(f"{PREFIX}/assets", Assets(directory=ASSETS), name="assets")
    app.add_exception_handler(RadLabError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_fields)
    app.add_exception_handler(HTTPException, _refuse_address)
    app.add_exception_handler(Exception, _own_fault)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    beside = [
        asyncio.create_task(Bell(services.ledger, services.hub).run()),
        asyncio.create_task(Reviver(services.queue, services.hub).run()),
    ]
    yield
    for task in beside:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await services.hub.close()


def _public_routes(app: FastAPI) -> APIRouter:
    routes = APIRouter()

    @routes.get("/health", tags=["portal"])
    async def health() -> dict[str, str]:
        """Whether the portal can work; the Hub's absence is told, and is no fault of its own."""
        services: Services = app.state.services
        # Asks for a table, so that a database that was never migrated is no health.
        await asyncio.to_thread(services.groups.names)
        try:
            await services.hub.version()
        except HubUnready:
            return {"status": "ok", "database": "ok", "hub": "unreachable"}
        return {"status": "ok", "database": "ok", "hub": "ok"}

    @routes.get("/api/openapi.json", include_in_schema=False)
    def schema() -> dict[str, Any]:
        return app.openapi()

    return routes


def _private_routes(services: Services) -> APIRouter:
    routes = APIRouter(dependencies=[Depends(gate)])
    for slice_api in (groups_api, gpus_api, teaching_api):
        routes.include_router(slice_api.router(services, person))
    routes.include_router(usage_api.router(services, person, members.students))
    routes.include_router(queueing_api.router(services, person, acting.may_act_on_place))
    routes.include_router(invites_api.router(services, person, address))
    routes.include_router(courses.router)
    routes.include_router(members.router)
    routes.include_router(servers.router)
    routes.include_router(acting.router)
    for pages in PAGES:
        routes.include_router(pages, include_in_schema=False)

    @routes.get("/api/me", tags=["portal"])
    def me(visit: Here) -> dict[str, Any]:
        """Who asks, and what they are here."""
        return {
            "name": visit.person.name,
            "groups": sorted(visit.person.groups),
            "administrator": visit.person.is_administrator,
            "teaches": sorted(visit.person.taught),
        }

    @routes.get("", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse(f"{PREFIX}/", status_code=307)

    return routes


def _for_machines(request: Request) -> bool:
    path = request.url.path
    return path.startswith(f"{PREFIX}/api/") or path in (f"{PREFIX}/health", f"{PREFIX}/metrics")


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, RadLabError)
    if _for_machines(request):
        return JSONResponse(_plain(error.as_dict()), status_code=error.status)
    opens = request.method == "GET" and request.headers.get("sec-fetch-mode", "navigate")
    if isinstance(error, NotSignedIn) and opens == "navigate" and not _back_from_hub(request):
        return oauth.begin_sign_in(request)
    return error_page(request, error)


def _back_from_hub(request: Request) -> bool:
    # A sign-in that failed must not begin another: they would chase each other for ever.
    return request.url.path == oauth.CALLBACK


async def _refuse_fields(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
    return await _refuse(
        request,
        BadInput(
            "The field '{field}' cannot be as given: {reason}.",
            given=first.get("input") if where != "body" else None,
            do="Correct it and send it again.",
            field=where,
            reason=str(first["msg"]).rstrip("."),
        ),
    )


async def _refuse_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refusal: RadLabError = NotFound(
        "There is nothing at this address.",
        given=request.url.path,
        do="Start from the portal's first page.",
    )
    if error.status_code != 404:
        refusal = BadInput("This address does not take {method}.", method=request.method)
    response = await _refuse(request, refusal)
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


async def _own_fault(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path)
    response = await _refuse(
        request,
        RadLabError(
            "Something in RadLab went wrong; it is in the portal's log.",
            do="Try again; if it stays, tell an administrator when it happened.",
        ),
    )
    # Starlette answers this outside all middleware, the armour too.
    response.headers.update({**HEADERS, "cache-control": "no-store"})
    return response


def _plain(shape: dict[str, Any]) -> dict[str, Any]:
    # `given` and `allowed` may hold anything that was refused: text is always renderable.
    inner = {key: _renderable(value) for key, value in shape["error"].items()}
    return {"error": inner}


def _renderable(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dict):
        return {str(key): _renderable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_renderable(item) for item in value]
    return str(value)
