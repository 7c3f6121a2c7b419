"""Invite codes: make one (shown once, with its link), see what became of them, revoke."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.groups.rules import require_staff
from hub_config.invites.api import issued
from hub_config.invites.rules import (
    ROLES,
    BadInvite,
    Invite,
    check_may_create,
    check_may_revoke,
    may_see,
    parse_expiry,
)
from hub_config.portal.gate import Here, Visit
from hub_config.portal.pages.groups import Text
from hub_config.portal.pages.render import N_, go, page

ROLE_TEXT = {
    "student": N_("student"),
    "instructor": N_("instructor"),
    "administrator": N_("administrator"),
}
STATE_TEXT = {
    "open": N_("open"),
    "used": N_("used up"),
    "expired": N_("expired"),
    "revoked": N_("revoked"),
}
EXPIRY_TEXT = {
    "1d": N_("1 day"),
    "7d": N_("7 days"),
    "14d": N_("14 days"),
    "30d": N_("30 days"),
    "90d": N_("90 days"),
    "180d": N_("180 days"),
}
_EMPTY = {"role": "student", "group": "", "uses": "30", "expires": "14d", "until": "", "user": ""}


def staff(visit: Here) -> None:
    """Lets instructors and administrators through."""
    require_staff(visit.person)


router = APIRouter(prefix="/invites", dependencies=[Depends(staff)])


@dataclass(frozen=True)
class Row:
    """An invite with what became of it."""

    invite: Invite
    state: str


@router.get("")
def invites(visit: Here, group: str = "") -> HTMLResponse:
    """The invites that one may see, and the form for a new one."""
    return _show(visit, values={**_EMPTY, "group": group})


@router.post("")
def create(
    visit: Here,
    role: Text = "student",
    group: Text = "",
    uses: Text = "",
    expires: Text = "14d",
    until: Text = "",
    user: Text = "",
) -> Response:
    """Make an invite; the answer shows its code and its link, this once."""
    values = {
        "role": role,
        "group": group,
        "uses": uses.strip(),
        "expires": expires,
        "until": until,
        "user": user.strip(),
    }
    try:
        return _created(visit, values, clock.now())
    except RadLabError as error:
        return _show(visit, values=values, error=error)


@router.get("/{invite_id}/revoke")
def confirm_revoke(visit: Here, invite_id: int) -> HTMLResponse:
    """Ask before revoking."""
    return page(visit, "invite_revoke.html", invite=_mine(visit, invite_id), roles=ROLE_TEXT)


@router.post("/{invite_id}/revoke")
def revoke(visit: Here, invite_id: int) -> Response:
    """Revoke an invite: nobody else comes in by it, and whoever did stays."""
    invite = _mine(visit, invite_id)
    visit.services.invites.revoke(invite.id, by=visit.person.name)
    back = "people" if invite.kind == "reset" else "invites"
    return go(visit, back, N_("The code {prefix}… is revoked."), prefix=invite.prefix)


def _created(visit: Visit, values: Mapping[str, str], now: datetime) -> HTMLResponse:
    role = values["role"]
    # The group's field stays filled while somebody tries roles; an administrator has none.
    group = None if role == "administrator" else values["group"] or None
    user = values["user"] or None
    check_may_create(visit.person, role, group, user)
    made = visit.services.invites.create(
        role=role,
        by=visit.person.name,
        expires_at=parse_expiry(values["until"] or values["expires"], now),
        group=group,
        user=user,
        # One name has one account, and one code makes one administrator.
        uses=1 if user or role == "administrator" else _number(values["uses"]),
    )
    return page(
        visit,
        "issued.html",
        status=201,
        issued=issued(made, visit.address),
        roles=ROLE_TEXT,
    )


def _number(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    raise BadInvite(
        "'{text}' is no number of uses.",
        given=text,
        do="Type how many people may come in by this code, such as 30.",
        text=text,
    )


def _mine(visit: Visit, invite_id: int) -> Invite:
    invite = visit.services.invites.get(invite_id)
    check_may_revoke(visit.person, invite)
    return invite


def _show(
    visit: Visit, *, values: Mapping[str, str], error: RadLabError | None = None
) -> HTMLResponse:
    now = clock.now()
    person = visit.person
    seen = [
        Row(invite, invite.state(now))
        for invite in visit.services.invites.all()
        if invite.kind == "invite" and may_see(person, invite)
    ]
    groups = [
        group
        for group in visit.services.groups.all()
        if person.is_administrator or group.name in person.taught
    ]
    return page(
        visit,
        "invites.html",
        rows=seen,
        groups=groups,
        values=values,
        role_names=ROLES if person.is_administrator else ("student",),
        roles=ROLE_TEXT,
        states=STATE_TEXT,
        expiries=EXPIRY_TEXT,
        error=error,
    )
