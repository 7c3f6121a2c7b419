"""`/hub/api/radlab/session`: a running server asks and says how its session is.

    GET   /hub/api/radlab/session           -> facts
    POST  /hub/api/radlab/session           Beat -> facts
    POST  /hub/api/radlab/session/extend    -> facts
    POST  /hub/api/radlab/session/progress  {"progress": [Report]} -> facts

It is the server's own token that speaks, which the Hub puts into its container: nobody else's, not
even its owner's, so that what is said of a server comes from that server. The facts are those of
`sessions.session_facts`; a refusal is `errors.RadLabError.as_dict()` in the request's language.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.user import User
from pydantic import ValidationError
from tornado import web

from hub_config.errors import RadLabError
from hub_config.spawning.pages import gettext_of
from hub_config.spawning.sessions import Beat, Sessions, SessionTokenOnly, no_session
from hub_config.teaching.model import MOST_BYTES, reports_of

_SESSIONS = "radlab_sessions"
# Threads of their own: servers that ask without end keep nothing else in the Hub waiting.
_THREADS = ThreadPoolExecutor(4, thread_name_prefix="radlab-session")


class _OwnSession(APIHandler):  # type: ignore[misc]  # JupyterHub has no types
    """What both routes do: find the session of the server whose token asks, and answer."""

    async def answer(self, act: Callable[[Sessions, str, list[str]], None]) -> None:
        """Do it in a thread, then send the facts; a refusal in the shape that all of ours have."""
        try:
            sessions, lease_id, groups = self._own_session()

            def work() -> dict[str, Any]:
                act(sessions, lease_id, groups)
                return sessions.facts(lease_id, groups)

            self.finish(await asyncio.get_running_loop().run_in_executor(_THREADS, work))
        except RadLabError as error:
            told = error.as_dict()
            told["error"]["message"] = error.localised(gettext_of(self))
            self.set_status(error.status)
            self.finish(told)

    def _own_session(self) -> tuple[Sessions, str, list[str]]:
        """The session of the server whose token this is; SessionTokenOnly, NoSession."""
        user = self.current_user
        name = self._own_server(user)
        spawner = user.spawners.get(name)
        if spawner is None or not spawner.lease_id:
            raise no_session()
        kept = self.settings
        if _SESSIONS not in kept:
            kept[_SESSIONS] = Sessions(spawner.stores.settings, spawner.stores.ledger.engine)
        return kept[_SESSIONS], spawner.lease_id, [group.name for group in user.groups]

    def _own_server(self, user: Any) -> str:
        """The one server that the request's token is for, by the scope that only such tokens have.

        JupyterHub gives a server's token `access:servers!server=USER/NAME`, where a person's own
        is for all servers of that user.
        """
        allowed = self.parsed_scopes.get("access:servers") if self.get_token() else None
        if isinstance(user, User) and isinstance(allowed, dict) and set(allowed) == {"server"}:
            owners = [tuple(each.split("/", 1)) for each in allowed["server"]]
            if len(owners) == 1 and owners[0][0] == user.name:
                return str(owners[0][1])
        raise SessionTokenOnly(
            "Only a running server may ask for its session, with its own token.",
            do="Open JupyterLab, which shows it.",
        )


class SessionHandler(_OwnSession):
    """The session of the server whose token asks."""

    async def get(self) -> None:
        """Answer with the facts."""
        await self.answer(lambda sessions, lease_id, groups: None)

    async def post(self) -> None:
        """Keep what the server says of itself, and answer with the facts."""
        try:
            beat = Beat.model_validate(self.get_json_body() or {})
        except ValidationError as error:
            wrong = error.errors()[0]
            place = ".".join(map(str, wrong["loc"])) or "body"
            raise web.HTTPError(422, f"{place}: {wrong['msg']}") from error
        await self.answer(lambda sessions, lease_id, groups: sessions.beat(lease_id, beat))


class ProgressHandler(_OwnSession):
    """What the owner of the server whose token asks shows of their progress in the modules."""

    async def post(self) -> None:
        """Keep it, and answer with the facts; what is no report is left out."""
        if len(self.request.body) > MOST_BYTES:
            raise web.HTTPError(413, f"at most {MOST_BYTES} bytes of progress are taken")
        reports, username = reports_of(self.get_json_body()), self._owner()
        await self.answer(
            lambda sessions, lease_id, groups: sessions.progress(lease_id, username, reports)
        )

    def _owner(self) -> str:
        user = self.current_user
        # Of whom this is said follows from the token; `answer` refuses what is no server's.
        return str(user.name) if isinstance(user, User) else ""


class ExtendHandler(_OwnSession):
    """More time for the session of the server whose token asks."""

    async def post(self) -> None:
        """Extend it by what quota and queue leave, and answer with the facts."""
        await self.answer(lambda sessions, lease_id, groups: sessions.extend(lease_id, groups))


HANDLERS = [
    (r"/api/radlab/session", SessionHandler),
    (r"/api/radlab/session/extend", ExtendHandler),
    (r"/api/radlab/session/progress", ProgressHandler),
]
