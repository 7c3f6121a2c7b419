"""A single-user server starts with what a session needs; the rest is there when it is asked for."""

from __future__ import annotations

import asyncio
import gc
import importlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jupyterhub import httpclient
from radlab_session import hub_client, lean
from tornado.httpclient import HTTPError

SESSION = Path(lean.__file__).parents[1]


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `thick` with a module `thick.cut`, both of them to be filled later."""
    folder = tmp_path / "thick"
    folder.mkdir()
    (folder / "__init__.py").write_text("depth = 3\nfrom thick import cut\nown = cut.depth\n")
    (folder / "cut.py").write_text("depth = 1\nhere = 'real'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(lean, "LATER", {"thick": {}, "thick.cut": {"here": "at once"}})
    monkeypatch.setattr(sys, "meta_path", [lean.LaterFinder(), *sys.meta_path])
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "thick"]:
        del sys.modules[name]


def test_a_module_is_executed_when_something_is_asked_of_it(later: Path) -> None:
    thick = importlib.import_module("thick")
    assert type(thick) is lean.Later and "depth" not in vars(thick)
    assert thick.depth == 3
    assert type(thick) is ModuleType and thick.own == 1


def test_a_name_given_at_once_executes_nothing(later: Path) -> None:
    from thick.cut import here  # type: ignore[import-not-found]

    cut = sys.modules["thick.cut"]
    assert here == "at once" and type(cut) is lean.Later
    assert type(sys.modules["thick"]) is lean.Later
    assert cut.depth == 1 and cut.here == "real"


def test_a_part_of_a_package_is_imported_after_the_package_and_once(later: Path) -> None:
    (later / "__init__.py").write_text("order = ['package']\nfrom thick import rind\n")
    (later / "rind.py").write_text("from thick import order\norder.append('part')\n")
    thick = importlib.import_module("thick")
    rind = importlib.import_module("thick.rind")
    assert thick.order == ["package", "part"]
    assert rind is thick.rind and rind.__spec__.origin == str(later / "rind.py")


def test_a_name_that_the_real_module_lacks_is_an_attribute_error(later: Path) -> None:
    thick = importlib.import_module("thick")
    with pytest.raises(AttributeError):
        _ = thick.height
    assert thick.depth == 3


def test_a_module_that_fails_when_it_is_filled_says_why(later: Path) -> None:
    (later / "cut.py").write_text("raise ImportError('no knife')\n")
    cut = importlib.import_module("thick.cut")
    with pytest.raises(ImportError, match="no knife"):
        _ = cut.depth


def test_a_module_that_is_not_there_is_still_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "LATER", {"thin_air": {}})
    monkeypatch.setattr(sys, "meta_path", [lean.LaterFinder(), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("thin_air")


ASK = """
import sys
sys.path.insert(0, sys.argv[1])
from radlab_session import lean
lean.begin()
import jupyterhub.services.auth, jupyterhub.log
print(sorted({"sqlalchemy.orm", "alembic", "aiohttp.client"} & sys.modules.keys()))
import jupyterhub.orm
print(jupyterhub.orm.User.__tablename__, "sqlalchemy.orm" in sys.modules)
"""


def test_the_hubs_database_is_not_loaded_with_its_log_and_is_whole_when_asked_for() -> None:
    run = subprocess.run(
        [sys.executable, "-c", ASK, str(SESSION)], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines() == ["[]", "users True"]


def test_garbage_is_collected_again_once_the_server_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    lean.begin()
    try:
        assert not gc.isenabled()
    finally:
        lean.settle()
        gc.unfreeze()
    assert gc.isenabled()


class Hub(BaseHTTPRequestHandler):
    """Answers with what it was asked; the path is the status."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        told = [self.command, self.headers.get("Authorization"), self.rfile.read(length).decode()]
        self.send_response(int(self.path.strip("/")))
        self.send_header("X-JupyterHub-Version", "1.2.3")
        self.end_headers()
        self.wfile.write(repr(told).encode())

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


async def told(fetch: Any, url: str, **options: Any) -> tuple[object, ...]:
    answer = await fetch(url, **options)
    return (
        answer.status, answer.ok, answer.headers["X-JupyterHub-Version"], await answer.text()
    )  # fmt: skip


@pytest.mark.parametrize("options", [
    {},
    {"headers": {"Authorization": "token t"}},
    {"method": "POST"},
    {"method": "POST", "data": b"a=1&b=2", "headers": {"Authorization": "token t"}},
])  # fmt: skip
@pytest.mark.parametrize("status", [200, 403, 500])
def test_the_hub_is_asked_as_jupyterhubs_own_client_asks_it(
    hub: str, options: dict[str, Any], status: int
) -> None:
    async def both() -> list[tuple[object, ...]]:
        asked = {**options, "raise_for_status": False}
        ours = await told(hub_client.fetch, f"{hub}/{status}", **asked)
        theirs = await told(httpclient.fetch, f"{hub}/{status}", **asked)
        await httpclient.JupyterHubHTTPClient.loop_instance().close()
        return [ours, theirs]

    ours, theirs = asyncio.run(both())
    assert ours == theirs and ours[0] == status


def test_a_refusal_of_the_hub_is_raised_where_that_is_asked(hub: str) -> None:
    with pytest.raises(HTTPError, match="403"):
        asyncio.run(hub_client.fetch(f"{hub}/403"))


def test_a_hub_that_is_not_there_is_an_error_and_not_an_answer(hub: str, unused: int) -> None:
    with pytest.raises(OSError):
        asyncio.run(hub_client.fetch(f"http://127.0.0.1:{unused}/200", raise_for_status=False))


@pytest.fixture
def unused() -> int:
    """A port that nobody listens on any more."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.server_close()
    return int(server.server_address[1])
