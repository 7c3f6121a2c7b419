"""What a running session is told, and what it may do about its own end; synchronous, for threads.

The session's facts are what JupyterLab shows: when it ends and why, whether it can be extended,
what was killed for memory, how full the home is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine

from hub_config import clock
from hub_config.errors import Conflict, NotAllowed, NotFound, TooMany
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended, Lease
from hub_config.offers.modules import BUILT_METADATA
from hub_config.queueing.model import Extension, NoExtension
from hub_config.queueing.store import QueueStore
from hub_config.queueing.texts import NO_EXTENSION_TEXT
from hub_config.settings import Settings
from hub_config.teaching.model import Report
from hub_config.teaching.store import ProgressStore
from hub_config.usage.model import HomeUse, LeaseUsage
from hub_config.usage.rules import disk_limit, minutes_allowed
from hub_config.usage.store import QuotaStore, UsageStore

DISK_WARNS = 0.8
# A little earlier than the warning, so that a heartbeat has brought it when that is shown.
_EARLIER = timedelta(minutes=2)
_BEAT_LASTS = timedelta(minutes=1)
# What a server says more often than this is not written: each write waits for the disk.
WRITES_APART = 2.0


class SessionTokenOnly(NotAllowed):
    """Only a server itself, by its own token, may say how its session is."""

    code = "session_token_only"


class NoSession(NotFound):
    """The server holds no lease: it is starting or ending."""

    code = "no_session"


class NotExtended(Conflict):
    """The session cannot be extended now; `given` says why."""

    code = "not_extended"


class SaidTooOften(TooMany):
    """A session says the same thing again and again."""

    code = "said_too_often"


class Beat(BaseModel):
    """What a session says of itself: kernels and terminals, not tabs.

    `active_seconds` is how long ago a kernel or terminal did something; None: never. `keep` is a
    person's click on "keep it running".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kernels: int = Field(default=0, ge=0, le=10_000)
    kernels_busy: int = Field(default=0, ge=0, le=10_000)
    terminals: int = Field(default=0, ge=0, le=10_000)
    active_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    keep: bool = False

    @property
    def real_use(self) -> bool:
        """Whether somebody or something works in it."""
        ago = self.active_seconds
        lately = ago is not None and ago < _BEAT_LASTS.total_seconds()
        return self.kernels_busy > 0 or self.keep or lately


class Sessions:
    """The verbs of a running session."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._ledger = Ledger(engine)
        self._queue = QueueStore(engine, settings)
        self._usage = UsageStore(engine)
        self._quotas = QuotaStore(engine)
        self._progress = ProgressStore(engine)
        self._wrote: dict[str, float] = {}
        self._writes = threading.Lock()

    def facts(self, lease_id: str, groups: Iterable[str]) -> dict[str, Any]:
        """What JupyterLab shows of the session; NoSession where its lease is over."""
        lease, now = self._lease(lease_id), clock.now()
        near = lease.until - now <= self._near
        return session_facts(
            lease,
            self._usage.of([lease.id]).get(lease.id),
            self._usage.home(lease.username),
            disk_limit(self._quotas.of(lease.username, list(groups))),
            self._queue.may_extend(lease, now) if near else None,
            self._settings.warn_minutes,
        )

    def beat(self, lease_id: str, beat: Beat) -> None:
        """Keep what the session says of itself; real use takes an end for idleness back.

        Said again within `WRITES_APART` it is not kept, unless it takes such an end back.
        """
        lease, now = self._lease(lease_id), clock.now()
        usage = self._usage.of([lease.id]).get(lease.id) or LeaseUsage(lease_id=lease.id)
        noted = usage.busy_at is not None and now - usage.busy_at < _BEAT_LASTS and not beat.keep
        moved = beat.real_use and not noted
        idle_no_more = beat.real_use and lease.stop_why is Ended.IDLE
        changed = moved or usage.kernels != beat.kernels
        if changed and (self._may_write(lease.id) or idle_no_more):
            self._usage.busy(lease.id, now if moved else None, beat.kernels)
        if idle_no_more:
            self._ledger.let_run(lease.id, Ended.IDLE)

    def extend(self, lease_id: str, groups: Iterable[str]) -> None:
        """Give the session the minutes that quota and queue leave; NotExtended says why not."""
        self.beat(lease_id, Beat(keep=True, kernels=self._kernels(lease_id)))
        lease, now = self._lease(lease_id), clock.now()
        if lease.until - now > self._near:
            raise too_soon(self._near)
        offered = self._queue.may_extend(lease, now)
        if offered.refused is not None:
            raise not_extended(offered.refused)
        wanted = lease.minutes + lease.extended_minutes + offered.minutes
        bounds = self._quotas.of(lease.username, list(groups))
        most = minutes_allowed(wanted, bounds, lease.group)
        self._ledger.extend(lease_id, offered.minutes, now, most_minutes=most)

    def progress(self, lease_id: str, username: str, reports: Iterable[Report]) -> None:
        """Keep what `username` shows of their progress; SaidTooOften asks to say it again later."""
        self._lease(lease_id)
        if not self._may_write(f"progress {lease_id}"):
            raise too_often()
        self._progress.keep(username, reports, self._is_published)

    def _is_published(self, module: str, version: str) -> bool:
        return self._settings.path("modules", module, version, BUILT_METADATA).is_file()

    def _may_write(self, lease_id: str) -> bool:
        now = time.monotonic()
        with self._writes:
            recent = {lease: at for lease, at in self._wrote.items() if now - at < WRITES_APART}
            self._wrote = {lease_id: now, **recent}
        return lease_id not in recent

    @property
    def _near(self) -> timedelta:
        """So long before its end a session is offered more; sooner nobody piles minutes up."""
        return timedelta(minutes=self._settings.warn_minutes) + _EARLIER

    def _kernels(self, lease_id: str) -> int:
        usage = self._usage.of([lease_id]).get(lease_id)
        return usage.kernels if usage else 0

    def _lease(self, lease_id: str) -> Lease:
        lease = self._ledger.get(lease_id)
        if not lease.active:
            raise no_session()
        return lease


def session_facts(
    lease: Lease,
    usage: LeaseUsage | None,
    home: HomeUse | None,
    disk_mb: int | None,
    extension: Extension | None,
    warn_minutes: int,
) -> dict[str, Any]:
    """The facts as JSON; `extend` is None until the end is near."""
    return {
        "lease": lease.id,
        "ends_at": clock.to_iso(lease.until),
        "limit_at": clock.to_iso(lease.ends_at),
        "stop_why": None if lease.until_why is Ended.TIME_UP else lease.until_why.value,
        "warn_minutes": warn_minutes,
        "extend": _extend(extension),
        "memory_mb": lease.memory_mb,
        "oom": _oom(usage),
        "disk": _disk(home, disk_mb),
    }


def no_session() -> NoSession:
    """The refusal for a server without lease."""
    return NoSession("This server holds no session now.", do="Start it from the launch page.")


def too_often() -> SaidTooOften:
    """The refusal to write the same again at once."""
    return SaidTooOften("This was said a moment ago.", do="Say it again in a minute.")


def not_extended(why: NoExtension) -> NotExtended:
    """The refusal to extend, with its reason."""
    return NotExtended(NO_EXTENSION_TEXT[why], given=why.value, do="Save your work before its end.")


def too_soon(near: timedelta) -> NotExtended:
    """The refusal to extend a session that has time left, as a second click asks for it."""
    return NotExtended(
        "This session has time left; it can be extended in its last {minutes} minutes.",
        given="too_soon",
        do="Wait for the notice.",
        minutes=near // timedelta(minutes=1),
    )


def _extend(extension: Extension | None) -> dict[str, Any] | None:
    if extension is None:
        return None
    refused = extension.refused.value if extension.refused else None
    return {"minutes": extension.minutes, "refused": refused}


def _oom(usage: LeaseUsage | None) -> dict[str, Any] | None:
    if usage is None or not usage.oom_kills:
        return None
    at = clock.to_iso(usage.oom_at) if usage.oom_at else None
    return {"kills": usage.oom_kills, "process": usage.oom_process, "at": at}


def _disk(home: HomeUse | None, limit_mb: int | None) -> dict[str, Any] | None:
    if home is None or not limit_mb:
        return None
    warn = home.used_mb >= DISK_WARNS * limit_mb
    return {"used_mb": home.used_mb, "limit_mb": limit_mb, "warn": warn}
