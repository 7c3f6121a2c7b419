"""A class in front of a Hub: each person has a browser's cookies, starts a server and waits for it.

They do what the Hub's own pages make a browser do: send the form (or open the address that starts a
server), open the pending page, follow its events, and go to the server when they say that it is
ready. Moments are seconds since the person clicked.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp

AGAIN_S = 2.0
Fields = Mapping[str, str]


@dataclass
class Wait:
    """What became of one person's click."""

    name: str
    clicked_at: float = 0.0
    place_s: float | None = None
    ready_s: float | None = None
    # The moment that the place was first told for, in seconds since the click.
    expected_s: float | None = None
    waiting_first: int | None = None
    failed: str = ""
    statuses: Counter[int] = field(default_factory=Counter)


class Person:
    """One account at one Hub."""

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        self.wait = Wait(name)
        jar = aiohttp.CookieJar(unsafe=True, quote_cookie=False)
        patience = aiohttp.ClientTimeout(total=None, sock_connect=60, sock_read=300)
        # A browser sends again what met a connection that the far end had just closed as idle.
        connector = aiohttp.TCPConnector(limit=4, force_close=True)
        self.http = aiohttp.ClientSession(cookie_jar=jar, timeout=patience, connector=connector)

    async def send(self, path: str, fields: Fields, *, page: str | None = None) -> tuple[int, str]:
        """Open the page of a form and send it; the status and where it leads."""
        await self.open(page or path)
        return await self.post(path, fields)

    async def open(self, path: str) -> tuple[int, str]:
        """Open a page; its status and text. Redirects are followed."""
        async with self.http.get(f"{self.address}{path}") as answer:
            self.wait.statuses[answer.status] += 1
            return answer.status, await answer.text()

    async def post(self, path: str, fields: Fields) -> tuple[int, str]:
        """Send a form; the status and where it leads. Redirects are not followed."""
        sent = {"_xsrf": self._xsrf(), **fields}
        url = f"{self.address}{path}"
        async with self.http.post(url, data=sent, allow_redirects=False) as answer:
            self.wait.statuses[answer.status] += 1
            if answer.status >= 400:
                return answer.status, (await answer.text())[-300:]
            return answer.status, answer.headers.get("Location", "")

    async def start(self, fields: Fields | None, deadline_s: float) -> Wait:
        """Click start and wait until the server answers, it has failed, or the deadline is over.

        `fields` are those of the launch page's button; a Hub that has no such page (None) starts
        a server when its address is opened.
        """
        self.wait.clicked_at = time.time()
        try:
            async with asyncio.timeout(deadline_s):
                await self._click(fields)
                while not self.wait.failed and self.wait.ready_s is None:
                    await self._follow()
        except TimeoutError:
            self.wait.failed = f"not ready within {deadline_s:.0f} s"
        except aiohttp.ClientError as error:
            self.wait.failed = f"no answer: {type(error).__name__}"
        return self.wait

    async def _click(self, fields: Fields | None) -> None:
        if fields is not None:
            status, leads = await self.post("/hub/spawn", fields)
        else:
            async with self.http.get(f"{self.address}/hub/spawn", allow_redirects=False) as answer:
                status, leads = answer.status, answer.headers.get("Location", "")
                self.wait.statuses[status] += 1
        if status not in (302, 303):
            self.wait.failed = f"the start was answered {status}: {_plain(leads)}"
            return
        if "spawn-pending" in leads:
            await self.open(leads.removeprefix(self.address))

    async def _follow(self) -> None:
        """Follow the events of the pending page to their end, as long as they come."""
        path = f"/hub/api/users/{quote(self.wait.name)}/server/progress?_xsrf={self._quoted_xsrf()}"
        try:
            async with self.http.get(f"{self.address}{path}") as events:
                self.wait.statuses[events.status] += 1
                if events.status == 200:
                    async for line in events.content:
                        if line.startswith(b"data:") and await self._told(json.loads(line[5:])):
                            return
        except aiohttp.ClientError:
            self.wait.statuses[0] += 1
        await asyncio.sleep(AGAIN_S)
        await self._arrive(again=True)

    async def _told(self, event: Mapping[str, Any]) -> bool:
        """Take an event in; True where it is the last."""
        if place := event.get("place"):
            self._told_place(place["en"])
        if event.get("failed"):
            self.wait.failed = str(event.get("message") or "failed")
            return True
        return bool(event.get("ready")) and await self._arrive()

    def _told_place(self, place: Mapping[str, Any]) -> None:
        if self.wait.place_s is not None:
            return
        self.wait.place_s = time.time() - self.wait.clicked_at
        self.wait.waiting_first = place.get("position")
        if place.get("expected_at"):
            expected = datetime.fromisoformat(place["expected_at"]).timestamp()
            self.wait.expected_s = expected - self.wait.clicked_at

    async def _arrive(self, *, again: bool = False) -> bool:
        """True where the server answers by way of the public port."""
        async with self.http.get(f"{self.address}/user/{quote(self.wait.name)}/api") as answer:
            text = await answer.text()
            if answer.status == 200 and '"version"' in text:
                self.wait.ready_s = time.time() - self.wait.clicked_at
                return True
            if not again:
                self.wait.statuses[answer.status] += 1
        return False

    def _xsrf(self) -> str:
        found = [
            cookie.value
            for cookie in self.http.cookie_jar
            if cookie.key == "_xsrf" and cookie["path"] in ("/hub/", "/hub")
        ]
        return re.sub(r"[^\w|=+/:.-]", "", found[0]) if found else ""

    def _quoted_xsrf(self) -> str:
        return quote(self._xsrf())


class Watch:
    """Somebody who asks the Hub something light five times a second, and how long it took."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.took_s: list[float] = []
        self.statuses: Counter[int] = Counter()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            begun = time.perf_counter()
            try:
                status, _ = await self.person.open("/hub/api/user")
            except aiohttp.ClientError:
                status = 0
            self.statuses[status] += 1
            self.took_s.append(time.perf_counter() - begun)
            await asyncio.sleep(max(0.0, 0.2 - self.took_s[-1]))


@dataclass(frozen=True)
class Storm:
    """What a class saw."""

    waits: list[Wait]
    sign_in_s: float
    api_s: list[float]
    api_statuses: Counter[int]
    begun_at: float
    load_before: float
    load_after: float


def _plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)).strip()[-160:]
