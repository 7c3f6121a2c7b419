"""The counters of many containers at once: from their control groups, else from the engine.

Where the host hides its control groups (the keeper in a container of its own, say), the engine is
asked instead: `stats` of all in parallel, and its `oom` events since the last look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import requests
from docker import APIClient
from docker.errors import DockerException

from hub_config.gpus.model import INSTANCE_LABEL
from hub_config.keeper import cgroups
from hub_config.keeper.cgroups import Reading

_AT_ONCE = 8
_NANOSECONDS = 1e9


class Meter:
    """Reads counters; keeps only the process that each container began with.

    `client` gives the engine's client; making one asks the engine.
    """

    def __init__(
        self,
        instance: str,
        client: Callable[[], APIClient],
        read: Callable[[int], Reading | None] = cgroups.read,
    ) -> None:
        self._label = f"{INSTANCE_LABEL}={instance}"
        self._client = client
        self._read = read
        self._pids: dict[str, int] = {}
        self._killed: Counter[str] = Counter()
        self._told_until: datetime | None = None

    def readings(self, container_ids: Sequence[str], now: datetime) -> dict[str, Reading]:
        """The counters of each of those containers that can be read."""
        self._pids = {one: pid for one, pid in self._pids.items() if one in container_ids}
        if not container_ids:
            return {}
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="meter") as pool:
            read = dict(zip(container_ids, pool.map(self._reading, container_ids), strict=True))
        found = {one: reading for one, reading in read.items() if reading is not None}
        if any(reading.oom_kills is None for reading in found.values()):
            self._ask_for_kills(now)
        return {one: self._with_kills(one, reading) for one, reading in found.items()}

    def _reading(self, container_id: str) -> Reading | None:
        try:
            pid = self._pids.get(container_id) or self._pid(container_id)
            reading = self._read(pid) if pid else None
            return reading or self._stats(container_id)
        except (DockerException, requests.RequestException, OSError, KeyError, TypeError):
            self._pids.pop(container_id, None)
            return None  # it is ending, or the engine is: the next round sees

    def _pid(self, container_id: str) -> int:
        pid = int(self._client().inspect_container(container_id)["State"]["Pid"])
        if pid:
            self._pids[container_id] = pid
        return pid

    def _stats(self, container_id: str) -> Reading | None:
        """What the engine says; None of one that runs no more, of which it says nothing."""
        facts: dict[str, Any] = self._client().stats(container_id, stream=False, one_shot=True)
        memory = facts["memory_stats"]
        if "usage" not in memory:
            return None
        kept = memory.get("stats", {})
        cache = kept.get("inactive_file", kept.get("total_inactive_file", 0))
        return Reading(
            cpu_seconds=facts["cpu_stats"]["cpu_usage"]["total_usage"] / _NANOSECONDS,
            memory_bytes=max(0, memory["usage"] - cache),
            oom_kills=None,
        )

    def _ask_for_kills(self, now: datetime) -> None:
        since, self._told_until = self._told_until or now, now
        try:
            events = self._client().events(
                since=since, until=now, decode=True, filters={"event": "oom", "label": self._label}
            )
            self._killed.update(event["id"] for event in events)
        except (DockerException, requests.RequestException, OSError):
            self._told_until = since  # asked again, from there

    def _with_kills(self, container_id: str, reading: Reading) -> Reading:
        if reading.oom_kills is not None:
            return reading
        return replace(reading, oom_kills=self._killed[container_id])
