"""A Hub for the portal's tests: JupyterHub's answers to the calls that the portal makes.

Paths, statuses and shapes as in JupyterHub 6.1: `apihandlers/users.py`, `apihandlers/groups.py`,
`apihandlers/auth.py` and `oauth/provider.py`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx

ACCESS = "access:services!service=radlab"
STAFF_SCOPES = (
    "custom:groups:write",
    "custom:gpus:write",
    "custom:invites:write",
    "custom:people:write",
    "custom:quotas:write",
    "custom:servers:write",
)
PEOPLE = {
    "ana": ["administrators"],
    "ines": ["radiology", "radiology:instructors", "instructors"],
    "sam": ["radiology"],
    "oda": ["oncology"],
}


@dataclass
class FakeServer:
    """A user's one server."""

    started: str
    pending: str | None = None


@dataclass
class Code:
    """An authorisation code that was handed out and waits to be exchanged."""

    user: str
    challenge: str


@dataclass
class FakeHub:
    """Users with groups and servers, tokens, OAuth codes; `down` makes it unreachable."""

    portal_token: str
    groups: dict[str, list[str]] = field(
        default_factory=lambda: {k: list(v) for k, v in PEOPLE.items()}
    )
    servers: dict[str, FakeServer] = field(default_factory=dict)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    started: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    empty_groups: set[str] = field(default_factory=set)
    down: bool = False
    seconds_to_answer: float = 0.0
    changes_until_down: int = 0  # of groups; 0: it stays up
    slow_to_stop: bool = False
    # What a start does; False: it was refused after the Hub had answered.
    spawner: Callable[[str, dict[str, Any]], bool] = lambda name, options: True
    refuses_starts: tuple[int, str] | None = None  # status and message, as a spawner says no

    def session_of(self, name: str, scopes: tuple[str, ...] = (ACCESS,), kind: str = "user") -> str:
        """A token of that person, as the Hub gives one at sign-in."""
        token = secrets.token_hex(8)
        self.tokens[token] = {"name": name, "scopes": list(scopes), "kind": kind}
        return token

    def code_for(self, name: str, challenge: str) -> str:
        """What `/hub/api/oauth2/authorize` gives to somebody who is signed in at the Hub."""
        code = secrets.token_hex(8)
        self.codes[code] = Code(name, challenge)
        return code

    def start(self, name: str, started: str = "2026-03-02T08:00:00.000000Z") -> None:
        """Let somebody's server run."""
        self.servers[name] = FakeServer(started)

    async def answer_in_time(self, request: httpx.Request) -> httpx.Response:
        """The same after `seconds_to_answer`, in which others may ask."""
        await asyncio.sleep(self.seconds_to_answer)
        return self.answer(request)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The Hub's answer to one request of the portal."""
        if self.down:
            raise httpx.ConnectError("connection refused", request=request)
        path = request.url.raw_path.decode().partition("?")[0].removeprefix("/hub/api/")
        if path == "":
            return httpx.Response(200, json={"version": "6.1.1"})
        if path == "oauth2/token":
            return self._exchange(request)
        token = request.headers["Authorization"].removeprefix("token ")
        if path == "user":
            return self._whoami(token)
        if token != self.portal_token:
            return httpx.Response(403, json={"status": 403, "message": "Forbidden"})
        if path == "users":
            return self._users(request)
        parts = [unquote(part) for part in path.split("/")]
        if parts[0] == "groups":
            return self._group(request.method, parts[1:], json.loads(request.content)["users"])
        body = json.loads(request.content or b"{}")
        return self._one_user(request.method, parts[1:], body.get("user_options"))

    def _exchange(self, request: httpx.Request) -> httpx.Response:
        form = dict(parse_qsl(request.content.decode()))
        code = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        known = form["client_secret"] == self.portal_token
        if code is None or proof != code.challenge or not known:
            return httpx.Response(400, json={"error": "invalid_grant"})
        return httpx.Response(200, json={"access_token": self.session_of(code.user)})

    def _whoami(self, token: str) -> httpx.Response:
        owner = self.tokens.get(token)
        if owner is None:
            return httpx.Response(403, json={"status": 403, "message": "Forbidden"})
        return httpx.Response(200, json={**owner, "groups": self.groups.get(owner["name"], [])})

    def _users(self, request: httpx.Request) -> httpx.Response:
        names = sorted(self.groups)
        if request.url.params.get("state") == "active":
            names = [name for name in names if name in self.servers]
        offset, limit = (int(request.url.params[key]) for key in ("offset", "limit"))
        following = {"offset": offset + limit} if offset + limit < len(names) else None
        items = [self._model(name) for name in names[offset : offset + limit]]
        return httpx.Response(200, json={"items": items, "_pagination": {"next": following}})

    def _group(self, method: str, parts: list[str], users: list[str]) -> httpx.Response:
        group, is_new = parts[0], parts[1:] == []
        known = self.empty_groups.union(*self.groups.values())
        if is_new and group in known:
            return httpx.Response(409, json={"status": 409, "message": "exists already"})
        if not is_new and group not in known:
            return httpx.Response(404, json={"status": 404, "message": "No such group"})
        if not set(users) <= set(self.groups):
            return httpx.Response(400, json={"status": 400, "message": "No such user"})
        self.empty_groups.add(group)
        for name in users:
            others = [other for other in self.groups[name] if other != group]
            self.groups[name] = others if method == "DELETE" else [*others, group]
        if self.changes_until_down:
            self.changes_until_down -= 1
            self.down = not self.changes_until_down
        return httpx.Response(201 if is_new else 200, json={"name": group})

    def _one_user(
        self, method: str, parts: list[str], options: dict[str, Any] | None = None
    ) -> httpx.Response:
        name = parts[0]
        if name not in self.groups:
            return httpx.Response(404, json={"status": 404, "message": "No such user"})
        if method == "GET":
            return httpx.Response(200, json=self._model(name))
        server = self.servers.get(name)
        if method == "POST":
            return self._start(name, server, options or {})
        assert (method, parts[1:]) == ("DELETE", ["server"])
        if server is None:
            return httpx.Response(204)
        self.stopped.append(name)
        if self.slow_to_stop:
            server.pending = "stop"
            return httpx.Response(202)
        del self.servers[name]
        return httpx.Response(204)

    def _start(
        self, name: str, server: FakeServer | None, options: dict[str, Any]
    ) -> httpx.Response:
        if server and server.pending == "spawn":
            return httpx.Response(202)
        if server:
            return httpx.Response(400, json={"status": 400, "message": f"{name} is running"})
        self.started.append((name, options))
        if self.refuses_starts:
            status, message = self.refuses_starts
            return httpx.Response(status, json={"status": status, "message": message})
        self.servers[name] = FakeServer("2026-03-02T08:00:00.000000Z", pending="spawn")
        if not self.spawner(name, options):
            del self.servers[name]
        return httpx.Response(202)

    def _model(self, name: str) -> dict[str, Any]:
        server = self.servers.get(name)
        servers = {}
        if server:
            servers[""] = {
                "name": "",
                "started": server.started,
                "pending": server.pending,
                "ready": server.pending is None,
                "stopped": False,
                "url": f"/user/{name}/",
            }
        return {
            "kind": "user",
            "name": name,
            "groups": self.groups[name],
            "last_activity": "2026-03-02T09:15:00.000000Z",
            "servers": servers,
        }
