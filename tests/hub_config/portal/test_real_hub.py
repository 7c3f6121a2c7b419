"""Against a real JupyterHub: the scopes are enough, and no more is held; OAuth with PKCE works.

The roles are those of `spawning/roles.py`, the authenticator is RadLab's own. The Hub runs without
a proxy (nothing here goes through one) and with servers that are a bare HTTP server, because only
what the Hub says of them matters.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

import hub_config
from hub_config import clock
from hub_config.db import migrate, open_database
from hub_config.groups.store import GroupStore
from hub_config.invites.passwords import Passwords
from hub_config.invites.store import open_store
from hub_config.portal import PREFIX, TOKEN_SECRET
from hub_config.portal.app import create_app
from hub_config.portal.hub import Hub, HubUnready, NotSignedIn, ServerBusy, UnknownUser
from hub_config.portal.sessions import BELIEVED_SECONDS
from hub_config.settings import Settings

PASSWORD = "correct horse battery"
TOKEN = "a-token-of-the-portal-that-is-long-enough"
SCRAPER = "a-token-of-prometheus-that-is-long-enough"
CONFIG = """
import sys
from jupyterhub.proxy import Proxy
from hub_config.invites import TEMPLATES
from hub_config.invites.authenticator import RadlabAuthenticator
from hub_config.settings import load_settings
from hub_config.spawning import pages, roles

class NoProxy(Proxy):
    should_start = False
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {{}}

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.authenticator_class = RadlabAuthenticator
c.JupyterHub.template_paths = [str(pages.TEMPLATES), str(TEMPLATES)]
c.JupyterHub.template_vars = pages.template_vars(load_settings())
c.JupyterHub.spawner_class = "simple"
c.Spawner.cmd = [sys.executable, "-c", {server!r}]
c.JupyterHub.custom_scopes = roles.custom_scopes()
c.JupyterHub.load_roles = roles.roles()
c.JupyterHub.extra_user_scopes = roles.user_scopes()
c.JupyterHub.services = [
    roles.portal_service("http://127.0.0.1:9", {token!r}),
    {{"name": "prometheus", "api_token": {scraper!r}}},
]
c.JupyterHub.load_roles.append(
    {{"name": "prometheus", "scopes": ["read:metrics"], "services": ["prometheus"]}}
)
"""
SERVER = (
    "import http.server, os; from urllib.parse import urlsplit; "
    "url = urlsplit(os.environ['JUPYTERHUB_SERVICE_URL']); "
    "http.server.HTTPServer((url.hostname, url.port), "
    "http.server.SimpleHTTPRequestHandler).serve_forever()"
)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def real_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running JupyterHub."""
    folder, port = tmp_path_factory.mktemp("hub"), free_port()
    config = CONFIG.format(port=port, server=SERVER, token=TOKEN, scraper=SCRAPER)
    (folder / "config.py").write_text(config)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTERHUB_")}
    environ["PYTHONPATH"] = str(Path(hub_config.__file__).parents[1])
    environ["RADLAB_STATE"] = _make_accounts(Settings(state=str(folder / "state")))
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "jupyterhub", "-f", "config.py"]
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env=environ, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_answers(address, process, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _make_accounts(settings: Settings) -> str:
    settings.make_folders()
    database = open_database(settings.radlab_database_url)
    migrate(database)
    GroupStore(database).create("radiology", by="ana")
    store, secret = open_store(settings, database), asyncio.run(Passwords().hash(PASSWORD))
    ends = clock.now() + timedelta(days=1)
    for name, role in (("ana", "administrator"), ("sam", "student"), ("tom", "student")):
        group = None if role == "administrator" else "radiology"
        made = store.create(role=role, group=group, by="test", expires_at=ends)
        store.redeem(made.code, name, secret)
    database.dispose()
    return settings.state


def _wait_until_it_answers(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{address}/hub/api/", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture
async def hub(real_hub: str) -> AsyncIterator[Hub]:
    opened = Hub(f"{real_hub}/hub/api", TOKEN)
    yield opened
    await opened.close()


@pytest.fixture
def portal(settings: Settings, engine: Engine, hub: Hub) -> FastAPI:
    settings.path("secrets", TOKEN_SECRET).write_text(TOKEN)
    return create_app(settings, engine=engine, hub=hub)


class Both(httpx.AsyncBaseTransport):
    """Hub and portal behind one address, as behind the proxy."""

    def __init__(self, portal: FastAPI) -> None:
        self.portal = httpx.ASGITransport(app=portal)
        self.hub = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        to_portal = request.url.path.startswith(PREFIX)
        transport = self.portal if to_portal else self.hub
        return await transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self.hub.aclose()


class Signed:
    """The browser of somebody who can sign in at the Hub."""

    def __init__(self, hub_address: str, portal: FastAPI) -> None:
        self.client = httpx.AsyncClient(
            transport=Both(portal), base_url=hub_address, trust_env=False
        )

    async def sign_in(self, name: str) -> None:
        await self.client.get("/hub/login")
        form = {"username": name, "password": PASSWORD, "_xsrf": self.client.cookies["_xsrf"]}
        answer = await self.client.post("/hub/login", data=form)
        assert answer.status_code == 302, answer.text


@pytest.fixture
async def person(real_hub: str, portal: FastAPI) -> AsyncIterator[Callable[[str], Any]]:
    opened: list[Signed] = []

    async def of(name: str) -> Signed:
        opened.append(Signed(real_hub, portal))
        await opened[-1].sign_in(name)
        return opened[-1]

    yield of
    for each in opened:
        await each.client.aclose()


async def test_sign_in_through_the_real_hub_says_who_and_in_which_groups(
    person: Callable[[str], Any],
) -> None:
    ana = await person("ana")
    page = await ana.client.get(f"{PREFIX}/groups", follow_redirects=True)
    assert page.status_code == 200, page.text
    assert "Make a group" in page.text
    sam = await person("sam")
    assert (await sam.client.get(f"{PREFIX}/groups", follow_redirects=True)).status_code == 403


async def test_sign_out_at_the_hub_ends_the_session_here(person: Callable[[str], Any]) -> None:
    ana = await person("ana")
    assert (await ana.client.get(f"{PREFIX}/gpus", follow_redirects=True)).status_code == 200
    await ana.client.get("/hub/logout")
    again = await ana.client.get(f"{PREFIX}/gpus")
    assert again.status_code == 302


async def test_the_portals_scopes_suffice_to_start_see_and_stop_a_server(
    hub: Hub, person: Callable[[str], Any]
) -> None:
    await person("sam")  # only who has signed in once is a user of the Hub
    await hub.start("sam", "", {"image": "base", "gpus": 0})
    for _ in range(400):
        active = await hub.users(active=True)
        if active and active[0].servers[0].state == "running":
            break
        await asyncio.sleep(0.2)
    assert [(user.name, user.groups) for user in active] == [("sam", {"radiology"})]
    assert active[0].servers[0].url == "/user/sam/"
    with pytest.raises(ServerBusy):
        await hub.start("sam", "", {"image": "base", "gpus": 0})
    for _ in range(400):
        if await hub.stop("sam"):
            break
        await asyncio.sleep(0.2)
    assert await hub.users(active=True) == []
    assert await hub.stop("sam")  # again does no harm


async def test_the_portals_token_holds_no_more_than_it_needs(real_hub: str) -> None:
    headers = {"Authorization": f"token {TOKEN}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        for method, path in (
            ("POST", "users/mallory"),
            ("DELETE", "users/sam"),
            ("PATCH", "users/sam"),
            ("POST", "users/sam/tokens"),
            ("POST", "shutdown"),
        ):
            answer = await client.request(method, f"{real_hub}/hub/api/{path}", json={})
            assert answer.status_code in (403, 404), (path, answer.status_code)


async def test_what_the_hub_does_not_know_is_said(hub: Hub, real_hub: str) -> None:
    with pytest.raises(UnknownUser):
        await hub.user("nobody")
    with pytest.raises(UnknownUser):
        await hub.stop("nobody")
    with pytest.raises(UnknownUser):
        await hub.start("nobody", "", {"image": "base"})
    with pytest.raises(NotSignedIn):
        await hub.owner_of("no-token-of-anybody")
    assert (await hub.version()).startswith("6.")
    nowhere = Hub(f"http://127.0.0.1:{free_port()}/hub/api", TOKEN)
    with pytest.raises(HubUnready):
        await nowhere.users()
    await nowhere.close()


async def test_an_api_token_carries_its_custom_scopes(
    person: Callable[[str], Any], real_hub: str
) -> None:
    ana = await person("ana")
    for scopes, status in ((["access:services!service=radlab"], 403), (None, 201)):
        answer = await ana.client.post(
            f"{PREFIX}/api/groups",
            json={"name": "cardiology"},
            headers=await api_token(ana, scopes),
        )
        assert answer.status_code == status, answer.text


async def test_prometheus_reads_the_metrics_with_the_token_that_opens_the_hubs(
    person: Callable[[str], Any], real_hub: str
) -> None:
    ana = await person("ana")
    for header, status in (
        ({"Authorization": f"token {SCRAPER}"}, 200),
        ({"Authorization": f"Bearer {SCRAPER}"}, 200),
        (await api_token(ana), 403),
        ({"Authorization": f"token {TOKEN}"}, 403),
    ):
        for path in (f"{PREFIX}/metrics", "/hub/metrics"):
            answer = await ana.client.get(path, headers=header)
            assert answer.status_code == status, (path, answer.text)


async def api_token(ana: Signed, scopes: list[str] | None = None) -> dict[str, str]:
    """The header with a token that Ana makes on the Hub's page, of `scopes` or all of hers."""
    wanted = {"note": "test"} | ({"scopes": scopes} if scopes else {})
    xsrf = ana.client.cookies.get("_xsrf", path="/hub/")
    made = await ana.client.post(
        "/hub/api/users/ana/tokens", json=wanted, headers={"X-XSRFToken": xsrf or ""}
    )
    assert made.status_code == 201, made.text
    return {"Authorization": f"token {made.json()['token']}"}


async def test_an_edit_of_groups_is_seen_in_seconds_and_stays_after_the_next_sign_in(
    person: Callable[[str], Any], portal: FastAPI, hub: Hub
) -> None:
    for name in ("radiology", "oncology"):  # the Hub has never heard of oncology
        portal.state.services.groups.create(name, by="ana")
    tom, ana = await person("tom"), await person("ana")
    me = await tom.client.get(f"{PREFIX}/api/me")  # not signed in at the portal yet
    assert me.status_code == 401
    await tom.client.get(f"{PREFIX}/", follow_redirects=True)
    assert await groups_seen(tom) == ["radiology"]

    header, path = await api_token(ana), f"{PREFIX}/api/people/tom/groups"
    put = await ana.client.put(f"{path}/oncology", json={"role": "instructor"}, headers=header)
    assert put.json() == {"name": "tom", "studies": ["radiology"], "teaches": ["oncology"]}
    out = await ana.client.delete(f"{path}/radiology", headers=header)
    assert out.json() == {"name": "tom", "studies": [], "teaches": ["oncology"]}
    teaches = ["instructors", "oncology", "oncology:instructors"]
    assert sorted((await hub.user("tom")).groups) == teaches

    until = time.monotonic() + BELIEVED_SECONDS + 5
    while await groups_seen(tom) != teaches:
        assert time.monotonic() < until, "the portal still believes in the old groups"
        await asyncio.sleep(0.5)
    await person("tom")
    assert sorted((await hub.user("tom")).groups) == teaches

    assert (await ana.client.delete(f"{path}/oncology", headers=header)).status_code == 200
    await person("tom")
    assert (await hub.user("tom")).groups == frozenset()


async def groups_seen(someone: Signed) -> list[str]:
    """The groups that the portal believes this person to be in."""
    return list((await someone.client.get(f"{PREFIX}/api/me")).json()["groups"])
