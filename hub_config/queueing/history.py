"""How long sessions last and how long a start takes, learnt from those that are over; pure.

A session is predicted by the sessions of the same module, or of the same image without one: the
median of their lengths, and for one that runs already the median of those that lasted longer than
it has. The limit is all that is promised, so a prediction is never later than it. With fewer than
`_ENOUGH` sessions to learn from, the limit is the prediction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from hub_config.gpus.model import Lease, LeaseRequest

_ENOUGH = 5
# A device whose session is over by the clock is not free until its container is gone.
_LEAVING = timedelta(seconds=30)
# What a start takes where none was seen yet: measured with the base image on two cores, where four
# at once took 1.9 s each; after the first starts their own count.
FIRST_GUESS_S = 2.0

Task = tuple[str | None, str]


@dataclass(frozen=True)
class Past:
    """A session that is over: what ran, and for how many minutes."""

    task: Task
    minutes: float


@dataclass(frozen=True)
class History:
    """Lengths of sessions (minutes, ascending) by what ran, and seconds from grant to answer."""

    lengths: Mapping[Task, Sequence[float]] = field(default_factory=dict)
    start_seconds: float = FIRST_GUESS_S

    def minutes(self, request: LeaseRequest) -> float:
        """How many minutes a session of `request` is likely to last."""
        return self._typical(task_of(request), 0.0, request.minutes)

    def end(self, lease: Lease, now: datetime) -> datetime:
        """When `lease` is likely to end; its limit at the latest, and never in the past."""
        begun = lease.started_at or lease.granted_at
        so_far = max(0.0, (now - begun).total_seconds() / 60)
        limit = (lease.until - begun).total_seconds() / 60
        typical = self._typical((lease.module, lease.image), so_far, limit)
        return max(begun + timedelta(minutes=typical), now + _LEAVING)

    def _typical(self, task: Task, longer_than: float, limit: float) -> float:
        similar = [each for each in self.lengths.get(task, ()) if each > longer_than]
        return min(limit, median(similar)) if len(similar) >= _ENOUGH else limit


def task_of(request: LeaseRequest) -> Task:
    """What sessions are alike by: the module, or the image where none is named."""
    return (request.module, request.image)


def learnt(over: Iterable[Past], starts: Sequence[float]) -> History:
    """The history that these sessions and these starts (seconds) teach."""
    lengths: dict[Task, list[float]] = {}
    for past in over:
        lengths.setdefault(past.task, []).append(past.minutes)
    return History(
        {task: sorted(many) for task, many in lengths.items()},
        median(starts) if starts else FIRST_GUESS_S,
    )
