"""Memberships: an administrator puts people into class groups and takes them out.

`PUT` and `DELETE /api/people/{name}/groups/{group}`, and the same for the pages. JupyterHub keeps
who is in which group, and a sign-in leaves that as it is; the spawner reads it when a server
starts. Groups are left before others are joined, so that a Hub that goes away in between leaves
somebody with fewer rights and never with more; the same call again completes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from hub_config.errors import Conflict, NotFound, nearest
from hub_config.groups.rules import (
    class_groups,
    groups_taught,
    instructors_of,
    require_administrator,
)
from hub_config.portal.gate import Here
from hub_config.portal.hub import HubUser, UnknownUser
from hub_config.portal.rules import (
    Membership,
    groups_after_joining,
    groups_after_leaving,
    require_class_group,
)
from hub_config.portal.services import Services

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api", tags=["people"])


class UnknownPerson(NotFound):
    """Nobody of that name has come in."""

    code = "unknown_person"


class NeverSignedIn(Conflict):
    """An account that the Hub has not met yet."""

    code = "never_signed_in"


class NotAMember(NotFound):
    """That person is not in that class group."""

    code = "not_a_member"


class MembershipIn(BaseModel):
    """What somebody is to be in a class group."""

    model_config = ConfigDict(extra="forbid")

    role: Membership = Field(default="student", description="student or instructor.")


class MembershipsOut(BaseModel):
    """The class groups of a person."""

    name: str
    studies: list[str] = Field(description="Class groups that the person learns in.")
    teaches: list[str] = Field(description="Class groups that the person teaches.")


@router.put("/people/{name}/groups/{group}", summary="Put a person into a class group")
async def put_person_into_group(
    name: str, group: str, wanted: MembershipIn, visit: Here
) -> MembershipsOut:
    """Make a person student or instructor of a class group (administrators).

    In a group that they are in already, this changes their role. It counts from the next
    start of their server; one that runs goes on as it is.
    """
    require_administrator(visit.person)
    groups = await put_into(visit.services, name, group, wanted.role, by=visit.person.name)
    return await memberships(visit.services, name, groups)


@router.delete("/people/{name}/groups/{group}", summary="Take a person out of a class group")
async def take_person_out_of_group(name: str, group: str, visit: Here) -> MembershipsOut:
    """Take a student or an instructor out of a class group (administrators).

    Their account and files stay. It counts from the next start of their server.
    """
    require_administrator(visit.person)
    groups = await take_out(visit.services, name, group, by=visit.person.name)
    return await memberships(visit.services, name, groups)


async def put_into(
    services: Services, name: str, group: str, role: Membership, *, by: str
) -> frozenset[str]:
    """Make `name` `role` of `group`; their JupyterHub groups after it.

    NotAClassGroup, UnknownGroup, UnknownPerson, NeverSignedIn.
    """
    await _require_class_group(services, group)
    async with services.regrouping:
        before = (await find_person(services, name)).groups
        after = groups_after_joining(before, group, role)
        await _regroup(services, name, before, after)
    log.info("%s is %s of %s by %s", name, role, group, by)
    return after


async def take_out(services: Services, name: str, group: str, *, by: str) -> frozenset[str]:
    """Take `name` out of `group`; their JupyterHub groups after it.

    NotAClassGroup, UnknownGroup, UnknownPerson, NeverSignedIn, NotAMember.
    """
    await _require_class_group(services, group)
    async with services.regrouping:
        before = (await find_person(services, name)).groups
        if before.isdisjoint({group, instructors_of(group)}):
            raise NotAMember(
                "{name} is not in the group {group}.",
                given=group,
                do="Open the page of people again to see their groups.",
                name=name,
                group=group,
            )
        after = groups_after_leaving(before, group)
        await _regroup(services, name, before, after)
    log.info("%s is out of %s by %s", name, group, by)
    return after


async def students(visit: Here) -> frozenset[str]:
    """Who is in a group that this person teaches; nobody is asked for where they teach none."""
    taught = visit.person.taught
    users = await visit.services.hub.users() if taught else []
    return frozenset(user.name for user in users if not taught.isdisjoint(user.groups))


async def find_person(services: Services, name: str) -> HubUser:
    """The Hub's user of that name; UnknownPerson, which names the nearest, NeverSignedIn."""
    try:
        return await services.hub.user(name)
    except UnknownUser:
        pass
    users, accounts = await asyncio.gather(
        services.hub.users(), asyncio.to_thread(services.invites.accounts)
    )
    if any(account.name == name and account.closed_at is None for account in accounts):
        raise NeverSignedIn(
            "{name} has an account and has never signed in.",
            given=name,
            do="Change their groups after their first sign-in.",
            name=name,
        )
    known = [user.name for user in users]
    raise UnknownPerson(
        "There is no person '{name}'.{hint}", given=name, name=name, hint=nearest(name, known)
    )


async def memberships(services: Services, name: str, groups: Iterable[str]) -> MembershipsOut:
    """What these JupyterHub groups of `name` are among the class groups."""
    own = frozenset(groups)
    classes = class_groups(own, await asyncio.to_thread(services.groups.names))
    taught = groups_taught(own)
    return MembershipsOut(
        name=name,
        studies=[group for group in classes if group not in taught],
        teaches=[group for group in classes if group in taught],
    )


async def _require_class_group(services: Services, group: str) -> None:
    require_class_group(group, await asyncio.to_thread(services.groups.names))


async def _regroup(
    services: Services, name: str, before: frozenset[str], after: frozenset[str]
) -> None:
    for group in sorted(before - after):
        await services.hub.leave(name, group)
    for group in sorted(after - before):
        await services.hub.join(name, group)
