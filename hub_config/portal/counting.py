"""What the metrics count: sessions that ended, waits, GPU hours, kills for memory; pure.

Counters begin at zero with the portal, as Prometheus expects of a process; the records of years lie
in the database, and no scrape reads them. Each look gives what ended since a little before the last
one, because a row of another process may be committed late; what was seen already counts once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hub_config.gpus.model import Lease
from hub_config.queueing.model import Place, State
from hub_config.usage.model import LeaseUsage
from hub_config.usage.rules import gpu_hours

# Upper bounds in seconds: from "at once" over a class that starts together to a lesson's length.
WAIT_BUCKETS = (1, 3, 5, 10, 20, 30, 45, 60, 120, 300, 600, 1800, 3600, 7200)
_LATE = timedelta(minutes=5)

Hours = defaultdict[str, float]


@dataclass
class Counts:
    """The totals since `begun`; `look` adds what is new."""

    begun: datetime
    sessions_ended: Counter[str] = field(default_factory=Counter)
    places_ended: Counter[str] = field(default_factory=Counter)
    oom_kills: Counter[str] = field(default_factory=Counter)
    waits: Counter[float] = field(default_factory=Counter)
    wait_seconds: float = 0.0
    _ended_hours: Hours = field(default_factory=lambda: defaultdict(float))
    _running_hours: Hours = field(default_factory=lambda: defaultdict(float))
    _kills_known: dict[str, int] | None = None
    _seen: set[str] = field(default_factory=set)
    _looked_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """From when on the next look needs what ended."""
        return max(self.begun, (self._looked_at or self.begun) - _LATE)

    @property
    def gpu_hours(self) -> Mapping[str, float]:
        """GPU hours by group, of what is over and of what runs."""
        groups = {*self._ended_hours, *self._running_hours}
        return {g: self._ended_hours[g] + self._running_hours[g] for g in groups}

    @property
    def waits_by_bucket(self) -> list[tuple[str, int]]:
        """Cumulative counts by upper bound, as the text format has them."""
        total, rows = 0, []
        for bound in WAIT_BUCKETS:
            total += self.waits[bound]
            rows.append((str(bound), total))
        return [*rows, ("+Inf", self.waits.total())]

    def look(
        self,
        leases: Sequence[Lease],
        usage: Mapping[str, LeaseUsage],
        places: Iterable[Place],
        now: datetime,
    ) -> None:
        """Count what is new among the leases that run or ended since `since`, and ended places."""
        fresh = [lease for lease in leases if not lease.active and self._is_new(lease.released_at)]
        fresh = [lease for lease in fresh if lease.id not in self._seen]
        for lease in fresh:
            self.sessions_ended[lease.why_ended or "unknown"] += 1
            self._ended_hours[lease.group or ""] += gpu_hours([lease], self.begun, now)
        self._running_hours = defaultdict(float)
        for lease in leases:
            if lease.active:
                self._running_hours[lease.group or ""] += gpu_hours([lease], self.begun, now)
        self._count_kills(leases, usage)
        ended = [place for place in places if self._is_new(place.ended_at)]
        for place in ended:
            if place.id not in self._seen:
                self._count_place(place)
        over = {lease.id for lease in leases if not lease.active}
        self._seen = over | {place.id for place in ended}
        self._looked_at = now

    def _is_new(self, ended_at: datetime | None) -> bool:
        return ended_at is not None and ended_at >= self.since

    def _count_place(self, place: Place) -> None:
        self.places_ended[place.state] += 1
        if place.state is State.DONE and place.ended_at is not None:
            waited = max(0.0, (place.ended_at - place.entered_at).total_seconds())
            bound = next((b for b in WAIT_BUCKETS if waited <= b), float("inf"))
            self.waits[bound] += 1
            self.wait_seconds += waited

    def _count_kills(self, leases: Sequence[Lease], usage: Mapping[str, LeaseUsage]) -> None:
        kills = {
            lease.id: usage[lease.id].oom_kills if lease.id in usage else 0 for lease in leases
        }
        if self._kills_known is not None:  # what was killed before we began is not ours to count
            for lease in leases:
                new = kills[lease.id] - self._kills_known.get(lease.id, 0)
                self.oom_kills[lease.group or ""] += max(0, new)
        self._kills_known = kills
