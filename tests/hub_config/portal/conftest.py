"""The portal over ASGI: real stores, a fake Hub, and people who hold sessions."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from hub_config import clock
from hub_config.db import migrate, open_database
from hub_config.gpus.model import Device, Lease, LeaseRequest
from hub_config.offers.modules import BUILT_METADATA, Module
from hub_config.portal import PREFIX, TOKEN_SECRET
from hub_config.portal.app import create_app
from hub_config.portal.gate import SESSION_COOKIE, XSRF_FIELD
from hub_config.portal.hub import Hub
from hub_config.portal.services import Services
from hub_config.queueing.model import Place
from hub_config.settings import Settings

HOST = "http://radlab.test"
EXERCISES = "- {id: dice, points: 3}\n- {id: loss, points: 2}\n"


def _load(name: str) -> object:
    # Test folders are no packages (importmode=importlib): a helper beside us is loaded by path.
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


fake_hub = sys.modules.get("portal_fake_hub") or _load("portal_fake_hub")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated and empty database, made once: each test takes a copy."""
    path = tmp_path_factory.mktemp("portal") / "empty.sqlite"
    opened = open_database(f"sqlite:///{path}")
    migrate(opened)
    with opened.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    opened.dispose()
    return path


@pytest.fixture
def engine(empty_database: Path, tmp_path: Path) -> Iterator[Engine]:
    """A database of this test's own; the stores' own tests run on PostgreSQL too."""
    path = tmp_path / "radlab.sqlite"
    shutil.copy(empty_database, path)
    opened = open_database(f"sqlite:///{path}")
    yield opened
    opened.dispose()


@pytest.fixture
def the_hub(settings: Settings) -> object:
    """A Hub that knows four people and speaks as JupyterHub does."""
    return fake_hub.FakeHub(settings.make_secret(TOKEN_SECRET))  # type: ignore[attr-defined]


@pytest.fixture
def app(settings: Settings, engine: Engine, the_hub: object) -> FastAPI:
    hub = Hub(
        settings.hub_api_url,
        settings.secret(TOKEN_SECRET),
        transport=httpx.MockTransport(the_hub.answer_in_time),  # type: ignore[attr-defined]
    )
    return create_app(settings, engine=engine, hub=hub)


@pytest.fixture
def services(app: FastAPI, the_hub: object) -> Services:
    """The portal's stores; what the Hub starts takes its place in line, as our spawner does."""
    services: Services = app.state.services

    def take_a_place(name: str, options: dict[str, object]) -> bool:
        request = LeaseRequest(username=name, cpus=1, memory_mb=1024, minutes=60, image="base")
        services.queue.enter(name, "", (), request, options, "radlab", clock.now())
        return True

    the_hub.spawner = take_a_place  # type: ignore[attr-defined]
    return services


class Class_:
    """A site in use: a group with two simulated GPUs, of which Sam holds one."""

    def __init__(self, services: Services, hub: object) -> None:
        self.services, self.hub = services, hub
        now = clock.now()
        services.groups.create("radiology", title="Radiology 2026", by="ana")
        services.groups.create("oncology", internet=True, by="ana")
        services.devices.record(
            [
                Device(f"SIM-radlab-{index}", index, "Simulated GPU", 24576, simulated=True)
                for index in range(3)
            ],
            now,
        )
        services.devices.assign("SIM-radlab-0", "radiology", "ana")
        services.devices.assign("SIM-radlab-1", "radiology", "ana")
        self.invite = services.invites.create(
            role="student",
            by="ines",
            group="radiology",
            uses=30,
            expires_at=now + timedelta(days=14),
        ).invite

    def start(self, name: str, group: str = "radiology", gpus: int = 1, minutes: int = 90) -> Lease:
        """Let `name` run a server that holds `gpus`."""
        now = clock.now()
        lease = self.services.ledger.grant(
            LeaseRequest(
                username=name,
                groups=(group,),
                gpu_count=gpus,
                cpus=2,
                memory_mb=8192,
                minutes=minutes,
                image="imaging",
                module="05_classification",
                module_version="1.0.0",
            ),
            now,
        )
        self.hub.start(name, now.isoformat())  # type: ignore[attr-defined]
        return self.services.ledger.started(lease.id, f"container-{name}", now)

    def wait(self, name: str, group: str = "radiology", gpus: int = 1) -> Place:
        """Let `name` stand in line."""
        request = LeaseRequest(
            username=name,
            gpu_count=gpus,
            cpus=1,
            memory_mb=1024,
            minutes=60,
            image="imaging",
            module="05_classification",
        )
        options = {"module": "05_classification", "gpu": bool(gpus), "language": "en"}
        return self.services.queue.enter(name, "", (group,), request, options, name, clock.now())

    def publish(self, id: str, version: str, **more: object) -> Module:
        """A module as `./radlab course publish` leaves it: facts, exercises, quiz."""
        title = {"en": f"Lesson {id[:2]}", "zh_CN": f"第 {id[:2]} 课"}
        facts = {
            "title": title,
            "summary": title,
            "objectives": {"en": ["Train."], "zh_CN": ["训练。"]},
            "minutes": 60,
            "image": "imaging",
            "languages": ["en", "zh_CN"],
            "order": int(id[:2]),
            **more,
        }
        module = Module.model_validate({"id": id, "version": version, **facts})
        folder = self.services.settings.path("modules", module.folder)
        folder.mkdir(parents=True)
        (folder / BUILT_METADATA).write_text(module.model_dump_json())
        (folder / "exercises.yaml").write_text(EXERCISES)
        (folder / "quiz.yaml").write_text("- {id: leak}\n- {id: window}\n")
        return module


@pytest.fixture
def school(services: Services, the_hub: object) -> Class_:
    """A site in use, where Sam holds a GPU."""
    made = Class_(services, the_hub)
    made.sam = made.start("sam")  # type: ignore[attr-defined]
    return made


class Browser:
    """One person's browser: it keeps cookies and sends what browsers send."""

    def __init__(self, app: FastAPI, services: Services, token: str | None) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url=HOST)
        self.token = token
        self.xsrf = services.seals.xsrf_token(token) if token else ""
        if token:
            self.client.cookies.set(SESSION_COOKIE, token, domain="radlab.test")

    async def open(self, path: str) -> httpx.Response:
        """Open a page as somebody who clicks a link."""
        headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        return await self.client.get(PREFIX + path, headers=headers)

    async def send(self, path: str, follow: bool = True, **fields: str) -> httpx.Response:
        """Send a form of one of our pages."""
        headers = {"Origin": HOST, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
        return await self.client.post(
            PREFIX + path,
            data={XSRF_FIELD: self.xsrf, **fields},
            headers=headers,
            follow_redirects=follow,
        )

    async def call(self, method: str, path: str, **more: object) -> httpx.Response:
        """Call the API as a script of one of our pages."""
        headers = {
            "Origin": HOST,
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "cors",
            "X-XSRFToken": self.xsrf,
        }
        return await self.client.request(method, PREFIX + path, headers=headers, **more)  # type: ignore[arg-type]


@pytest.fixture
async def browser(
    app: FastAPI, services: Services, the_hub: object
) -> AsyncIterator[Callable[[str | None], Browser]]:
    """`browser("ana")`: the browser of somebody who is signed in; `browser(None)`: of nobody."""
    opened: list[Browser] = []

    def of(name: str | None) -> Browser:
        token = the_hub.session_of(name) if name else None  # type: ignore[attr-defined]
        opened.append(Browser(app, services, token))
        return opened[-1]

    yield of
    for each in opened:
        await each.client.aclose()
