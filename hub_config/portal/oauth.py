"""Sign-in through the Hub: OAuth 2 authorisation code with state and PKCE (RFC 6749, RFC 7636).

What JupyterHub's `HubOAuth` does for Tornado, here for ASGI. The state, the code verifier and the
page that was asked for travel in a sealed cookie, so that a restart of the portal loses nobody.
The session cookie holds the Hub's access token, is sent to the portal's path alone, and is not
readable by scripts: students' servers share our origin.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from hub_config.errors import NotAllowed
from hub_config.portal import CLIENT_ID, PREFIX, TOKEN_SECRET
from hub_config.portal.gate import SESSION_COOKIE, scheme_of
from hub_config.portal.sealing import BrokenSeal
from hub_config.portal.services import Services

AUTHORIZE = "/hub/api/oauth2/authorize"
CALLBACK = f"{PREFIX}/oauth_callback"
_STATE_COOKIE = "radlab-portal-state-"
_STATE_SECONDS = 600
# The Hub's access tokens for services live 14 days by default; the Hub ends them at sign-out.
_SESSION_SECONDS = 14 * 24 * 3600

router = APIRouter(include_in_schema=False)


class SignInRefused(NotAllowed):
    """The Hub did not let this person through to the portal."""

    code = "sign_in_refused"


def begin_sign_in(request: Request) -> Response:
    """Send the browser to the Hub, to come back to the page that it asked for."""
    services: Services = request.app.state.services
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    query = {
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "state": state,
        "code_challenge": _challenge(verifier),
        "code_challenge_method": "S256",
    }
    back_to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    response = RedirectResponse(f"{AUTHORIZE}?{urlencode(query)}", status_code=302)
    sealed = services.seals.seal({"state": state, "verifier": verifier, "next": back_to})
    # Two tabs that sign in at once each have a cookie of their own.
    _set_cookie(request, response, _STATE_COOKIE + state[:8], sealed, _STATE_SECONDS)
    return response


@router.get("/oauth_callback")
async def finish_sign_in(request: Request) -> Response:
    """Take the code that the Hub gave, and begin the session."""
    services: Services = request.app.state.services
    query = request.query_params
    if "error" in query:
        raise SignInRefused(
            "The Hub refused the sign-in: {reason}.",
            given=query["error"],
            do="Ask an administrator.",
            reason=query.get("error_description") or query["error"],
        )
    kept = _kept_state(request, services)
    form = {
        "client_id": CLIENT_ID,
        "client_secret": services.settings.secret(TOKEN_SECRET),
        "grant_type": "authorization_code",
        "code": query.get("code", ""),
        "redirect_uri": CALLBACK,
        "code_verifier": kept["verifier"],
    }
    token = await services.hub.token_for_code(form)
    response = RedirectResponse(_inside(kept["next"]), status_code=302)
    _set_cookie(request, response, SESSION_COOKIE, token, _SESSION_SECONDS)
    for name in request.cookies:
        if name.startswith(_STATE_COOKIE):
            response.delete_cookie(name, path=f"{PREFIX}/")
    return response


def _kept_state(request: Request, services: Services) -> dict[str, str]:
    given = request.query_params.get("state", "")
    kept = services.seals.unseal(request.cookies.get(_STATE_COOKIE + given[:8], ""))
    if not hmac.compare_digest(given.encode(), str(kept.get("state", "")).encode()):
        raise BrokenSeal("This sign-in was not begun in this browser.", do="Sign in again.")
    return {key: str(value) for key, value in kept.items()}


def _inside(address: str) -> str:
    # We sealed it ourselves; a path of ours is still the only place to go to.
    return address if address.startswith(f"{PREFIX}/") else f"{PREFIX}/"


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=f"{PREFIX}/",
        httponly=True,
        samesite="lax",
        secure=scheme_of(request) == "https",
    )
