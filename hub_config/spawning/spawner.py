"""The spawner: a lease first, then the container that bears its id; and back again.

    options -> order -> lease -> home -> container -> "started" in the ledger -> address

A step that fails undoes those before it. A lease is released only when the engine says that its
container is gone; where the engine does not answer, the lease stays, and the keeper finds it. The
lease's id is kept in the Hub's database from the moment it is granted, so that a Hub that dies in
the midst of a start finds its container again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar, TypeVar

from docker import APIClient
from dockerspawner import DockerSpawner
from jupyterhub.utils import url_path_join
from traitlets import Dict, Unicode, default

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.gpus.rules import (
    INSTANCE_LABEL,
    LEASE_LABEL,
    USER_LABEL,
    AlreadyHeld,
    Ended,
    container_name,
)
from hub_config.network.rules import network_dns, network_name
from hub_config.settings import Settings, load_settings
from hub_config.spawning import containers, rules
from hub_config.spawning.environment import session_environment, session_facts
from hub_config.spawning.hardening import STOP_SECONDS, Container
from hub_config.spawning.homes import ensure_home
from hub_config.spawning.launch import Launch
from hub_config.spawning.pages import gettext_of
from hub_config.spawning.refusal import Refused
from hub_config.spawning.steps import STEPS, Step
from hub_config.spawning.stores import Granted, Stores

T = TypeVar("T")
_MB = 1024 * 1024
_ENGINE_SECONDS = 60
_LOOK_AGAIN_SECONDS = 0.5


class LeaseSpawner(DockerSpawner):  # type: ignore[misc]
    """Starts a student's container under a lease, fenced in as `hardening` says."""

    # DockerSpawner has one thread for all: an image that ignores SIGTERM would delay everyone.
    _executor: ClassVar[ThreadPoolExecutor] = ThreadPoolExecutor(32, thread_name_prefix="engine")
    _making_client: ClassVar[threading.Lock] = threading.Lock()
    _stores: ClassVar[Stores | None] = None

    _running: asyncio.Future[str] | None = None

    # The container is removed at the end, so that its token is never used again.
    will_resume = False

    lease_id = Unicode("", help="The lease that this server holds; empty where it holds none.")
    session = Dict(help="What pages show about the running session.")
    step = Unicode("", help="How far the start has come: a name of `steps.STEPS`.")

    @property
    def stores(self) -> Stores:
        """Database and catalogs, opened once for all spawners."""
        if LeaseSpawner._stores is None:
            LeaseSpawner._stores = Stores(load_settings())
        return LeaseSpawner._stores

    @property
    def settings(self) -> Settings:
        """The settings of this RadLab."""
        return self.stores.settings

    @property
    def client(self) -> APIClient:
        """The engine's client, one for all spawners; made in a thread, because it asks."""
        cls = type(self)
        with cls._making_client:
            if cls._client is None:
                cls._client = APIClient(
                    base_url=self.settings.engine,
                    version="auto",
                    timeout=_ENGINE_SECONDS,
                    max_pool_size=64,
                )
        return cls._client

    # Launch page and options

    @default("options_form")
    def _the_launch_page(self) -> Callable[[LeaseSpawner], Any]:
        return LeaseSpawner.launch

    async def launch(self) -> Launch:
        """What `spawn.html` shows; the template receives it in place of a form's HTML."""
        return await asyncio.to_thread(self.stores.launch, self._group_names())

    def options_from_form(self, form: dict[str, list[Any]]) -> dict[str, Any]:
        """The options that a button of the launch page stands for."""
        try:
            return rules.read_options(rules.read_form(form)).as_options()
        except RadLabError as error:
            raise Refused(error, gettext_of(self.handler)) from error

    def options_from_query(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """Refuses: a link that somebody else wrote must not start anything."""
        raise Refused(
            rules.NotByLink("A link cannot start a server.", do="Choose here what to start."),
            gettext_of(self.handler),
        )

    @default("apply_user_options")
    def _applied_in_start(self) -> Callable[[LeaseSpawner, dict[str, Any]], None]:
        # `start` reads them, whichever way they came; without this the Hub logs a warning.
        return lambda spawner, options: None

    # Start

    async def start(self) -> tuple[str, int]:
        """Address and port of a new container; Refused in the language of who asked."""
        gettext = gettext_of(self.handler)
        try:
            return await self._start()
        except RadLabError as error:
            raise Refused(error, gettext) from error

    async def _start(self) -> tuple[str, int]:
        self.step = Step.ASKED
        order = await asyncio.to_thread(self.stores.order, self.user_options)
        granted = await self._grant(order)
        self._hold(order, granted)
        name = self.object_name
        self._running = running = asyncio.ensure_future(self._run(order, granted))
        try:
            address = await asyncio.shield(running)
            await self._arrive(address)
            return address, self.port
        except BaseException:
            # Also when cancelled: what the engine was asked goes on, so wait for it, then undo.
            await self._settled(running)
            await self._end(granted.lease.id, name, Ended.FAILED_START)
            raise

    async def _grant(self, order: rules.Order) -> Granted:
        ask = partial(self.stores.grant, order, self.user.name, self.name, self._group_names())
        try:
            return await asyncio.to_thread(ask)
        except AlreadyHeld as held:
            # The Hub knows of no server of theirs: this is left from a start that it forgot.
            self.log.warning("Ending the forgotten lease %s", held.lease.id)
            name = container_name(self.settings.instance, held.lease.id)
            await self._engine(containers.remove, name)
            await asyncio.to_thread(self.stores.release, held.lease.id, Ended.CONTAINER_GONE)
            return await asyncio.to_thread(ask)

    def _hold(self, order: rules.Order, granted: Granted) -> None:
        lease = granted.lease
        self.image = order.image.tag
        self.network_name = network_name(self.settings, granted.internet)
        self.object_name = container_name(self.settings.instance, lease.id)
        self.lease_id = lease.id
        self.session = session_facts(order, lease)
        self.mem_limit, self.cpu_limit = order.memory_mb * _MB, order.cpus
        self.default_url = order.default_url
        self._keep_state()

    async def _run(self, order: rules.Order, granted: Granted) -> str:
        self.step = Step.HOME
        home = await self._engine(ensure_home, self.settings, self.user.name)
        self.step = Step.CONTAINER
        container = await self._container(order, granted, home)
        self.object_id = await self._engine(containers.create, container)
        # A slow engine may have taken longer than a lease waits: nobody holds these GPUs then.
        await asyncio.to_thread(self.stores.require_active, granted.lease.id)
        await self._engine(containers.start, self.object_name)
        lease = await asyncio.to_thread(self.stores.started, granted.lease.id, self.object_id)
        self.session = {**self.session, "ends_at": clock.to_iso(lease.ends_at)}
        self.step = Step.LAB
        return containers.require_running(
            await self._engine(containers.find, self.object_name, self.network_name)
        )

    async def _arrive(self, address: str) -> None:
        """Return when something listens there; LabEnded as soon as the container ends instead."""
        while not await _listens(address, self.port):
            found = await self._engine(containers.find, self.object_name, self.network_name)
            try:
                containers.require_running(found)
            except rules.LabEnded:
                words = await self._engine(containers.last_words, self.object_name)
                self.log.warning("The last lines of %s:\n%s", self.object_name, words)
                raise
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _container(self, order: rules.Order, granted: Granted, home: str) -> Container:
        lease, settings = granted.lease, self.settings
        ends_at, warn = lease.ends_at, settings.warn_minutes
        command = await self.get_command() if self.cmd or self.get_args() else None
        return Container(
            name=self.object_name,
            image=self.image,
            environment={
                **self.get_env(),
                **session_environment(order, lease, ends_at, warn),
            },
            labels={
                INSTANCE_LABEL: settings.instance,
                LEASE_LABEL: lease.id,
                USER_LABEL: self.user.name,
            },
            network=self.network_name,
            dns=network_dns(settings, granted.internet),
            home_volume=home,
            datasets=str(settings.path("datasets", "visible", "everyone")),
            modules=str(settings.path("modules")),
            cpus=order.cpus,
            memory_mb=order.memory_mb,
            pids=order.image.pids,
            device_uuids=() if lease.simulated else lease.device_uuids,
            command=command,
            port=self.port,
        )

    # Stop and poll

    async def stop(self, now: bool = False) -> None:
        """End the container, remove it, and free its lease; the home is kept."""
        await self._settled(self._running)
        if not self.lease_id:
            return
        seconds = 0 if now else STOP_SECONDS
        await self._engine(containers.stop, self.object_name, seconds)
        await self._engine(containers.remove, self.object_name)
        await asyncio.to_thread(self.stores.release, self.lease_id, Ended.STOPPED)
        self.clear_state()

    async def poll(self) -> int | str | None:
        """None while the container runs, or while the engine does not say; else how it ended."""
        if self._running is not None and not self._running.done():
            return None
        if not self.lease_id:
            return 0
        try:
            found = await self._engine(containers.find, self.object_name)
        except rules.EngineTrouble as error:
            self.log.warning("Nothing is known of %s: %s", self.object_name, error)
            return None
        if found is not None and found.running:
            return None
        await self._end(self.lease_id, self.object_name, Ended.CONTAINER_GONE)
        return "gone" if found is None else f"exit code {found.exit_code}"

    async def get_url(self) -> str:
        """Where the server answers, asked of the engine: a restarted Hub may not know."""
        try:
            found = await self._engine(containers.find, self.object_name, self.network_name)
        except rules.EngineTrouble:
            found = None
        if found is None or not found.address:
            return str(self.server.url)
        url = url_path_join(f"http://{found.address}:{self.port}", self.server.base_url)
        return str(url)

    async def _settled(self, running: asyncio.Future[str] | None) -> None:
        """Return when the engine has done what a start asked of it, well or not."""
        if running is not None:
            await asyncio.wait([running])
            if not running.cancelled():
                running.exception()  # seen: whoever awaits `start` is told

    async def _end(self, lease_id: str, name: str, why: Ended) -> None:
        """Remove what is left of the container and free the lease; leave it where that fails."""
        try:
            await self._engine(containers.remove, name)
            await asyncio.to_thread(self.stores.release, lease_id, why)
        except RadLabError as error:
            self.log.error("The lease %s is left to the keeper: %s", lease_id, error)
        if self.lease_id == lease_id:
            self.clear_state()

    # State

    def get_state(self) -> dict[str, Any]:
        """What the Hub's database keeps of a running server."""
        state: dict[str, Any] = super().get_state()
        if self.lease_id:
            state |= {
                "lease_id": self.lease_id,
                "object_id": self.object_id,
                "object_name": self.object_name,
                "network_name": self.network_name,
                "session": self.session,
            }
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what `get_state` kept."""
        super().load_state(state)
        self.lease_id = state.get("lease_id", "")
        self.session = state.get("session", {})
        self.network_name = state.get("network_name", self.network_name)

    def clear_state(self) -> None:
        """Forget the session."""
        super().clear_state()
        self.lease_id, self.object_id, self.session = "", "", {}

    def _keep_state(self) -> None:
        if self.orm_spawner is not None:
            self.orm_spawner.state = self.get_state()
            self.user.db.commit()

    # Words and threads

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Each step of the start as it begins; pages say it in the reader's language."""
        told = ""
        while True:
            if self.step != told and self.step:
                told = self.step
                step = STEPS[Step(told)]
                yield {"step": told, "message": step.message, "progress": step.done}
            await asyncio.sleep(0.2)

    def _group_names(self) -> list[str]:
        return [group.name for group in self.user.groups]

    async def _engine(self, action: Callable[..., T], *arguments: Any) -> T:
        def act() -> T:
            with containers.said_clearly():
                client = self.client
            return action(client, *arguments)

        return await asyncio.wrap_future(self.executor.submit(act))


async def _listens(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(address, port)
    except OSError:  # a TimeoutError is one too
        return False
    writer.close()
    return True
