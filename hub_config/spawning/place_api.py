"""`/hub/radlab/place`: one's own place in line, for the pending page.

    GET   /hub/radlab/place          how it stands
    POST  /hub/radlab/place/leave    give it up
    POST  /hub/radlab/place/take     {"options": {...}}: keep it, and start that instead

Only a browser that is signed in may ask, each for its own; posts carry JupyterHub's XSRF token.
A refusal is `errors.RadLabError.as_dict()` with its message in the reader's language.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

from jupyterhub.handlers.base import BaseHandler
from tornado import web

from hub_config import clock
from hub_config.errors import BadInput, Conflict, RadLabError
from hub_config.queueing.model import Place
from hub_config.spawning.pages import gettext_of, language_of
from hub_config.spawning.spawner import LeaseSpawner
from hub_config.spawning.telling import told, told_of

# A start that was left has its container removed first; that takes no longer on a sound engine.
_END_SECONDS = 20.0


class NotInLine(Conflict):
    """The place was to be changed, and there is none."""

    code = "not_in_line"


class OwnPlace(BaseHandler):  # type: ignore[misc]  # JupyterHub has no types
    """The reader's own place, and how refusals are answered."""

    async def show(self, place: Place | None) -> None:
        """Answer with that place."""
        spawner = self.spawner
        facts: dict[str, Any] = {"state": "running" if spawner.ready else "none"}
        if place is not None:
            standing = await spawner.shared.board.standing(place.id)
            facts = told_of(place)
            if standing is not None:
                facts = told(
                    standing, language_of(self), gettext_of(self), spawner.shared.line.known
                )
        self.set_header("Cache-Control", "no-store")
        # `pending`: the Hub has the page that follows this start; not yet, after its own restart.
        now = clock.to_iso(clock.now())
        self.finish({**facts, "pending": spawner.pending == "spawn", "now": now})

    async def place(self) -> Place | None:
        """The reader's open place."""
        spawner = self.spawner
        line = spawner.shared.line
        return await asyncio.to_thread(line.of, spawner.user.name, spawner.name)

    @property
    def spawner(self) -> LeaseSpawner:
        """The reader's one server."""
        spawner: LeaseSpawner = self.current_user.spawners[""]
        return spawner

    def get_login_url(self) -> str:
        """Nobody is sent to a login page in answer to a script: 403."""
        raise web.HTTPError(403)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A refusal as JSON, in the reader's language."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, RadLabError):
            facts = error.as_dict()
            facts["error"]["message"] = error.localised(gettext_of(self))
            status_code = error.status
        else:
            message = self._reason
            facts = {"error": {"code": f"http_{status_code}", "message": message}}
        self.set_status(status_code)
        self.finish(facts)

    def log_exception(self, *exc_info: Any) -> None:
        """A refusal is one line in the log, anything else keeps its traceback."""
        if isinstance(exc_info[1], RadLabError):
            self.log.info("%s: %s", self.request.path, exc_info[1])
        else:
            super().log_exception(*exc_info)


class PlaceHandler(OwnPlace):
    """How it stands."""

    @web.authenticated
    async def get(self) -> None:
        """Answer with the place; its state is `none` or `running` where there is none."""
        await self.show(await self.place())


class LeaveHandler(OwnPlace):
    """Leaving the line."""

    @web.authenticated
    async def post(self) -> None:
        """Close the place; answers when the Hub's start has ended with it."""
        place, spawner = await self.place(), self.spawner
        if place is not None:
            shared = spawner.shared
            await shared.write(partial(shared.line.leave, place.id, spawner.user.name))
            starting = spawner._spawn_future
            if starting is not None and not starting.done():
                await asyncio.wait([starting], timeout=_END_SECONDS)
        await self.show(None)


class TakeHandler(OwnPlace):
    """Something else, at the same place in line."""

    @web.authenticated
    async def post(self) -> None:
        """Change what the place is for; the place keeps its rank."""
        place, spawner = await self.place(), self.spawner
        if place is None:
            raise NotInLine("You are not in line.", do="Choose on the launch page what to start.")
        groups = [group.name for group in spawner.user.groups]
        shared = spawner.shared
        take = partial(shared.line.take, place, self._options(), groups)
        place = await shared.write(take)
        # What the Hub gives the next start, should this one have to be asked for again.
        spawner.user_options = spawner.orm_spawner.user_options = dict(place.options)
        self.db.commit()
        await self.show(place)

    def _options(self) -> dict[str, Any]:
        try:
            options = json.loads(self.request.body)["options"]
        except (ValueError, TypeError, KeyError):
            options = None
        if not isinstance(options, dict):
            raise BadInput(
                "The options are missing.", do='Send JSON: {{"options": {{"module": ...}}}}.'
            )
        return options


HANDLERS = [
    (r"/radlab/place", PlaceHandler),
    (r"/radlab/place/leave", LeaveHandler),
    (r"/radlab/place/take", TakeHandler),
]
