"""The words of this slice: a publication, a report of progress, the scheme that it is read by.

A *publication* is a request to publish a module, made in the portal and carried out by the keeper.
A *report* is what a student's notebook says of their progress in one module; it comes from the
student's own container and is believed as far as that: its shape is bounded here, and what it is
worth is reckoned from the published module (`scheme.py`), never from the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

MOST_MODULES = 40
MOST_ITEMS = 64
# A report of the most items that may be, with names of the greatest length, is smaller.
MOST_BYTES = 256 * 1024

_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
_Count = Annotated[int, Field(ge=0, le=100_000)]


class State(StrEnum):
    """How far a publication is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        """True where nothing more happens to it."""
        return self in (State.DONE, State.FAILED)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A request to publish the module at `source`; `groups` None: for everyone.

    `within` are the groups that the asker teaches, None for an administrator: a module that is on
    offer beyond them is not theirs to change.
    """

    id: str
    source: str
    groups: tuple[str, ...] | None
    within: tuple[str, ...] | None
    by: str
    asked_at: datetime
    state: State = State.WAITING
    started_at: datetime | None = None
    ended_at: datetime | None = None
    log: str = ""
    module: str | None = None
    version: str | None = None


class Tried(BaseModel):
    """One exercise as the notebook's checks left it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    passed: bool = False
    points: float = Field(default=0, ge=0, le=1000, allow_inf_nan=False)
    tries: _Count = 0
    hints: _Count = 0


class Answered(BaseModel):
    """One question of the quiz."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    right: bool = False
    tries: _Count = 0


class Report(BaseModel):
    """What a notebook says of its reader's progress; without `consent` nothing of it is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    module: str = Field(pattern=r"^\d{2}_[a-z0-9_]{1,60}$")
    version: str = Field(default="", pattern=r"^(\d{1,6}(\.\d{1,6}){2})?$")
    consent: bool
    exercises: dict[_Name, Tried] = Field(default={}, max_length=MOST_ITEMS)
    quiz: dict[_Name, Answered] = Field(default={}, max_length=MOST_ITEMS)
    updated: AwareDatetime | None = None


def reports_of(body: Any) -> list[Report]:
    """The reports in what a session sent, `{"progress": [...]}`; what is no report is left out."""
    sent = body.get("progress") if isinstance(body, Mapping) else None
    found = []
    for one in sent[:MOST_MODULES] if isinstance(sent, list) else []:
        with suppress(ValidationError):
            found.append(Report.model_validate(one))
    return found


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a student shows of one module."""

    username: str
    module: str
    version: str
    exercises: Mapping[str, Tried]
    quiz: Mapping[str, Answered]
    received_at: datetime


@dataclass(frozen=True)
class Scheme:
    """What a version of a module can give: points by exercise, and the questions of its quiz."""

    points: Mapping[str, float] = field(default_factory=dict)
    questions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Score:
    """How far somebody is in one module."""

    points: float
    of: float
    passed: int
    exercises: int
    right: int
    questions: int

    @property
    def part(self) -> float:
        """Points of those that can be had, 0 to 1."""
        return self.points / self.of if self.of else 0.0
