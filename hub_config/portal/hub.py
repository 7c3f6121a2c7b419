"""A small client of the Hub's REST API: who someone is and in which groups, start, stop a server.

Sources: JupyterHub 6.1, `apihandlers/users.py`, `apihandlers/groups.py` and `apihandlers/auth.py`.
What the portal's own token may do stands in `spawning/roles.py`; it holds no `admin:users`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from hub_config import clock
from hub_config.errors import Conflict, NotFound, RadLabError, Unready

_PAGE = 200
# The Hub answers a stop after at most its `slow_stop_timeout` (10 s), or says that it goes on.
_STOP_SECONDS = 60.0
# A start answers after at most `slow_spawn_timeout`; it goes on when nobody waits for the answer.
_START_SECONDS = 60.0
_LISTS = "application/jupyterhub-pagination+json"


class NotSignedIn(RadLabError):
    """Nobody is signed in, or the sign-in has ended."""

    code = "not_signed_in"
    status = 401


class HubUnready(Unready):
    """The Hub does not answer, or not as it should."""

    code = "hub_unready"


class UnknownUser(NotFound):
    """The Hub has no user of that name."""

    code = "unknown_user"


class ServerBusy(Conflict):
    """The Hub cannot start or stop this server at this moment."""

    code = "server_busy"


class StartRefused(Conflict):
    """The Hub or its spawner refused a start, and said why."""

    code = "start_refused"


@dataclass(frozen=True, kw_only=True)
class HubServer:
    """A server that the Hub is starting, running or stopping."""

    username: str
    name: str
    state: str  # "starting", "running", "stopping"
    started_at: datetime | None
    url: str


@dataclass(frozen=True, kw_only=True)
class HubUser:
    """A user of the Hub, with their groups and active servers."""

    name: str
    groups: frozenset[str] = frozenset()
    last_activity: datetime | None = None
    servers: tuple[HubServer, ...] = ()


class Hub:
    """The Hub's REST API as the portal uses it; every method may raise HubUnready."""

    def __init__(
        self, api_url: str, token: str, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._token = token
        # The Hub listens on this machine: a proxy of the environment must not come between.
        self._client = httpx.AsyncClient(
            base_url=api_url.rstrip("/") + "/", transport=transport, timeout=10.0, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def version(self) -> str:
        """The Hub's version; the cheapest way to learn that it answers."""
        return str((await self._call("GET", "", timeout=2.0)).json()["version"])

    async def owner_of(self, token: str) -> dict[str, Any]:
        """The user model of the person whose token this is; NotSignedIn where it is nobody's."""
        response = await self._call("GET", "user", token=token, allow=(401, 403))
        if response.status_code != 200:
            raise NotSignedIn("You are not signed in, or not any more.", do="Sign in again.")
        return dict(response.json())

    async def token_for_code(self, form: Mapping[str, str]) -> str:
        """The access token that an OAuth authorisation code stands for (RFC 6749, 4.1.3)."""
        response = await self._call("POST", "oauth2/token", data=form, allow=(400, 401, 403))
        if response.status_code != 200:
            raise NotSignedIn("The Hub did not accept this sign-in.", do="Sign in again.")
        return str(response.json()["access_token"])

    async def users(self, *, active: bool = False) -> list[HubUser]:
        """All users by name, or those whose servers start, run or stop."""
        found: list[HubUser] = []
        offset: int | None = 0
        while offset is not None:
            query: dict[str, str | int] = {"offset": offset, "limit": _PAGE, "sort": "name"}
            if active:
                query["state"] = "active"
            page = (await self._call("GET", "users", params=query, accept=_LISTS)).json()
            found += [_user(model) for model in page["items"]]
            following = page["_pagination"]["next"]
            offset = following["offset"] if following else None
        return found

    async def user(self, username: str) -> HubUser:
        """One user; UnknownUser."""
        response = await self._call("GET", f"users/{quote(username, safe='')}", allow=(404,))
        if response.status_code == 404:
            raise _unknown(username)
        return _user(response.json())

    async def start(self, username: str, server_name: str, options: Mapping[str, Any]) -> None:
        """Ask for a start with these user options; UnknownUser, ServerBusy, StartRefused."""
        response = await self._call(
            "POST",
            _server_path(username, server_name),
            json={"user_options": dict(options)},
            allow=range(400, 600),
            timeout=_START_SECONDS,
        )
        if response.is_success:
            return
        if response.status_code == 404:
            raise _unknown(username)
        if response.status_code in (400, 429):
            raise ServerBusy(
                "The server of {name} cannot be started right now.",
                given=username,
                do="Try again in a moment.",
                name=username,
            )
        raise StartRefused(
            "The server of {name} was not started: {reason}",
            given=response.status_code,
            name=username,
            reason=_said(response),
        )

    async def stop(self, username: str, server_name: str = "") -> bool:
        """Stop a server; True where it is gone already, False where the Hub is still at it."""
        response = await self._call(
            "DELETE",
            _server_path(username, server_name),
            allow=(400, 404),
            timeout=_STOP_SECONDS,
        )
        if response.status_code == 404:
            raise _unknown(username)
        if response.status_code == 400:
            raise ServerBusy(
                "The server of {name} cannot be stopped right now.",
                given=username,
                do="Try again in a moment.",
                name=username,
            )
        return response.status_code == 204

    async def join(self, username: str, group: str) -> None:
        """Put a user into a group, which the Hub gains where it has none; UnknownUser."""
        path, body = f"groups/{quote(group, safe='')}", {"users": [username]}
        answer = await self._call("POST", f"{path}/users", json=body, allow=(400, 404))
        if answer.status_code == 404:
            answer = await self._call("POST", path, json=body, allow=(400, 409))
        if answer.status_code == 409:  # somebody's sign-up has made it in between
            answer = await self._call("POST", f"{path}/users", json=body, allow=(400,))
        if answer.status_code == 400:
            raise _unknown(username)

    async def leave(self, username: str, group: str) -> None:
        """Take a user out of a group; UnknownUser. A group that the Hub lacks has nobody in it."""
        path, body = f"groups/{quote(group, safe='')}/users", {"users": [username]}
        answer = await self._call("DELETE", path, json=body, allow=(400, 404))
        if answer.status_code == 400:
            raise _unknown(username)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        allow: Container[int] = (),
        accept: str = "application/json",
        timeout: float = 10.0,
        **more: Any,
    ) -> httpx.Response:
        headers = {"Authorization": f"token {token or self._token}", "Accept": accept}
        try:
            response = await self._client.request(
                method, path, headers=headers, timeout=timeout, **more
            )
        except httpx.HTTPError as error:
            raise HubUnready(
                "JupyterHub does not answer ({reason}).",
                do="Running servers go on. Try again in a minute; "
                "`./radlab status` says which part is down.",
                reason=type(error).__name__,
            ) from error
        if response.is_success or response.status_code in allow:
            return response
        raise HubUnready(
            "JupyterHub answered {status} to the portal.",
            given=response.status_code,
            do="Try again in a minute; `./radlab logs hub` says more.",
            status=response.status_code,
        )


def _unknown(username: str) -> UnknownUser:
    return UnknownUser("The Hub knows no user '{name}'.", given=username, name=username)


def _server_path(username: str, server_name: str) -> str:
    tail = f"servers/{quote(server_name, safe='')}" if server_name else "server"
    return f"users/{quote(username, safe='')}/{tail}"


def _said(response: httpx.Response) -> str:
    # The Hub's own errors are JSON with a message; a proxy's or a crash's are not.
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}"


def _user(model: Mapping[str, Any]) -> HubUser:
    name = str(model["name"])
    servers = (model.get("servers") or {}).values()
    return HubUser(
        name=name,
        groups=frozenset(model.get("groups") or ()),
        last_activity=_moment(model.get("last_activity")),
        servers=tuple(_server(name, server) for server in servers if not server.get("stopped")),
    )


def _server(username: str, model: Mapping[str, Any]) -> HubServer:
    states = {"spawn": "starting", "check": "starting", "stop": "stopping"}
    return HubServer(
        username=username,
        name=str(model.get("name") or ""),
        state=states.get(str(model.get("pending") or ""), "running"),
        started_at=_moment(model.get("started")),
        url=str(model.get("url") or ""),
    )


def _moment(text: str | None) -> datetime | None:
    return clock.from_iso(text) if text else None
