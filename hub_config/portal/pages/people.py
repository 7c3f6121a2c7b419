"""People: who has an account, in which groups, and a new password for who forgot theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.groups.rules import INSTRUCTORS, instructors_of, is_administrator
from hub_config.invites.api import issued
from hub_config.invites.rules import Account, Invite, groups_at_entry, parse_expiry
from hub_config.portal.gate import Here
from hub_config.portal.hub import HubUser
from hub_config.portal.pages.groups import administrators
from hub_config.portal.pages.invites import ROLE_TEXT
from hub_config.portal.pages.render import page

RESET_LASTS = "1d"
router = APIRouter(prefix="/people", dependencies=[Depends(administrators)])


@dataclass(frozen=True)
class Someone:
    """A person as the page lists them; `reset`: a way to a new password that is still open."""

    name: str
    administrator: bool
    teaches: list[str]
    studies: list[str]
    entered: bool  # the Hub knows them, so that their groups can be changed
    last_activity: datetime | None
    account: Account | None
    reset: Invite | None


@router.get("")
async def people(visit: Here, q: str = "") -> HTMLResponse:
    """Everybody whose name or group contains `q`."""
    services = visit.services
    users, accounts, invites = await asyncio.gather(
        services.hub.users(),
        asyncio.to_thread(services.invites.accounts),
        asyncio.to_thread(services.invites.all),
    )
    everybody = _everybody(users, accounts, _open_resets(invites, clock.now()))
    wanted = q.strip().casefold()
    found = [someone for someone in everybody if _matches(someone, wanted)]
    return page(visit, "people.html", people=found, total=len(everybody), q=q.strip())


@router.get("/{name}/reset")
def confirm_reset(visit: Here, name: str) -> HTMLResponse:
    """Ask before a link is made."""
    return page(visit, "person_reset.html", account=visit.services.invites.account(name))


@router.post("/{name}/reset")
def reset(visit: Here, name: str) -> HTMLResponse:
    """Make a link for a new password; the answer shows it, this once."""
    try:
        made = visit.services.invites.create_reset(
            user=name, by=visit.person.name, expires_at=parse_expiry(RESET_LASTS, clock.now())
        )
    except RadLabError as error:
        account = visit.services.invites.account(name)
        return page(visit, "person_reset.html", account=account, error=error)
    return page(
        visit, "issued.html", status=201, issued=issued(made, visit.address), roles=ROLE_TEXT
    )


def _everybody(
    users: Iterable[HubUser], accounts: Iterable[Account], resets: dict[str, Invite]
) -> list[Someone]:
    by_name = {account.name: account for account in accounts if account.closed_at is None}
    known = [
        _someone(user.name, user.groups, user, by_name.get(user.name), resets) for user in users
    ]
    seen = {someone.name for someone in known}
    # Who has an account and was never in the Hub stands in the groups that it will begin in.
    new = [
        _someone(a.name, groups_at_entry(a.role, a.group), None, a, resets)
        for a in by_name.values()
        if a.name not in seen
    ]
    return sorted(known + new, key=lambda someone: someone.name)


def _someone(
    name: str,
    groups: Iterable[str],
    user: HubUser | None,
    account: Account | None,
    resets: dict[str, Invite],
) -> Someone:
    own = set(groups)
    classes = sorted(g for g in own if ":" not in g and g != INSTRUCTORS)
    teaches = [group for group in classes if instructors_of(group) in own]
    administrator = is_administrator(own)
    studies = [g for g in classes if g not in teaches and not is_administrator({g})]
    return Someone(
        name=name,
        administrator=administrator,
        teaches=teaches,
        studies=studies,
        entered=user is not None,
        last_activity=user.last_activity if user else None,
        account=account,
        reset=resets.get(name),
    )


def _open_resets(invites: Iterable[Invite], now: datetime) -> dict[str, Invite]:
    return {
        invite.user: invite
        for invite in invites
        if invite.kind == "reset" and invite.user and invite.state(now) == "open"
    }


def _matches(someone: Someone, wanted: str) -> bool:
    words = [someone.name, *someone.teaches, *someone.studies]
    return any(wanted in word.casefold() for word in words)
