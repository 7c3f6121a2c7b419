"""Who may see and stop whose server, what a membership is, which requests a cookie may carry.

Pure: people, headers and names in, a refusal or nothing out. `Sec-Fetch-Mode` excuses no change:
JupyterHub once skipped the check for `no-cors`, and a form on any site could then post. Pages of
students' servers share our origin (their path differs), so that "same origin" is necessary and
never sufficient: the token bound to the session decides, and scripts may read a private page only
when they hold it already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, cast
from urllib.parse import urlsplit

from hub_config.errors import BadInput, NotAllowed
from hub_config.groups.rules import (
    INSTRUCTORS,
    RESERVED,
    Person,
    groups_taught,
    instructors_of,
    person_of,
    unknown_group,
)
from hub_config.invites.rules import groups_at_entry
from hub_config.usage.rules import check_reason, short_reason

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
Membership = Literal["student", "instructor"]
# A session lasts a day at most, extensions included.
MOST_MINUTES = 1440
MEMBERSHIPS = ("student", "instructor")

# What a changing call with an API token needs, by the first part of its path.
_RESOURCES = {
    "groups": "groups",
    "gpus": "gpus",
    "invites": "invites",
    "resets": "people",
    "people": "people",
    "courses": "courses",
    "servers": "servers",
    "queue": "servers",
    "quotas": "quotas",
}


class NotYourServer(NotAllowed):
    """A server of somebody whom this person neither teaches nor administers."""

    code = "not_your_server"


class NotAClassGroup(NotAllowed):
    """A group of the Hub that stands for a role."""

    code = "not_a_class_group"


class BadMembership(BadInput):
    """Nobody can be that in a class group."""

    code = "bad_membership"


class BadMinutes(BadInput):
    """What was typed is no number of minutes."""

    code = "bad_minutes"


class NotFromHere(NotAllowed):
    """A change that was not asked for on a page of the portal."""

    code = "not_from_here"


class ScopeMissing(NotAllowed):
    """An API token that may not do this."""

    code = "scope_missing"


def may_see(person: Person, username: str, groups: Iterable[str]) -> bool:
    """Whether `person` may know what `username`, who is in `groups`, is running."""
    if person.is_administrator or person.name == username:
        return True
    return not person.taught.isdisjoint(groups)


def may_stop(person: Person, username: str, groups: Iterable[str]) -> bool:
    """Whether `person` may stop that server: their own, their students', or any."""
    if person.is_administrator or person.name == username:
        return True
    other = person_of(username, groups)
    taught = not person.taught.isdisjoint(other.groups)
    return taught and not other.is_administrator and not other.is_instructor


def require_may_stop(person: Person, username: str, groups: Iterable[str]) -> None:
    """NotYourServer unless `may_stop`; the same words whether or not that user exists."""
    if may_stop(person, username, groups):
        return
    raise NotYourServer(
        "You may stop your own server, and those of students in groups that you teach.",
        given=username,
        do="Ask an administrator.",
    )


def reason_for(person: Person, username: str, text: str) -> str:
    """The reason as the audit keeps it; LongReason, and NoReason where `username` is another.

    Nobody has to say why they do something to a server of their own.
    """
    return short_reason(text) if person.name == username else check_reason(text)


def minutes_of(text: str) -> int:
    """The whole number of minutes that a form's field names; BadMinutes."""
    number = text.strip()
    if number.isascii() and number.isdigit() and 0 < int(number) <= MOST_MINUTES:
        return int(number)
    raise BadMinutes(
        "'{text}' is no number of minutes.",
        given=text,
        allowed=f"1 to {MOST_MINUTES}",
        do="Type a whole number from 1 to {most}.",
        text=number[:40],
        most=MOST_MINUTES,
    )


def require_class_group(name: str, known: Iterable[str]) -> None:
    """NotAClassGroup for a role's group, UnknownGroup for what is none of the `known`."""
    if name in RESERVED or ":" in name:
        raise NotAClassGroup(
            "'{name}' is the group of a role: nobody is put into it or taken out of it here.",
            given=name,
            do="Name a class group, and say student or instructor; "
            "an administrator comes in by a code of their own.",
            name=name,
        )
    known = list(known)
    if name not in known:
        raise unknown_group(name, known)


def membership(text: str) -> Membership:
    """What somebody is in a class group, where `text` says it; BadMembership."""
    if text not in MEMBERSHIPS:
        raise BadMembership(
            "Nobody can be '{role}' of a class group.",
            given=text,
            allowed=list(MEMBERSHIPS),
            do="Choose student or instructor.",
            role=text,
        )
    return cast(Membership, text)


def groups_after_joining(groups: Iterable[str], group: str, role: Membership) -> frozenset[str]:
    """The JupyterHub groups of somebody in `groups` once they are `role` of `group`."""
    return groups_after_leaving(groups, group) | frozenset(groups_at_entry(role, group))


def groups_after_leaving(groups: Iterable[str], group: str) -> frozenset[str]:
    """The same once they are out of it; who teaches nothing any more is no instructor either."""
    left = frozenset(groups) - {group, instructors_of(group)}
    return left if groups_taught(left) else left - {INSTRUCTORS}


def require_scope(method: str, path: str, scopes: Iterable[str]) -> None:
    """ScopeMissing where an API token with `scopes` may not send `method` to `path`.

    `path` is relative to the portal: `/api/groups/g1`. A part of the API that is not in the table
    asks for a scope that nobody holds, so that forgetting it here closes it.
    """
    if method in SAFE_METHODS:
        return
    parts = [part for part in path.split("/") if part and part != "api"]
    first = parts[0] if parts else "portal"
    needed = f"custom:{_RESOURCES.get(first, first)}:write"
    if needed not in set(scopes):
        raise ScopeMissing(
            "This API token does not hold the scope {scope}.",
            allowed=needed,
            do="Make a token that has it on the Hub's token page.",
            scope=needed,
        )


def require_same_origin(headers: Mapping[str, str], hosts: Iterable[str]) -> None:
    """NotFromHere unless the browser says that the request comes from a page of `hosts`.

    Only hosts are compared, not schemes: behind a proxy that ends TLS we see plain HTTP.
    """
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    own = {host.lower() for host in hosts if host}
    if site is not None and site != "same-origin":
        raise _not_from_here(site)
    if origin is not None and urlsplit(origin).netloc.lower() not in own:
        raise _not_from_here(origin)
    if site is None and origin is None:
        raise _not_from_here(None)


def needs_token_to_read(headers: Mapping[str, str]) -> bool:
    """Whether a GET comes from a script or a frame, not from a person who opened the page."""
    mode = headers.get("sec-fetch-mode")
    if mode is None:
        return False
    return mode != "navigate" or headers.get("sec-fetch-dest", "document") != "document"


def _not_from_here(given: str | None) -> NotFromHere:
    return NotFromHere(
        "This was not asked for on a page of the portal, so nothing was changed.",
        given=given,
        do="Open the page again and repeat it there.",
    )
