"""The sentences of the queue, each a message for gettext; Chinese in `locale/zh_CN/queueing.po`.

`template(outlook)` is the sentence that says why a place waits; its placeholders are keys of the
outlook's `reason_values`. Moments in them are datetimes: pages show them on the reader's clock.
"""

from __future__ import annotations

from collections.abc import Mapping

from hub_config.queueing.model import NoExtension, Outlook, Reason, State

REASON_TEXT: Mapping[Reason, str] = {
    Reason.STARTS: "All that your server needs is free; servers start a few at a time.",
    Reason.BUSY: "All GPUs that would serve are in use.",
    Reason.BEHIND: "The GPUs that are free now go to those before you.",
    Reason.QUOTA_GROUP: "Your group {group} uses as much as it may at once.",
    Reason.QUOTA_PERSON: "You use as much as you may at once.",
    Reason.RECALLING: "A GPU of group {group} is on loan and was called back; "
    "it is free at about {next_free_at}.",
    Reason.STARTING: "Your server starts.",
    Reason.ENDING: "The last session of this server is being ended.",
    Reason.PAUSED: "Nothing starts at the moment; your place is kept.",
}
STATE_TEXT: Mapping[State, str] = {
    State.WAITING: "waiting",
    State.STARTING: "starting",
    State.DONE: "started",
    State.LEFT: "left",
    State.FAILED: "failed",
}
NO_EXTENSION_TEXT: Mapping[NoExtension, str] = {
    NoExtension.WAITED_FOR: "Somebody waits for this GPU, so that the session ends in time.",
    NoExtension.EARLY: "This session was told to end early, and cannot be extended.",
    NoExtension.LONGEST: "This session has all the minutes that one may have.",
    NoExtension.HOURS: "The GPU hours of this week leave no more time.",
}
_NONE_THERE = "No GPU of group {group} that would serve can be used at the moment."
_THE_ONE = "The GPU of group {group} is in use; it is free at about {next_free_at}."
_ALL = "All {total} GPUs of group {group} are in use; the next is free at about {next_free_at}."
_TOO_FEW = (
    "{used} of {total} GPUs of group {group} are in use, and too few are free for this; "
    "the next is free at about {next_free_at}."
)
_GROUP_LIMIT: Mapping[str, str] = {
    "gpus": "Group {group} uses {used:g} of the {limit:g} GPUs that it may use at once.",
    "cpus": "Group {group} uses {used:g} of the {limit:g} CPU cores that it may use at once.",
    "memory_mb": "Group {group} uses {used:.4g} of the {limit:.4g} GB of memory that it may use "
    "at once.",
    "servers": "Group {group} runs {used:g} of the {limit:g} servers that it may run at once.",
    "gpu_hours_week": "The {limit:g} GPU hours of group {group} this week are used or promised.",
}
_PERSON_LIMIT: Mapping[str, str] = {
    "gpus": "You use {used:g} of the {limit:g} GPUs that you may use at once.",
    "cpus": "You use {used:g} of the {limit:g} CPU cores that you may use at once.",
    "memory_mb": "You use {used:.4g} of the {limit:.4g} GB of memory that you may use at once.",
    "servers": "You run {used:g} of the {limit:g} servers that you may run at once.",
    "gpu_hours_week": "Your {limit:g} GPU hours of this week are used or promised.",
}
# Every sentence of a reason, for those who translate and for those who test it.
SENTENCES = (
    *REASON_TEXT.values(),
    _NONE_THERE,
    _THE_ONE,
    _ALL,
    _TOO_FEW,
    *_GROUP_LIMIT.values(),
    *_PERSON_LIMIT.values(),
)


def template(outlook: Outlook) -> str:
    """The sentence that says why a place waits, to be translated and then filled."""
    values = outlook.reason_values
    if outlook.reason is Reason.BUSY:
        return _busy(values.get("total", 0), values.get("used", 0))
    limits = {Reason.QUOTA_GROUP: _GROUP_LIMIT, Reason.QUOTA_PERSON: _PERSON_LIMIT}
    by_limit: Mapping[str, str] = limits.get(outlook.reason, {})
    return by_limit.get(values.get("what", ""), REASON_TEXT[outlook.reason])


def _busy(total: int, used: int) -> str:
    if not total:
        return _NONE_THERE
    if not used:
        return REASON_TEXT[Reason.BUSY]
    if used < total:
        return _TOO_FEW
    return _THE_ONE if total == 1 else _ALL
