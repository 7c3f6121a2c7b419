"""The heart of a session: tells the Hub what works here, and keeps what the Hub answers.

One loop looks every 5 s whether something was killed for memory, and every 30 s speaks to the Hub;
for a while after a process was killed it speaks more often, because the Hub learns its name from
the host. While the Hub does not answer, its last answer holds, and before the first the
environment's.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from radlab_session import memory
from radlab_session.activity import beat, pids, watch_again
from radlab_session.hub import Hub, Refused, Unanswered
from radlab_session.progress import Shown

LOOK_SECONDS = 5
BEAT_SECONDS = 30
HASTE_SECONDS = 10
# A name that the host has not told by then does not come.
NAME_TAKES_SECONDS = 60
log = logging.getLogger("radlab_session")


class Heart:
    """What is known of this session; `run` never ends."""

    def __init__(
        self,
        server: Any,
        environ: Mapping[str, str],
        *,
        root: Path = memory.ROOT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._hub = Hub(environ)
        self._monotonic = monotonic
        self._root = root
        self._watch = memory.Watch(root)
        self._shown = Shown(Path(environ.get("HOME", "/home/student")))
        self._paths: dict[str, str] = {}
        self._pids: dict[str, int] = {}
        self.answer: dict[str, Any] = {}
        self._asked = 0
        # A class starts at once: its servers need not speak at once for ever.
        self._next = monotonic() + random.uniform(0, BEAT_SECONDS)

    async def run(self) -> None:
        """Look and speak until the server ends."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("the session's heart stumbled")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once, and speak where it is time to."""
        now = self._monotonic()
        restarted = self._restarted()
        watch_again(self._kernels(), restarted)
        if self._watch.look(restarted, now) or self._awaits_name(now):
            self._next = min(self._next, now + HASTE_SECONDS)
        await self._learn_paths(again=bool(restarted))
        if now >= self._next:
            self._next = now + BEAT_SECONDS
            await self.speak()
            await self.show_progress()

    async def speak(self, *, keep: bool = False) -> None:
        """Tell the Hub how this server is; `keep`: a person wants it to go on."""
        if not self._hub.there:
            return
        told = {**beat(self._kernels(), self._terminals()), "keep": keep}
        try:
            await self._hear(self._hub.beat(told))
        except Unanswered as error:
            log.info("the Hub does not answer: %s", error)

    async def show_progress(self) -> None:
        """Tell the Hub what the student shows of their progress, where that has changed."""
        changed = await asyncio.to_thread(self._shown.changed) if self._hub.there else []
        if not changed:
            return
        try:
            await self._hub.progress(changed)
        except (Refused, Unanswered) as error:
            # It is told again with the next beat.
            log.info("the Hub does not take the progress: %s", error)
        else:
            self._shown.told(changed)

    async def extend(self) -> None:
        """Ask the Hub for more time; `hub.Refused` and `hub.Unanswered`."""
        await self._hear(self._hub.extend())

    async def _hear(self, answering: Awaitable[dict[str, Any]]) -> None:
        """Keep the answer, unless something was asked since: an older one may come later."""
        self._asked += 1
        mine = self._asked
        answer = await answering
        if mine == self._asked:
            self.answer = answer

    def facts(self) -> dict[str, Any]:
        """What the Hub said last, and what was killed for memory, once that is known."""
        now = self._monotonic()
        if not self._watch.settled(now) or self._awaits_name(now):
            return {**self.answer, "oom": None}
        oom = {
            "kills": self._watch.count,
            "process": (self.answer.get("oom") or {}).get("process"),
            "notebooks": sorted({self._name(one) for one in self._watch.killed} - {""}),
            "limit_mb": memory.limit_mb(self._root) or self.answer.get("memory_mb"),
        }
        return {**self.answer, "oom": oom}

    def _name(self, kernel: str) -> str:
        """The notebook of that kernel without its folders: a notice has 140 characters."""
        return self._paths.get(kernel, "").rpartition("/")[2]

    def _awaits_name(self, now: float) -> bool:
        """Whether the Hub may still tell what was killed last."""
        at = self._watch.at
        if at is None or not self._hub.there or now - at > NAME_TAKES_SECONDS:
            return False
        return (self.answer.get("oom") or {}).get("kills", 0) < self._watch.count

    def _restarted(self) -> list[str]:
        """The kernels whose process is another one than at the last look."""
        before, self._pids = self._pids, pids(self._kernels())
        return [one for one, pid in self._pids.items() if before.get(one, pid) != pid]

    async def _learn_paths(self, *, again: bool) -> None:
        sessions = getattr(self._server, "session_manager", None)
        new = self._pids.keys() - self._paths.keys()
        if sessions is None or not (new or again):
            return
        self._paths.update(dict.fromkeys(new, ""))
        for one in await sessions.list_sessions():
            if one.get("kernel"):
                self._paths[one["kernel"]["id"]] = one.get("path") or one.get("name") or ""

    def _kernels(self) -> Any:
        return getattr(self._server, "kernel_manager", None)

    def _terminals(self) -> Any:
        return self._server.web_app.settings.get("terminal_manager")
