"""The Hub's session API, as this server asks it with its own token."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPError

PATIENCE_SECONDS = 10


class Unanswered(Exception):
    """The Hub could not be asked, or has no session for this server; what is known stays."""


class Refused(Exception):
    """The Hub refused; `answer` is what it said, with its `status`."""

    def __init__(self, status: int, answer: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.answer = dict(answer)


class Hub:
    """Where this server came from; `None` of it where a container was started without one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._url = environ.get("JUPYTERHUB_API_URL", "").rstrip("/")
        self._token = environ.get("JUPYTERHUB_API_TOKEN", "")
        self._language = environ.get("RADLAB_LANGUAGE", "en").replace("_", "-")

    @property
    def there(self) -> bool:
        """Whether there is a Hub to ask."""
        return bool(self._url and self._token)

    async def beat(self, beat: Mapping[str, Any]) -> dict[str, Any]:
        """Say how this server is; the facts of its session. Unanswered."""
        try:
            return await self._post("", beat)
        except Refused as refused:
            raise Unanswered(str(refused.answer)) from refused

    async def extend(self) -> dict[str, Any]:
        """Ask for more time; the facts. Refused says why not; Unanswered."""
        return await self._post("/extend", {})

    async def progress(self, reports: Sequence[Mapping[str, Any]]) -> None:
        """Say what the student shows of their progress; Refused (too often), Unanswered."""
        await self._post("/progress", {"progress": list(reports)})

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if not self.there:
            raise Unanswered("there is no Hub")
        try:
            answer = await AsyncHTTPClient().fetch(
                f"{self._url}/radlab/session{path}",
                method="POST",
                body=json.dumps(body),
                headers={
                    "Authorization": f"token {self._token}",
                    "Content-Type": "application/json",
                    "Accept-Language": self._language,
                },
                request_timeout=PATIENCE_SECONDS,
            )
            return _facts(answer.body)
        except HTTPClientError as error:
            if error.response is not None and 400 <= error.code < 500:
                raise Refused(error.code, _facts(error.response.body)) from error
            raise Unanswered(str(error)) from error
        except (OSError, HTTPError, ValueError) as error:
            raise Unanswered(str(error)) from error


def _facts(body: bytes) -> dict[str, Any]:
    facts = json.loads(body)
    if not isinstance(facts, dict):
        raise ValueError("the Hub did not answer with facts")
    return facts
