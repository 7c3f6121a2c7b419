"""The gate before every private route: who comes, and whether they asked for this themselves.

A token in the `Authorization` header needs the scope of what it changes, and no XSRF token: no
browser adds that header by itself. A session cookie needs, for every change, our own origin and
the XSRF token; and to be read by a script, the XSRF token too (see rules.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from hub_config.groups.rules import Person
from hub_config.language import COOKIE as LANGUAGE_COOKIE
from hub_config.language import Gettext, negotiate, translator
from hub_config.portal import PREFIX
from hub_config.portal.hub import NotSignedIn
from hub_config.portal.rules import (
    SAFE_METHODS,
    NotFromHere,
    needs_token_to_read,
    require_same_origin,
    require_scope,
)
from hub_config.portal.services import Services

SESSION_COOKIE = "radlab-portal"
XSRF_FIELD = "_xsrf"
XSRF_HEADER = "x-xsrftoken"
_HUB_SESSION_COOKIE = "jupyterhub-session-id"
_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)\s*$", re.IGNORECASE)
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request of one person."""

    request: Request
    services: Services
    person: Person
    token: str
    by_cookie: bool

    @property
    def language(self) -> str:
        """The language that this browser wants."""
        return language_of(self.request)

    @property
    def gettext(self) -> Gettext:
        """Turns an English message into that language."""
        return translator(self.language)

    @property
    def xsrf(self) -> str:
        """The token for the forms of this session."""
        return self.services.seals.xsrf_token(self.token)

    @property
    def address(self) -> str:
        """The address that people type: the site's setting, else the one this browser used."""
        settings = self.services.settings
        host = self.request.headers.get("host")
        if settings.public_url or not host:
            return settings.address
        return f"{scheme_of(self.request)}://{host}"


async def gate(request: Request) -> Visit:
    """The visit that this request is, or a refusal before anything else happens."""
    services: Services = request.app.state.services
    header = header_token(request)
    token = header or request.cookies.get(SESSION_COOKIE, "")
    if not token:
        raise NotSignedIn("You are not signed in.", do="Sign in again.")
    session_id = "" if header else request.cookies.get(_HUB_SESSION_COOKIE, "")
    identity = await services.sessions.identify(token, session_id)
    # A refusal from here on is shown on a page with this person's navigation.
    request.state.person = identity.person
    if header:
        path = request.url.path.removeprefix(PREFIX)
        require_scope(request.method, path, identity.scopes)
    else:
        await _require_asked_for(request, services, token)
    return Visit(
        request=request,
        services=services,
        person=identity.person,
        token=token,
        by_cookie=not header,
    )


Here = Annotated[Visit, Depends(gate)]


def person(visit: Here) -> Person:
    """The person of this visit, as the slices' routers ask for them."""
    return visit.person


def address(visit: Here) -> str:
    """The address that people type, for links in answers; see `Visit.address`."""
    return visit.address


def language_of(request: Request) -> str:
    """The language that this browser wants."""
    return negotiate(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language"))


def scheme_of(request: Request) -> str:
    """`https` or `http` as the browser saw it: each proxy appends its own view, ours last."""
    forwarded = request.headers.get("x-forwarded-proto", "").split(",")[0].strip()
    return "https" if (forwarded or request.url.scheme) == "https" else "http"


def header_token(request: Request) -> str:
    """The token of the `Authorization` header; empty where there is none."""
    match = _AUTHORIZATION.match(request.headers.get("authorization", ""))
    return match.group(1) if match else ""


async def _require_asked_for(request: Request, services: Services, token: str) -> None:
    changes = request.method not in SAFE_METHODS
    if changes:
        public = urlsplit(services.settings.public_url).netloc
        require_same_origin(request.headers, (request.headers.get("host", ""), public))
    elif not needs_token_to_read(request.headers):
        return
    given = request.headers.get(XSRF_HEADER) or (await _field(request) if changes else "")
    if not services.seals.is_xsrf_token(given, token):
        raise NotFromHere(
            "This page was open for too long, or the request did not come from it; "
            "nothing was changed.",
            do="Open the page again and repeat it there.",
        )


async def _field(request: Request) -> str:
    if not request.headers.get("content-type", "").startswith(_FORMS):
        return ""
    value = (await request.form()).get(XSRF_FIELD)
    return value if isinstance(value, str) else ""
