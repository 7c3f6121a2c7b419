"""What a class group is called, and what a person may do by the groups they are in.

JupyterHub's groups are the truth of membership. A class group `radiology` is a JupyterHub group of
that name and a row of ours with its policy. Who teaches it is also in `radiology:instructors` and
in `instructors`; administrators are in `administrators`. Class groups therefore bear neither of
those two names, nor a colon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hub_config.errors import BadInput, Conflict, NotAllowed, NotFound, nearest

ADMINISTRATORS = "administrators"
INSTRUCTORS = "instructors"
RESERVED = frozenset({ADMINISTRATORS, INSTRUCTORS})
# What an API token may change in the portal: JupyterHub's custom scopes, given to the two roles.
SCOPES = {
    "custom:groups:write": "Make class groups and set their policy.",
    "custom:courses:write": "Publish course modules, and say who sees them.",
    "custom:gpus:write": "Assign GPUs to class groups and the pool, and drain them.",
    "custom:invites:write": "Make and revoke invite codes.",
    "custom:people:write": "Put people into class groups, and make links for new passwords.",
    "custom:quotas:write": "Set quotas of class groups and people.",
    "custom:servers:write": "Start, extend, move up and stop servers, as far as the person may.",
}
ADMINISTRATOR_SCOPES = tuple(SCOPES)
INSTRUCTOR_SCOPES = ("custom:courses:write", "custom:invites:write", "custom:servers:write")
_TEACHING = f":{INSTRUCTORS}"
_NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")


class BadGroupName(BadInput):
    """A group cannot have that name."""

    code = "bad_group_name"


class GroupExists(Conflict):
    """A group of that name is there already."""

    code = "group_exists"


class UnknownGroup(NotFound):
    """There is no group of that name."""

    code = "unknown_group"


class GroupInUse(Conflict):
    """Something still names the group."""

    code = "group_in_use"


class AdministratorsOnly(NotAllowed):
    """Only an administrator may do this."""

    code = "administrators_only"


class StaffOnly(NotAllowed):
    """Only an instructor or an administrator may do this."""

    code = "staff_only"


@dataclass(frozen=True)
class Group:
    """A class group with its policy.

    `internet`: its containers may reach that. `lends`: other groups may use its idle GPUs;
    `borrows`: it may use the idle GPUs of groups that lend.
    """

    name: str
    title: str
    internet: bool
    created_at: datetime
    created_by: str
    lends: bool = False
    borrows: bool = False


@dataclass(frozen=True)
class Person:
    """Somebody who asks: their JupyterHub name and the JupyterHub groups they are in."""

    name: str
    groups: frozenset[str]

    @property
    def is_administrator(self) -> bool:
        """True for those who may do everything."""
        return is_administrator(self.groups)

    @property
    def taught(self) -> frozenset[str]:
        """The class groups that this person teaches."""
        return frozenset(groups_taught(self.groups))

    @property
    def is_instructor(self) -> bool:
        """True for those who teach at least one class group."""
        return bool(self.taught)


def person_of(name: str, groups: Iterable[str]) -> Person:
    """The person that JupyterHub's user model describes by `name` and `groups`."""
    return Person(name, frozenset(groups))


def is_administrator(groups: Iterable[str]) -> bool:
    """True where these JupyterHub groups make an administrator."""
    return ADMINISTRATORS in groups


def instructors_of(name: str) -> str:
    """The JupyterHub group of those who teach the class group `name`."""
    return name + _TEACHING


def groups_taught(groups: Iterable[str]) -> set[str]:
    """The class groups that somebody in these JupyterHub groups teaches."""
    taught = {group.removesuffix(_TEACHING) for group in groups if group.endswith(_TEACHING)}
    return taught - {""}


def class_groups(groups: Iterable[str], known: Iterable[str]) -> list[str]:
    """Which of these JupyterHub groups are class groups among the `known`, by name."""
    return sorted(set(groups) & set(known))


def require_administrator(person: Person) -> None:
    """Refuse everybody but administrators: AdministratorsOnly."""
    if not person.is_administrator:
        raise AdministratorsOnly(
            "Only an administrator may do this.", do="Ask one of your administrators."
        )


def require_staff(person: Person) -> None:
    """Refuse everybody but administrators and instructors: StaffOnly."""
    if not (person.is_administrator or person.is_instructor):
        raise StaffOnly(
            "Only instructors and administrators may see this.",
            do="Ask your instructor if you need it.",
        )


def check_name(name: str) -> str:
    """`name`, where a class group can have it; else BadGroupName."""
    if name in RESERVED:
        raise BadGroupName(
            "A class group cannot be called '{name}': that is the group of a role.",
            given=name,
            do="Choose another name.",
            name=name,
        )
    if not _NAME.fullmatch(name):
        raise BadGroupName(
            "A class group cannot be called '{name}'.",
            given=name,
            allowed="a-z, 0-9 and -, beginning with a letter, 2 to 40 characters",
            do="Use 2 to 40 lower-case letters, digits and hyphens, beginning with a letter; "
            "its title may be anything.",
            name=name,
        )
    return name


def group_exists(name: str) -> GroupExists:
    """The refusal of a second group called `name`."""
    return GroupExists(
        "There is a group '{name}' already.", given=name, do="Choose another name.", name=name
    )


def unknown_group(name: str, known: Iterable[str]) -> UnknownGroup:
    """The refusal of a group that is none of the `known`, naming the nearest."""
    known = sorted(known)
    return UnknownGroup(
        "There is no group '{name}'.{hint}",
        given=name,
        allowed=known,
        do="Create it first, or choose one that exists.",
        name=name,
        hint=nearest(name, known),
    )


def group_in_use(name: str) -> GroupInUse:
    """The refusal to remove a group that something still names."""
    return GroupInUse(
        "The group '{name}' cannot be removed: a GPU, an invite or a session's record names it.",
        given=name,
        do="Take its GPUs away first; a group that was ever used stays, for its records.",
        name=name,
    )
