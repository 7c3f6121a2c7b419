"""What may be published by whom, for whom, and what a report is worth; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from hub_config.errors import BadInput, NotAllowed, NotFound, TooMany
from hub_config.groups.rules import Person, unknown_group
from hub_config.teaching.model import Progress, Scheme, Score

# A source is shown on a page and stands in a command: longer ones are no address.
MOST_SOURCE = 400
# Each takes minutes of the machine: whoever has so many waiting looks at them first.
MOST_WAITING = 5
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]")
_MODULE = re.compile(r"\d{2}_[a-z0-9_]{1,60}")


class BadSource(BadInput):
    """A module cannot be published from there."""

    code = "bad_source"


class BadAudience(BadInput):
    """Nobody, or nobody of theirs, would see the module."""

    code = "bad_audience"


class NotYourModule(NotAllowed):
    """A module that people see whom this person does not teach."""

    code = "not_your_module"


class UnknownPublication(NotFound):
    """No such publication was asked for, or none that this person may see."""

    code = "unknown_publication"


class TooManyWaiting(TooMany):
    """Somebody has asked for many publications that are not done."""

    code = "too_many_waiting"


def source_of(text: str, *, administrator: bool) -> str:
    """The Git address (https or ssh), or of an administrator's also a folder or id; BadSource.

    An address bears no password: it is kept, and shown to whoever sees the publication.
    """
    source = text.strip()
    if not source or len(source) > MOST_SOURCE or _SPACE.search(source) or source[0] == "-":
        raise bad_source(source, administrator)
    if administrator and (source.startswith("/") or _MODULE.fullmatch(source)):
        return source
    try:
        parts = urlsplit(source)
        host, password = parts.hostname, parts.password
    except ValueError:
        raise bad_source(source, administrator) from None
    if password is not None:
        raise BadSource(
            "The address bears a password, which would be kept and shown.",
            do="Give the address without it; a private repository is reached by ssh with a key "
            "of this machine, or is read by `./radlab course publish FOLDER`.",
        )
    if parts.scheme not in ("https", "ssh") or not host or host[0] == "-":
        raise bad_source(source, administrator)
    return source


def bad_source(source: str, administrator: bool) -> BadSource:
    """The refusal of a source, with what it may be."""
    return BadSource(
        "A module cannot be published from '{source}'.",
        given=source[:MOST_SOURCE],
        allowed=["https://...", "ssh://..."],
        do="Give the https or ssh address of a Git repository (a folder in it behind #), an "
        "absolute folder of this machine, or the id of a module that came with RadLab."
        if administrator
        else "Give the https or ssh address of a Git repository, with a folder in it behind #: "
        "https://git.example.edu/course.git#05_classification.",
        source=source[:80],
    )


def audience_of(
    person: Person, groups: Iterable[str], *, everyone: bool, known: Collection[str]
) -> tuple[str, ...] | None:
    """For whom `person` may offer a module: these groups, or None for everyone.

    BadAudience, UnknownGroup; NotYourModule for everyone or a group that they do not teach.
    """
    chosen = tuple(sorted(set(groups)))
    if everyone:
        if not person.is_administrator:
            raise _not_everyone()
        return None
    for group in chosen:
        if group not in known:
            raise unknown_group(group, known)
        if not person.is_administrator and group not in person.taught:
            raise NotYourModule(
                "You do not teach the group '{group}', so you cannot offer it a module.",
                given=group,
                allowed=sorted(person.taught),
                do="Choose a group that you teach, or ask an administrator.",
                group=group,
            )
    if not chosen:
        raise BadAudience(
            "Nobody would see the module.", do="Choose at least one group that it is for."
        )
    return chosen


def changed_audience(
    person: Person,
    before: tuple[str, ...] | None,
    groups: Iterable[str],
    *,
    everyone: bool,
    known: Collection[str],
) -> tuple[str, ...] | None:
    """Who sees the module once `person` has chosen `groups`; () for nobody: it is withdrawn.

    An instructor decides for the groups that they teach: others keep what they have. What is on
    offer to everyone is changed by an administrator alone: NotYourModule.
    """
    if not everyone and not set(groups):
        chosen: tuple[str, ...] | None = ()
    else:
        chosen = audience_of(person, groups, everyone=everyone, known=known)
    if person.is_administrator or chosen is None:
        return chosen
    if before is None:
        raise _not_everyone()
    return tuple(sorted((set(before) - person.taught) | set(chosen)))


def sees(person: Person, audience: tuple[str, ...] | None) -> bool:
    """Whether a module for `audience` is for `person`: administrators have all that are on offer.

    Who teaches one of the groups is in it as well. What is withdrawn nobody sees.
    """
    if audience is None:
        return True
    return bool(audience) and (person.is_administrator or not person.groups.isdisjoint(audience))


def require_room(waiting: int) -> None:
    """TooManyWaiting for who has asked for too much at once."""
    if waiting >= MOST_WAITING:
        raise TooManyWaiting(
            "You have asked for {count} publications that are not done yet.",
            given=waiting,
            allowed=MOST_WAITING,
            do="Wait until one is done.",
            count=waiting,
        )


def may_see_publication(person: Person, by: str) -> bool:
    """Administrators see every publication, instructors their own."""
    return person.is_administrator or (person.is_instructor and person.name == by)


def unknown_publication(id: str) -> UnknownPublication:
    """The refusal; the same words whether or not somebody else asked for it."""
    return UnknownPublication(
        "There is no publication '{id}'.",
        given=id,
        do="Look at the list on the page of courses.",
        id=id[:40],
    )


def score(shown: Progress, scheme: Scheme) -> Score:
    """What the report is worth by the published module: no point more, no exercise of its own."""
    done = {name: one for name, one in shown.exercises.items() if name in scheme.points}
    right = sum(one.right for name, one in shown.quiz.items() if name in scheme.questions)
    return Score(
        points=sum(
            min(one.points, scheme.points[name]) for name, one in done.items() if one.passed
        ),
        of=sum(scheme.points.values()),
        passed=sum(one.passed for one in done.values()),
        exercises=len(scheme.points),
        right=right,
        questions=len(scheme.questions),
    )


def _not_everyone() -> NotYourModule:
    return NotYourModule(
        "Only an administrator may decide what everyone sees.",
        do="Offer it to the groups that you teach, or ask an administrator.",
    )
