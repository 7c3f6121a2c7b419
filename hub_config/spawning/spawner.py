"""The spawner: a place in line first, then a lease, then the container that bears its id.

    options -> order -> place -> (the keeper grants a lease) -> (it starts the container) -> address

The place is what counts; the Hub's pending spawn is only its window. A start waits for as long as
its place is open, through any restart of the keeper; a Hub that is started again takes the place
up where it stood. Only somebody's leaving or a start that cannot succeed closes a place: that
`start` is cancelled says nothing, because a Hub that shuts down does that too.

Nothing here touches Docker: the keeper does, which reads from the lease what may be started.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, ClassVar, Literal

from jupyterhub.spawner import Spawner, SpawnException
from jupyterhub.utils import url_path_join
from tornado import web
from traitlets import Dict, Unicode, default

from hub_config import clock
from hub_config.containers.client import KeeperClient
from hub_config.containers.model import ENVIRONMENT_KEY, Running, Seen, StartOrder, StopOrder
from hub_config.containers.refusals import EngineTrouble, KeeperAway
from hub_config.db import DatabaseUnready
from hub_config.errors import RadLabError
from hub_config.gpus.model import Lease
from hub_config.gpus.refusals import LeaseOver, UnknownLease
from hub_config.language import LANGUAGES, translator
from hub_config.network.walls import WallsDown
from hub_config.queueing.model import Place, Standing, State
from hub_config.settings import Settings, load_settings
from hub_config.spawning import rules
from hub_config.spawning.environment import session_environment, session_facts
from hub_config.spawning.launch import Launch
from hub_config.spawning.pages import gettext_of
from hub_config.spawning.refusal import PlaceEnded, Refused, place_ended
from hub_config.spawning.shared import Shared
from hub_config.spawning.steps import STEPS, Step
from hub_config.spawning.stores import Stores
from hub_config.spawning.telling import told

_MB = 1024 * 1024
_STOP_SECONDS = 10
_AWAY_SECONDS = 1.0
_AGAIN_SECONDS = 3.0
_AGAIN_SECONDS_MOST = 30.0
_TELL_SECONDS = 0.5
# A look at one server waits no longer than that for a keeper that is being started again.
_POLL_PATIENCE = 2.0
# Nobody did anything wrong, and it passes: the place goes back into the line, in its old rank.
_PASSING = (DatabaseUnready, EngineTrouble, LeaseOver, WallsDown)
_CLOSED = (State.LEFT, State.FAILED)
Why = Literal["stopped", "failed_start", "container_gone"]


class LeaseSpawner(Spawner):  # type: ignore[misc]  # JupyterHub has no types
    """Takes a student's place in line, and has the keeper start what its lease allows."""

    _shared: ClassVar[Shared | None] = None

    lease_id = Unicode("", help="The lease that this server holds; empty where it holds none.")
    place_id = Unicode("", help="The open place that this start stands in; empty once it is over.")
    session = Dict(help="What pages show about the running session.")
    step = Unicode("", help="How far the start has come: a name of `steps.STEPS`.")

    @property
    def shared(self) -> Shared:
        """Line, board and keeper, opened once for all spawners."""
        if LeaseSpawner._shared is None:
            LeaseSpawner._shared = Shared(load_settings())
        return LeaseSpawner._shared

    @property
    def stores(self) -> Stores:
        """The database and the catalogs."""
        return self.shared.stores

    @property
    def settings(self) -> Settings:
        """The settings of this RadLab."""
        return self.stores.settings

    @property
    def keeper(self) -> KeeperClient:
        """The keeper, which starts, sees and stops containers."""
        return self.shared.keeper

    @default("ip")
    def _everywhere_in_the_container(self) -> str:
        return "0.0.0.0"  # the container's own network; the walls say who gets there

    @default("port")
    def _port_of_the_images(self) -> int:
        return 8888

    @default("cmd")
    def _command_of_the_image(self) -> None:
        return None

    @default("env_keep")
    def _nothing_of_the_hub(self) -> list[str]:
        return []

    # Launch page and options

    @default("options_form")
    def _the_launch_page(self) -> Callable[[LeaseSpawner], Any]:
        return LeaseSpawner.launch

    async def launch(self) -> Launch:
        """What `spawn.html` shows; the template receives it in place of a form's HTML."""
        await self._lead_to_the_place()
        return await asyncio.to_thread(self.stores.launch, self._group_names(), self.user.name)

    async def _lead_to_the_place(self) -> None:
        """Whoever is in line is shown the place, not asked again what to start."""
        handler = self.handler
        asked = handler is not None and not handler._finished and handler.request.method == "GET"
        if self.active or not asked:
            return
        place = await asyncio.to_thread(self.shared.line.of, self.user.name, self.name)
        if place is None:
            return
        try:
            await handler.spawn_single_user(self.user, self.name, options=dict(place.options))
        except (SpawnException, web.HTTPError) as error:
            self.log.warning("Place %s cannot be taken up: %s", place.id, error)
            return
        handler.redirect(handler._get_pending_url(self.user, self.name))
        raise web.Finish

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
        """Address and port of a new container, whenever that is; Refused says why there is none."""
        gettext = gettext_of(self.handler)
        self.step = Step.ASKED
        try:
            place = await self._enter()
            running = await self._served(place)
            self.place_id = ""
            await self._note_the_end()
        except RadLabError as error:
            raise Refused(error, gettext) from error
        return running.address, running.port

    async def _enter(self) -> Place:
        asker = self.handler.current_user if self.handler is not None else None
        place = await self.shared.write(
            partial(
                self.shared.line.enter,
                self.user_options,
                self.user.name,
                self.name,
                self._group_names(),
                asker.name if asker is not None else self.user.name,
            )
        )
        self.place_id = place.id
        forgotten = await asyncio.to_thread(self.shared.line.forgotten, place)
        if forgotten is not None:
            # The Hub knows of no server of theirs: this is left from a start that it forgot.
            self.log.warning("Ending the forgotten lease %s", forgotten.id)
            await self._give_back(forgotten.id, "container_gone")
        return place

    async def _served(self, place: Place) -> Running:
        """The place's container, as often as it takes; a refusal closes the place."""
        found, spent, trouble = place.lease_id, set[str](), None

        def is_news(place: Place) -> bool:
            return not place.open or (bool(place.lease_id) and place.lease_id not in spent)

        while True:
            self.step = Step.WAITING
            place = await self.shared.board.until(place.id, is_news)
            if place.state in _CLOSED or place.lease_id is None or place.lease_id in spent:
                raise trouble or place_ended(place)
            try:
                # One that was granted before us may have a container, with a token that is lost.
                return await self._bring_up(place, place.lease_id, place.lease_id == found)
            except PlaceEnded:
                await self._give_back(place.lease_id, "stopped")
                raise
            except _PASSING as error:
                trouble = error
                spent.add(place.lease_id)
                self.log.warning("Lease %s was not started: %s", place.lease_id, error)
                await asyncio.sleep(min(_AGAIN_SECONDS * len(spent), _AGAIN_SECONDS_MOST))
                # An attempt counts where the engine answers and does not start it, and only there.
                counts = isinstance(error, EngineTrouble)
                await self._give_back(
                    place.lease_id, "failed_start" if counts else "container_gone"
                )
            except RadLabError as error:
                await self.shared.write(partial(self.shared.line.fail, place.id, str(error)))
                await self._give_back(place.lease_id, "failed_start")
                raise

    async def _bring_up(self, place: Place, lease_id: str, fresh: bool) -> Running:
        self.step = Step.STARTING
        order, lease = await asyncio.to_thread(self.shared.line.granted, place, lease_id)
        self._hold(order, lease)
        start = StartOrder(
            environment=self._environment(order, lease),
            arguments=[*(self.cmd or ()), *self.get_args()],
            fresh=fresh,
        )
        return await self._unless_left(place.id, self._started(lease_id, start))

    def _hold(self, order: rules.Order, lease: Lease) -> None:
        self.lease_id = lease.id
        self.session = session_facts(order, lease)
        self.mem_limit, self.cpu_limit = order.memory_mb * _MB, order.cpus
        self.default_url = order.default_url
        self._keep_state()

    def _environment(self, order: rules.Order, lease: Lease) -> dict[str, str]:
        wanted = {
            **self.get_env(),
            **session_environment(order, lease, lease.ends_at, self.settings.warn_minutes),
        }
        taken = {name: str(value) for name, value in wanted.items() if _may_be_set(name)}
        if left_out := wanted.keys() - taken.keys():
            self.log.warning("Not set in the container: %s", ", ".join(sorted(left_out)))
        return taken

    async def _started(self, lease_id: str, start: StartOrder) -> Running:
        """Ask until there is a keeper to answer: waiting is never a timeout."""
        while True:
            try:
                return await self.keeper.start(lease_id, start)
            except KeeperAway as error:
                self.log.warning("Lease %s waits for the keeper: %s", lease_id, error)
                await asyncio.sleep(_AWAY_SECONDS)

    async def _unless_left(self, place_id: str, start: Awaitable[Running]) -> Running:
        """What `start` gives; PlaceEnded as soon as the place is closed without a server."""
        starting = asyncio.ensure_future(start)
        closed = asyncio.ensure_future(
            self.shared.board.until(place_id, lambda place: place.state in _CLOSED)
        )
        try:
            await asyncio.wait({starting, closed}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                return starting.result()
            raise place_ended(closed.result())
        finally:
            starting.cancel()
            closed.cancel()

    async def _note_the_end(self) -> None:
        # A lease's minutes count from the start of its container, not from when it was granted.
        try:
            lease = await asyncio.to_thread(self.shared.line.lease, self.lease_id)
        except DatabaseUnready as error:  # the server runs; its page shows some seconds too few
            self.log.warning("The end of lease %s is the one first told: %s", self.lease_id, error)
            return
        self.session = {**self.session, "ends_at": clock.to_iso(lease.until)}

    # Stop and poll

    async def stop(self, now: bool = False) -> None:
        """End the container, remove it, and free its lease; the home is kept.

        One who is still in line leaves it: the Hub stops a server only where somebody asks for it.
        """
        lease_id = self.lease_id
        if self.place_id:
            leave = partial(self.shared.line.leave, self.place_id, self.user.name)
            lease_id = (await self.shared.write(leave)).lease_id or lease_id
        if lease_id:
            order = StopOrder(why="stopped", seconds=0 if now else _STOP_SECONDS)
            try:
                await self.keeper.stop(lease_id, order)
            except UnknownLease as error:
                self.log.warning("Nothing is left to stop: %s", error)
        self.clear_state()

    async def poll(self) -> int | str | None:
        """None while the server runs or is waited for, or nothing is known; else how it ended."""
        if self.place_id:
            return None
        if not self.lease_id:
            return 0
        try:
            seen = await self.keeper.see(self.lease_id, patience=_POLL_PATIENCE)
        except UnknownLease:
            seen = Seen(standing=False)
        except RadLabError as error:
            self.log.warning("Nothing is known of lease %s: %s", self.lease_id, error)
            return None
        if seen.running:
            return None
        # Also where its start is under way: it was asked for by a Hub that is gone, and is asked
        # for again; until then nobody may come into what only that Hub knew how to reach.
        await self._give_back(self.lease_id, "container_gone")
        self.clear_state()
        return f"exit code {seen.exit_code}" if seen.standing else "gone"

    async def get_url(self) -> str:
        """Where the server answers, asked of the keeper: a restarted Hub may not know."""
        try:
            seen = await self.keeper.see(self.lease_id, patience=_POLL_PATIENCE)
        except RadLabError as error:
            self.log.warning("The address of lease %s is the one kept: %s", self.lease_id, error)
            return str(self.server.url)
        if not seen.address:
            return str(self.server.url)
        return str(url_path_join(f"http://{seen.address}:{seen.port}", self.server.base_url))

    async def _give_back(self, lease_id: str, why: Why) -> None:
        """Have what is left of a lease ended; leave it to the keeper where that fails."""
        try:
            await self.keeper.stop(lease_id, StopOrder(why=why, seconds=0))
        except RadLabError as error:
            self.log.error("The lease %s is left to the keeper: %s", lease_id, error)

    # State

    def get_state(self) -> dict[str, Any]:
        """What the Hub's database keeps of a running server."""
        state: dict[str, Any] = super().get_state()
        if self.lease_id:
            state |= {"lease_id": self.lease_id, "session": self.session}
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what `get_state` kept."""
        super().load_state(state)
        self.lease_id = state.get("lease_id", "")
        self.session = state.get("session", {})

    def clear_state(self) -> None:
        """Forget the session."""
        super().clear_state()
        self.lease_id, self.place_id, self.session = "", "", {}

    def _keep_state(self) -> None:
        if self.orm_spawner is not None:
            self.orm_spawner.state = self.get_state()
            self.user.db.commit()

    # Words

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """How the start stands, whenever that changes, in every language; pages choose theirs."""
        told_last: tuple[str, Standing | None] | None = None
        while True:
            now = (self.step, await self.standing())
            if now != told_last:
                told_last = now
                yield self._event(now[1])
            await asyncio.sleep(_TELL_SECONDS)

    async def standing(self) -> Standing | None:
        """How this start's place in line stands; None where there is none."""
        return await self.shared.board.standing(self.place_id) if self.place_id else None

    def _event(self, standing: Standing | None) -> dict[str, Any]:
        step = STEPS[Step(self.step or Step.ASKED)]
        event = {"step": self.step, "message": step.message, "progress": step.done}
        if standing is None:
            return event
        known = self.shared.line.known
        told_in = {each: told(standing, each, translator(each), known) for each in LANGUAGES}
        return {**event, "place": told_in}

    def _group_names(self) -> list[str]:
        return [group.name for group in self.user.groups]


def _may_be_set(name: str) -> bool:
    return re.fullmatch(ENVIRONMENT_KEY, name) is not None
