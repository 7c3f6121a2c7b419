"""What this slice says when it refuses, as sentences that tell what to do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from hub_config.errors import BadInput, Conflict, NotAllowed, NotFound, nearest
from hub_config.queueing.model import Place
from hub_config.usage.model import Short


class UnknownPlace(NotFound):
    """No place in line has that id."""

    code = "unknown_place"


class AmbiguousPlace(BadInput):
    """Several places answer to what was given."""

    code = "ambiguous_place"


class PlaceOver(Conflict):
    """The place is no longer open."""

    code = "place_over"


class PlaceStarting(Conflict):
    """The place's server starts already."""

    code = "place_starting"


class TooLargeForHost(BadInput):
    """More cores or memory are asked for than the machine has."""

    code = "too_large_for_host"


class HoursUsed(Conflict):
    """The GPU hours of the week are used up; they begin anew at `again_at`."""

    code = "hours_used"

    def __init__(self, template: str, *, again_at: datetime, **params: Any) -> None:
        self.again_at = again_at
        super().__init__(template, **params)


class NotYourPlace(NotAllowed):
    """Somebody else's place, and the person does not teach its group."""

    code = "not_your_place"


def unknown_place(place_id: str, known: Iterable[str] = ()) -> UnknownPlace:
    """No place has the id `place_id`; `known` are ids or owners that it might have meant."""
    return UnknownPlace(
        "There is no place '{place_id}' in the queue.{hint}",
        given=place_id,
        do="`./radlab queue list` shows who waits.",
        place_id=place_id,
        hint=nearest(place_id, known),
    )


def ambiguous_place(given: str, matching: Iterable[Place]) -> AmbiguousPlace:
    """More than one place answers to `given`."""
    ids = sorted(place.id for place in matching)
    return AmbiguousPlace(
        "{count} places in the queue match '{place}'.",
        given=given,
        allowed=ids,
        do="Give the id of one of them.",
        place=given,
        count=len(ids),
    )


def place_over(place: Place) -> PlaceOver:
    """`place` was left, served or given up before."""
    return PlaceOver(
        "The place {place_id} is no longer in the queue ({state}).",
        given=place.id,
        do="Start the server again, if it is still wanted.",
        place_id=place.id,
        state=place.state.value,
    )


def place_starting(place: Place) -> PlaceStarting:
    """The server of `place` starts, and cannot become another one on the way."""
    return PlaceStarting(
        "This server starts already, and cannot be changed or moved now.",
        given=place.id,
        do="Wait until it is there, or stop it first.",
    )


def too_many_cores(wanted: float, most: int) -> TooLargeForHost:
    """`wanted` cores are asked for on a machine of `most`."""
    return TooLargeForHost(
        "{wanted} CPU cores were asked for, and this machine has {most}.",
        given=wanted,
        allowed=most,
        do="Choose a size with at most {most} cores.",
        wanted=f"{wanted:g}",
        most=most,
    )


def too_much_memory(wanted_mb: int, most_mb: int) -> TooLargeForHost:
    """`wanted_mb` of memory are asked for on a machine of `most_mb`."""
    return TooLargeForHost(
        "{wanted_gb} GB of memory were asked for, and this machine has {most_gb} GB.",
        given=wanted_mb,
        allowed=most_mb,
        do="Choose a size with at most {most_gb} GB.",
        wanted_gb=f"{wanted_mb / 1024:.4g}",
        most_gb=f"{most_mb / 1024:.4g}",
    )


def hours_used(short: Short, again_at: datetime) -> HoursUsed:
    """The GPU hours of the week that `short` names are used up."""
    return HoursUsed(
        "The {limit} GPU hours a week of {whose} are used up; they begin anew at {time} UTC.",
        again_at=again_at,
        given=short.used,
        allowed=short.limit,
        do="Choose a size without a GPU, or ask an administrator for a higher quota.",
        limit=f"{short.limit:g}",
        whose=short.name,
        time=again_at.strftime("%Y-%m-%d %H:%M"),
    )


def not_your_place(place_id: str, groups: Iterable[str]) -> NotYourPlace:
    """The place `place_id` is of none of the `groups` that the person teaches."""
    return NotYourPlace(
        "The place {place_id} is not of a group that you teach.",
        given=place_id,
        allowed=sorted(groups),
        do="Ask its owner, one of their instructors, or an administrator.",
        place_id=place_id,
    )
