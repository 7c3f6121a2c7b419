"""Routes of invites and resets: a code is in the answer that made it, and in no other.

Administrators make, see and revoke all; instructors the students' codes of the groups that they
teach. Who may do what is decided in `rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hub_config import clock
from hub_config.groups.rules import Person, require_administrator, require_staff
from hub_config.invites import codes, rules
from hub_config.invites.rules import Invite
from hub_config.invites.store import InviteStore, Issued


class Services(Protocol):
    """What these routes need of the portal."""

    @property
    def invites(self) -> InviteStore:
        """The invites."""


class InviteOut(BaseModel):
    """An invite as the API shows it: everything but its code."""

    id: int
    kind: str = Field(description="invite: makes an account; reset: a new password for one.")
    prefix: str = Field(description="The first four characters of the code.")
    role: str | None
    group: str | None
    user: str | None = Field(description="The one user name that it is for.")
    uses: int
    used: int
    expires_at: datetime
    created_at: datetime
    created_by: str
    state: str = Field(description="open, used, expired or revoked.")


class IssuedOut(BaseModel):
    """A new invite with its code and link, which are shown this once."""

    invite: InviteOut
    code: str
    link: str


class InviteIn(BaseModel):
    """The terms of an invite to be made."""

    model_config = ConfigDict(extra="forbid")

    role: str = Field(default="student", description="student, instructor or administrator.")
    group: str | None = Field(default=None, description="Class group; none for administrators.")
    user: str | None = Field(default=None, description="Make the account of this name only.")
    uses: int = 1
    expires: str = Field(default="14d", description="30m, 12h, 14d, or a last day 2026-03-01.")


class ResetIn(BaseModel):
    """Whose password is to be chosen anew."""

    model_config = ConfigDict(extra="forbid")

    user: str
    expires: str = Field(default="1d", description="30m, 12h, 14d, or a last day 2026-03-01.")


def shown(invite: Invite) -> InviteOut:
    """`invite` as the API and the command show it."""
    fields = {name: getattr(invite, name) for name in InviteOut.model_fields if name != "state"}
    return InviteOut(**fields, state=invite.state(clock.now()))


def issued(made: Issued, address: str) -> IssuedOut:
    """A new invite as the API and the command show it; `address`: where its link leads."""
    invite = made.invite
    return IssuedOut(
        invite=shown(invite),
        code=codes.grouped(made.code),
        link=codes.link(address, invite.kind, made.code, invite.user),
    )


def router(
    services: Services, person: Callable[..., Person], address: Callable[..., str]
) -> APIRouter:
    """The routes; dependencies: `person` says who asks, `address` where links shall lead."""
    routes = APIRouter(tags=["invites"])
    asking = Depends(person)
    linking = Depends(address)

    @routes.get("/api/invites")
    def list_invites(who: Person = asking) -> list[InviteOut]:
        """All invites, newest first; for instructors those that they may revoke."""
        require_staff(who)
        return [shown(i) for i in services.invites.all() if rules.may_see(who, i)]

    @routes.post("/api/invites", status_code=201)
    def create_invite(wanted: InviteIn, who: Person = asking, to: str = linking) -> IssuedOut:
        """Make an invite. The code is in this answer only."""
        rules.check_may_create(who, wanted.role, wanted.group, wanted.user)
        made = services.invites.create(
            role=wanted.role,
            group=wanted.group,
            user=wanted.user,
            uses=wanted.uses,
            expires_at=rules.parse_expiry(wanted.expires, clock.now()),
            by=who.name,
        )
        return issued(made, to)

    @routes.delete("/api/invites/{invite_id}")
    def revoke_invite(invite_id: int, who: Person = asking) -> InviteOut:
        """Let an invite's code in nobody from now on; who is in stays."""
        require_staff(who)
        rules.check_may_revoke(who, services.invites.get(invite_id))
        return shown(services.invites.revoke(invite_id, who.name))

    @routes.post("/api/resets", status_code=201)
    def create_reset(wanted: ResetIn, who: Person = asking, to: str = linking) -> IssuedOut:
        """Make a one-time link with which a user chooses a new password (administrators)."""
        require_administrator(who)
        ends = rules.parse_expiry(wanted.expires, clock.now())
        made = services.invites.create_reset(user=wanted.user, by=who.name, expires_at=ends)
        return issued(made, to)

    return routes
