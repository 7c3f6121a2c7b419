"""What this slice says when it refuses, as sentences that tell what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub_config.errors import BadInput, Conflict, NotFound, nearest
from hub_config.usage.model import Kind, Short


class BadLimit(BadInput):
    """A limit cannot be what was given."""

    code = "bad_limit"


class BadMoment(BadInput):
    """A moment in time was not to be read."""

    code = "bad_moment"


class BadQuotaName(BadInput):
    """A quota was to be set for nobody."""

    code = "bad_quota_name"


class LongReason(BadInput):
    """A reason is longer than the audit keeps."""

    code = "long_reason"


class NoQuota(NotFound):
    """No quota was set for that group or person."""

    code = "no_quota"


class NoReason(BadInput):
    """Something was to be done for somebody else without saying why."""

    code = "no_reason"


class OverQuota(Conflict):
    """What is asked for is more than a quota ever allows at once: `short` says which."""

    code = "over_quota"

    def __init__(self, template: str, *, short: Short, **params: Any) -> None:
        self.short = short
        super().__init__(template, **params)


# What a limit is called in a sentence, each a message for gettext.
LIMIT_TEXT: Mapping[str, str] = {
    "gpus": "GPUs at once",
    "cpus": "CPU cores at once",
    "memory_mb": "memory at once (MB)",
    "disk_mb": "disk of one home (MB)",
    "minutes": "minutes a session",
    "gpu_hours_week": "GPU hours a week",
    "servers": "servers at once",
}
# One sentence a limit, so that each reads well in every language.
OVER_TEXT: Mapping[str, str] = {
    "gpus": "{wanted} GPUs were asked for, and {whose} may hold {limit} at once.",
    "cpus": "{wanted} CPU cores were asked for, and {whose} may hold {limit} at once.",
    "memory_mb": "{wanted} GB of memory were asked for, and {whose} may hold {limit} GB at once.",
    "servers": "A server was asked for, and {whose} may run {limit} at once.",
    "gpu_hours_week": "A GPU was asked for, and {whose} has {limit} GPU hours a week.",
}


def bad_limit(what: str, given: Any, lowest: float, highest: float, *, whole: bool) -> BadLimit:
    """The limit `what` cannot be `given`."""
    return BadLimit(
        "The limit '{what}' cannot be {value}: it may be a whole number from {lowest} to {highest}."
        if whole
        else "The limit '{what}' cannot be {value}: it may be a number from {lowest} to {highest}.",
        given=str(given),
        allowed=[lowest, highest],
        do="Give a number in that range, or lift the limit.",
        what=what,
        value=f"{given:g}" if isinstance(given, int | float) else given,
        lowest=f"{lowest:g}",
        highest=f"{highest:.0f}",
    )


def unknown_limit(what: str, known: Sequence[str]) -> BadLimit:
    """There is no limit called `what`."""
    return BadLimit(
        "There is no limit '{what}'.{hint}",
        given=what,
        allowed=list(known),
        do="Use one of those names.",
        what=what,
        hint=nearest(what, known),
    )


def bad_moment(given: str) -> BadMoment:
    """`given` names no moment."""
    return BadMoment(
        "'{text}' names no time.",
        given=given,
        do="Give hours or days back such as 12h or 30d, `week` for this week, a day such as "
        "2026-03-01, or a time such as 2026-03-01T09:30Z.",
        text=given[:80],
    )


def bad_quota_name(name: str) -> BadQuotaName:
    """Nobody can be called `name`."""
    return BadQuotaName(
        "A quota cannot be for '{name}': a name has 1 to 255 characters and no space at its ends.",
        given=name,
        do="Give the name of a class group or the user name of a person.",
        name=name[:80],
    )


def no_quota(kind: Kind, name: str, known: Iterable[str]) -> NoQuota:
    """Nothing was set for `name`; it was for the `known`."""
    return NoQuota(
        "No quota is set for the group '{name}'.{hint}"
        if kind is Kind.GROUP
        else "No quota is set for the person '{name}'.{hint}",
        given=name,
        do="`./radlab quota show` lists those that are set.",
        name=name,
        hint=nearest(name, known),
    )


def no_reason() -> NoReason:
    """An act for somebody else wants a reason."""
    return NoReason(
        "What is done for somebody else is recorded with a reason, and none was given.",
        do="Say in a few words why.",
    )


def long_reason(reason: str, most: int) -> LongReason:
    """The audit keeps a sentence, not a letter."""
    return LongReason(
        "The reason has {length} characters, and at most {most} are kept.",
        given=f"{reason[:40]}…",
        allowed=f"1 to {most} characters",
        do="Say in a few words why.",
        length=len(reason),
        most=most,
    )


def over_quota(short: Short) -> OverQuota:
    """The limit `short` can never allow what was asked for."""
    scale = 1024 if short.what == "memory_mb" else 1
    return OverQuota(
        OVER_TEXT[short.what],
        short=short,
        given=short.wanted,
        allowed=short.limit,
        do="Choose a smaller size, or ask an administrator for a higher quota.",
        wanted=f"{short.wanted / scale:.4g}",
        limit=f"{short.limit / scale:.4g}",
        whose=short.name,
    )
