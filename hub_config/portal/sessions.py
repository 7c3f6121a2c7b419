"""Who is behind a token: the Hub's answer, believed for a few seconds.

Short, so that an edit of somebody's groups counts at once, and a Hub that restarts is not asked
sixty times a second by a class that reloads.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from hub_config.errors import NotAllowed
from hub_config.groups.rules import Person, person_of
from hub_config.portal import SERVICE
from hub_config.portal.hub import Hub

BELIEVED_SECONDS = 10.0
_MOST_KEPT = 2000
_ACCESS = frozenset({"access:services", f"access:services!service={SERVICE}"})


class NoAccess(NotAllowed):
    """Somebody the Hub knows and who may not open the portal."""

    code = "no_access"


@dataclass(frozen=True)
class Identity:
    """A person, and the scopes of the token that they came with."""

    person: Person
    scopes: frozenset[str]


class Sessions:
    """Answers who a token belongs to, asking the Hub when the last answer is old."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._known: dict[str, tuple[float, Identity]] = {}

    async def identify(self, token: str, session_id: str = "") -> Identity:
        """The person whose token this is; NotSignedIn, NoAccess, HubUnready.

        `session_id` is the Hub's own session cookie: it changes at sign-out, so that what is kept
        here is not found any more.
        """
        key = hashlib.sha256(f"{session_id}\0{token}".encode()).hexdigest()
        now = asyncio.get_running_loop().time()
        kept = self._known.get(key)
        if kept and kept[0] > now:
            return kept[1]
        self._known.pop(key, None)
        identity = _identity(await self._hub.owner_of(token))
        if len(self._known) >= _MOST_KEPT:
            self._known = {k: v for k, v in self._known.items() if v[0] > now}
        self._known[key] = (now + BELIEVED_SECONDS, identity)
        return identity


def _identity(model: dict[str, Any]) -> Identity:
    scopes = frozenset(model.get("scopes") or ())
    if model.get("kind") != "user" or _ACCESS.isdisjoint(scopes):
        raise NoAccess(
            "{name} may not open the portal.",
            given=model.get("name"),
            do="Ask an administrator; an API token needs the scope {scope}.",
            name=model.get("name"),
            scope=f"access:services!service={SERVICE}",
        )
    return Identity(person_of(str(model["name"]), model.get("groups") or ()), scopes)
