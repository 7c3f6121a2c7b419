"""The Hubs that measurements start for one run, each gone afterwards with all that it made.

stock_hub      JupyterHub with DockerSpawner, as its documentation sets it up
own_platform   this platform whole (keeper, proxy, Hub, portal) on a state folder of its own,
               straight from the checkout, every process as root; it installs nothing
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx
from docker.errors import APIError, NotFound

from hub_config.db import migrate, open_database
from hub_config.errors import RadLabError
from hub_config.machine import engine, packages, services, state
from hub_config.machine.image_build import ensure_images
from hub_config.network.bridges import LABEL, ensure_networks, remove_networks
from hub_config.network.walls import tear_down_walls
from hub_config.settings import Settings

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PROXY_PROGRAM = Path("node_modules", "configurable-http-proxy", "bin", "configurable-http-proxy")
READY_S = 60.0
_AT_ONCE = 8
_CLEARINGS = 5

STOCK_CONFIG = """
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://{gateway}:{hub_port}"
c.JupyterHub.db_url = "sqlite:///stock.sqlite"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = {proxy!r}
c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
c.DockerSpawner.image = {image!r}
c.DockerSpawner.cmd = ["jupyterhub-singleuser"]
c.DockerSpawner.network_name = {network!r}
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.name_template = "{network}-{{username}}"
"""
STALL_CONFIG = """
import sys
sys.path.append({here!r})
from pathlib import Path
import stall_meter
stall_meter.begin(Path({file!r}))
"""


@dataclass(frozen=True)
class Hub:
    """A running Hub: its public address, and the file in which `stall_meter` writes."""

    address: str
    stalls: Path


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(url: str, log: Path, timeout_s: float = READY_S) -> None:
    """Return when `url` answers 200; TimeoutError with the end of the log."""
    begun = time.monotonic()
    while time.monotonic() - begun < timeout_s:
        with suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer:\n{log.read_text()[-3000:]}")


@dataclass(frozen=True)
class Parts:
    """What all Hubs of one run share: the base image, and the installed proxy."""

    engine: str
    image: str
    proxy: Path

    @property
    def proxy_words(self) -> list[str]:
        """The words that start the proxy."""
        return [str(packages.node()), str(self.proxy / PROXY_PROGRAM)]


@contextmanager
def parts(*, proxy: bool = True) -> Iterator[Parts]:
    """Build and install them where they are missing, in a state of their own."""
    with tempfile.TemporaryDirectory(prefix="radlab-bench-") as folder:
        settings = Settings(state=folder)
        settings.make_folders()
        built = ensure_images(settings, ids=["base"])
        if proxy:
            packages.install_proxy(settings, lambda line: None)
        yield Parts(settings.engine, built[0].tag, settings.path("proxy"))


@contextmanager
def stock_hub(given: Parts, added: str = "") -> Iterator[Hub]:
    """JupyterHub with DockerSpawner; `added` are more lines of its configuration."""
    client = docker.DockerClient(given.engine, timeout=300)
    name = f"bench{uuid.uuid4().hex[:6]}"
    network = client.networks.create(name, driver="bridge")
    network.reload()
    gateway = network.attrs["IPAM"]["Config"][0]["Gateway"]
    port = free_port()
    with ExitStack() as ends:
        ends.callback(client.close)
        ends.callback(network.remove)
        ends.callback(lambda: remove_containers(client, {"name": f"^/{name}-"}))
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        stalls = folder / "stalls"
        stalls.touch()
        config = STOCK_CONFIG.format(
            port=port,
            hub_port=free_port(),
            api_port=free_port(),
            gateway=gateway,
            image=given.image,
            network=name,
            proxy=given.proxy_words,
        )
        config += STALL_CONFIG.format(here=str(HERE), file=str(stalls)) + added
        (folder / "config.py").write_text(config)
        words = [sys.executable, "-P", "-m", "jupyterhub", "-f", str(folder / "config.py")]
        ends.enter_context(process(words, folder / "log", folder))
        wait_for(f"http://127.0.0.1:{port}/hub/health", folder / "log")
        yield Hub(f"http://127.0.0.1:{port}", stalls)


@contextmanager
def own_platform(
    given: Parts,
    image: Callable[[Settings], AbstractContextManager[None]] = lambda settings: nullcontext(),
) -> Iterator[tuple[Hub, Settings]]:
    """This platform on an empty state; `image` may put another in the place of `base`."""
    with ExitStack() as ends:
        folder = Path(tempfile.mkdtemp(prefix="radlab-bench-"))
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        settings = _settings(folder)
        state.ensure_folders(settings, pwd.getpwnam(settings.system_user))
        client = engine.connect(settings, timeout=300)
        ends.callback(_clear, client, settings)
        ensure_networks(client, settings)
        ensure_images(settings, ids=["base"])
        ends.enter_context(image(settings))
        shutil.copytree(given.proxy, settings.path("proxy"), symlinks=True)
        database = open_database(settings.radlab_database_url)
        migrate(database)
        database.dispose()
        stalls = settings.path("stalls")
        stalls.touch()
        site = settings.path("config.d")
        site.mkdir()
        (site / "stalls.py").write_text(STALL_CONFIG.format(here=str(HERE), file=str(stalls)))
        for name in services.NAMES:
            ends.enter_context(_service(settings, name))
        for name in services.NAMES:
            _wait_ready(settings, name)
        yield Hub(f"http://127.0.0.1:{settings.port}", stalls), settings


def _settings(folder: Path) -> Settings:
    settings = Settings(
        state=str(folder),
        instance="radlabbench",
        system_user="root",
        listen="127.0.0.1",
        port=free_port(),
        hub_port=free_port(),
        portal_port=free_port(),
        proxy_api_port=free_port(),
        closed_subnet="172.30.244.0/23",
        open_subnet="172.30.246.0/23",
        plain_http_accepted=True,
    )
    defaults = Settings().trait_values()
    settings.save(
        {
            name: value
            for name, value in settings.trait_values().items()
            if name != "state" and value != defaults[name]
        }
    )
    return settings


@contextmanager
def _service(settings: Settings, name: str) -> Iterator[None]:
    made = services.program(settings, name)
    environment = {**services.clean_environment(settings), **made.environment}
    environment["PYTHONPATH"] = str(ROOT)
    with process(made.words, log_of(settings, name), Path(settings.state), environment):
        yield


def log_of(settings: Settings, name: str) -> Path:
    """Where a service of `own_platform` writes."""
    return settings.path("log", f"{name}.log")


def _wait_ready(settings: Settings, name: str) -> None:
    begun = time.monotonic()
    while reason := services.trouble(settings, name):
        if time.monotonic() - begun > READY_S:
            log = log_of(settings, name).read_text()[-3000:]
            raise TimeoutError(f"the {name} is not ready: {reason}\n{log}")
        time.sleep(0.1)


@contextmanager
def process(
    words: list[str], log: Path, folder: Path, environment: dict[str, str] | None = None
) -> Iterator[None]:
    """A process that is ended afterwards, with all that it has started."""
    with log.open("a") as output:
        running = subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        running.terminate()
        with suppress(subprocess.TimeoutExpired):
            running.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait(10)


def _clear(client: docker.DockerClient, settings: Settings) -> None:
    """Remove all of this instance from the engine; what resists is said, and no figure is lost."""
    label = f"{LABEL}={settings.instance}"
    for left in reversed(range(_CLEARINGS)):
        try:
            remove_containers(client, {"label": label})
            for volume in client.volumes.list(filters={"label": label}):
                volume.remove(force=True)
            remove_networks(client, settings)
            break
        except (APIError, RadLabError) as error:
            # The engine may still be at work on what a keeper had asked of it when it was ended.
            time.sleep(2)
            if not left:
                print(f"the engine keeps something of this run: {error}", file=sys.stderr)
    tear_down_walls(settings)
    client.close()


def remove_containers(client: docker.DockerClient, filters: dict[str, str]) -> None:
    """Remove the containers that fit, several at a time."""

    def remove(container: docker.models.containers.Container) -> None:
        with suppress(NotFound):
            try:
                container.remove(force=True, v=True)
            except APIError as error:
                if "in progress" not in str(error):
                    raise
                with suppress(NotFound):
                    container.wait(condition="removed", timeout=60)

    standing = client.containers.list(all=True, filters=filters, ignore_removed=True)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(remove, standing))
