"""Routes of class groups: administrators make them, everybody sees their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hub_config.groups.rules import Group, Person, require_administrator
from hub_config.groups.store import GroupStore


class Services(Protocol):
    """What these routes need of the portal."""

    @property
    def groups(self) -> GroupStore:
        """The class groups."""


class GroupOut(BaseModel):
    """A class group as the API shows it."""

    name: str
    title: str
    internet: bool = Field(description="Its students' containers may reach the internet.")
    lends: bool = Field(description="Other groups that borrow may use its idle GPUs.")
    borrows: bool = Field(description="It may use the idle GPUs of groups that lend.")
    created_at: datetime
    created_by: str
    taught: bool = Field(description="The person who asks teaches it.")


class GroupIn(BaseModel):
    """A class group to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="2 to 40 lower-case letters, digits and hyphens.")
    title: str = Field(default="", max_length=200)
    internet: bool = False


class GroupChange(BaseModel):
    """What may change of a class group; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    internet: bool | None = None
    lends: bool | None = None
    borrows: bool | None = None


def _shown(group: Group, who: Person) -> GroupOut:
    return GroupOut(
        name=group.name,
        title=group.title,
        internet=group.internet,
        lends=group.lends,
        borrows=group.borrows,
        created_at=group.created_at,
        created_by=group.created_by,
        taught=group.name in who.taught,
    )


def router(services: Services, person: Callable[..., Person]) -> APIRouter:
    """The routes; `person` is the dependency that says who asks."""
    routes = APIRouter(tags=["groups"])
    asking = Depends(person)

    @routes.get("/api/groups")
    def list_groups(who: Person = asking) -> list[GroupOut]:
        """All class groups for an administrator; for others those that they are in or teach."""
        mine = who.groups | who.taught
        groups = services.groups.all()
        return [_shown(g, who) for g in groups if who.is_administrator or g.name in mine]

    @routes.post("/api/groups", status_code=201)
    def create_group(wanted: GroupIn, who: Person = asking) -> GroupOut:
        """Make a class group (administrators)."""
        require_administrator(who)
        made = services.groups.create(
            wanted.name, title=wanted.title, internet=wanted.internet, by=who.name
        )
        return _shown(made, who)

    @routes.patch("/api/groups/{name}")
    def change_group(name: str, change: GroupChange, who: Person = asking) -> GroupOut:
        """Change a group's policy: internet, lending and borrowing GPUs (administrators)."""
        require_administrator(who)
        group = services.groups.set_lending(name, change.lends, change.borrows, who.name)
        if change.internet is not None:
            group = services.groups.set_internet(name, change.internet, who.name)
        return _shown(group, who)

    return routes
