"""The routes of a session, for the student's own browser.

GET   radlab/session          the facts of `session.py`, with what the Hub says of it
POST  radlab/session/keep     "keep it running": somebody is here
POST  radlab/session/extend   more time; 409 and `{"refused": CODE}` where there is none
POST  radlab/reset            `{"path": PATH}`: begin that notebook anew; `{"page", "backup"}`, or
                              409 and `{"refused": CODE}`
"""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from radlab_session.heart import Heart
from radlab_session.hub import Refused, Unanswered
from radlab_session.reset import NotReset, reset
from radlab_session.session import session


class _Handler(APIHandler):
    """Answers whoever is signed in to this server, and nobody else."""

    auth_resource = "radlab"
    # A page that is open asks on its own: that is no activity.
    _track_activity = False

    def initialize(self, heart: Heart) -> None:
        """Keep the server's heart at hand."""
        self.heart = heart

    def answer(self, **more: Any) -> None:
        """Send the session as it is now."""
        self.finish(json.dumps(session(os.environ, self.heart.facts()) | more))


class SessionHandler(_Handler):
    """The session."""

    @web.authenticated
    def get(self) -> None:
        """Answer with the session as it is now."""
        self.answer()


class KeepHandler(_Handler):
    """A person is here."""

    @web.authenticated
    async def post(self) -> None:
        """Tell the Hub, and answer with what follows from it."""
        await self.heart.speak(keep=True)
        self.answer()


class ExtendHandler(_Handler):
    """More time."""

    @web.authenticated
    async def post(self) -> None:
        """Ask the Hub, and answer with the new end or the reason why there is none."""
        try:
            await self.heart.extend()
        except Refused as refused:
            self.set_status(409)
            error = refused.answer.get("error") or {}
            self.answer(refused=error.get("given") or "", message=error.get("message") or "")
        except Unanswered:
            self.set_status(503)
            self.answer(refused="unanswered", message="")
        else:
            self.answer()


class ResetHandler(APIHandler):
    """A notebook of a module, begun anew."""

    auth_resource = "radlab"

    def initialize(self, root: Path) -> None:
        """Keep the folder that paths begin in."""
        self.root = root

    @web.authenticated
    async def post(self) -> None:
        """Lay the published notebook there, keep the student's beside it, and say its name."""
        path = (self.get_json_body() or {}).get("path")
        if not isinstance(path, str) or not path or "\0" in path:
            raise web.HTTPError(400, 'name the notebook: {"path": ...}')
        home = Path(os.environ.get("HOME", "/home/student"))
        page = self.root / path.lstrip("/")
        try:
            made = await asyncio.to_thread(reset, page, home, datetime.now(UTC))
        except NotReset as refused:
            self.set_status(409)
            self.finish(json.dumps({"refused": refused.code}))
        else:
            self.finish(json.dumps({"page": made.page, "backup": made.backup}))


def add_routes(server: Any) -> None:
    """Add the routes to a running Jupyter server, and let its heart beat."""
    heart = Heart(server, os.environ)
    base = server.web_app.settings["base_url"]
    routes = {"": SessionHandler, "/keep": KeepHandler, "/extend": ExtendHandler}
    server.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, f"radlab/session{path}"), handler, {"heart": heart})
            for path, handler in routes.items()
        ],
    )
    root = Path(server.web_app.settings.get("server_root_dir") or "/").expanduser()
    server.web_app.add_handlers(
        ".*$", [(url_path_join(base, "radlab/reset"), ResetHandler, {"root": root})]
    )
    server.io_loop.add_callback(heart.run)
