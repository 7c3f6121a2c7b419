"""Asks the Hub over HTTP with tornado's client, which a server of Jupyter has loaded in any case.

It stands where `jupyterhub.httpclient` stands, whose aiohttp takes a fifth of a start's time. What
the single-user server uses of it is here: the answer's status, headers and text, and an exception
for a status of 400 and above unless it is told not to raise one.
"""

from __future__ import annotations

from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httputil import HTTPHeaders

# As long as aiohttp waits: a Hub under load answers late, and a late answer is no error.
PATIENCE_S = 300.0
_WITH_BODY = ("POST", "PUT", "PATCH")


@dataclass(frozen=True)
class Answer:
    """What the Hub has answered, by the names that aiohttp gives."""

    status: int
    headers: HTTPHeaders
    body: bytes

    @property
    def ok(self) -> bool:
        """True below 400."""
        return self.status < 400

    async def text(self) -> str:
        """The body as UTF-8, which is all that the Hub speaks."""
        return self.body.decode("utf-8", "replace")


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    data: str | bytes | None = None,
    ssl: SSLContext | None = None,
    raise_for_status: bool = True,
) -> Answer:
    """Ask `url` once; raises OSError or tornado's HTTPError where no answer came.

    With `raise_for_status` an answer of 400 and above is an HTTPError, too.
    """
    options: dict[str, Any] = {"connect_timeout": PATIENCE_S, "request_timeout": PATIENCE_S}
    if data is None and method in _WITH_BODY:
        data = b""
    request = HTTPRequest(url, method, headers, body=data, ssl_options=ssl, **options)
    answer = await AsyncHTTPClient().fetch(request, raise_error=raise_for_status)
    # Without an answer tornado makes one up, 599, and says why in `error`.
    if answer.code == 599:
        answer.rethrow()
    return Answer(answer.code, answer.headers, answer.body)
