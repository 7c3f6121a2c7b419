"""The words of this slice: a place in line, and how it stands.

A place is a row with what was asked for; the Hub's pending spawn is only its window. It is open
until its server answers, or somebody leaves it, or it can never be served.

    waiting --dispatch--> starting --arrived--> done
       ^                     |
       +---- lease lost -----+      waiting|starting --leave--> left      --fail--> failed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hub_config.gpus.model import LeaseRequest


class State(StrEnum):
    """How a place stands."""

    WAITING = "waiting"
    STARTING = "starting"
    DONE = "done"
    LEFT = "left"
    FAILED = "failed"


OPEN = (State.WAITING, State.STARTING)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place in line.

    `options` are the user options that the Hub is given again after a restart. `rank_at` orders
    those of one priority (higher first): when it was taken, later for who used much lately.
    `expected_at` is what its owner was first told.
    """

    id: str
    username: str
    server_name: str
    options: Mapping[str, Any]
    request: LeaseRequest
    priority: int
    rank_at: datetime
    entered_at: datetime
    entered_by: str
    expected_at: datetime | None
    state: State
    attempts: int
    lease_id: str | None
    ended_at: datetime | None
    why: str | None

    @property
    def open(self) -> bool:
        """True while its owner waits for a server."""
        return self.ended_at is None


class Reason(StrEnum):
    """Why a place waits."""

    STARTS = "starts"  # GPUs are there; servers start a few at a time
    BUSY = "busy"  # all GPUs that would serve are in use
    BEHIND = "behind"  # somebody before it takes what is free
    QUOTA_GROUP = "quota_group"  # its group holds as much as it may at once
    QUOTA_PERSON = "quota_person"  # its owner does
    RECALLING = "recalling"  # a GPU is on loan and was called back
    STARTING = "starting"  # its lease is granted, the container starts
    ENDING = "ending"  # the last session of the same server is not gone yet
    PAUSED = "paused"  # nothing starts: the keeper is away, or walls are down


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What the owner of a place is told: times and counts, never another student's name.

    `position` counts from 1 among those that wait; `expected_at` is None where it cannot be said.
    `reason_values` are the parameters of the sentence that pages make of `reason`: `group`,
    `total`, `used`, `limit`, `next_free_at`, `what` as far as they apply. `alternatives` are user
    options that could start at once.
    """

    position: int
    waiting: int
    expected_at: datetime | None
    reason: Reason
    reason_values: Mapping[str, Any]
    alternatives: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Standing:
    """An open place and what its owner is told."""

    place: Place
    outlook: Outlook


@dataclass(frozen=True)
class Choice:
    """Something else that could be started: its user options, and what they ask for."""

    options: Mapping[str, Any]
    request: LeaseRequest


class NoExtension(StrEnum):
    """Why a session cannot be extended."""

    WAITED_FOR = "waited_for"  # somebody waits for its GPU
    EARLY = "early"  # it was told to end before its time: idle, called back
    LONGEST = "longest"  # it has all the minutes that a session may have
    HOURS = "hours"  # the GPU hours of the week leave nothing


@dataclass(frozen=True)
class Extension:
    """By how many minutes a session may be extended now; 0, and why, where it may not."""

    minutes: int
    refused: NoExtension | None = None
