"""What every answer of the portal wears, and what no request may exceed.

Source: OWASP Secure Headers. `noopener-allow-popups` cuts the tie to a window that opened us even
when that window is of our origin, as the pages of students' servers are.
"""

from __future__ import annotations

import logging

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub_config.errors import BadInput
from hub_config.portal.rules import SAFE_METHODS

MOST_BYTES = 64 * 1024
HEADERS = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "noopener-allow-popups",
    "cross-origin-resource-policy": "same-origin",
}
_PRIVATE = ("cache-control", "no-store")

log = logging.getLogger(__name__)


class BodyTooLarge(BadInput):
    """A request that carries more than any form or call of the portal."""

    code = "body_too_large"
    status = 413


class Armour:
    """Adds the headers, refuses large or endless bodies, and notes each change in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        inner = self._app if _fits(scope) else _too_large()
        await inner(scope, receive, _dressed(scope, send))


def _fits(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return False  # nobody says how long it will be, and no browser sends it so
    length = headers.get(b"content-length", b"0")
    return length.isdigit() and int(length) <= MOST_BYTES


def _too_large() -> ASGIApp:
    error = BodyTooLarge(
        "This request is too large.",
        allowed=f"at most {MOST_BYTES} bytes, with their number in Content-Length",
        do="Send less.",
    )
    return JSONResponse(error.as_dict(), status_code=error.status)


def _dressed(scope: Scope, send: Send) -> Send:
    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name for name, _ in message["headers"]}
            for name, value in (*HEADERS.items(), _PRIVATE):
                if name.encode() not in present:
                    message["headers"].append((name.encode(), value.encode()))
            if scope["method"] not in SAFE_METHODS:
                log.info("%s %s: %s", scope["method"], scope["path"], message["status"])
        await send(message)

    return dressed
