"""What an invite is, who may make one, and what it gives. Pure.

An invite is a promise to whoever holds its code: until it expires, is used up or is revoked, it
makes an account with one role in one group. Bound to a user name, it makes that account and no
other. A reset is an invite of another kind, for an account that is there already: it lets its
owner choose a new password, once.

Read on in `codes` (how a code is spelled), `credentials` (user names and passwords), `attempts`
(how often somebody may try); then `store`, where all of this meets the database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args

from hub_config.errors import BadInput, Conflict, NotAllowed, NotFound, nearest
from hub_config.groups.rules import ADMINISTRATORS, INSTRUCTORS, Person, instructors_of
from hub_config.invites.codes import Kind

Role = Literal["student", "instructor", "administrator"]
State = Literal["open", "used", "expired", "revoked"]
ROLES: tuple[Role, ...] = get_args(Role)

MOST_USES = 1000
LONGEST = timedelta(days=366)
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


class BadInvite(BadInput):
    """An invite cannot have these terms."""

    code = "bad_invite"


class BadExpiry(BadInput):
    """This is no time at which a code can expire."""

    code = "bad_expiry"


class InviteNotAllowed(NotAllowed):
    """This person may not make or revoke that invite."""

    code = "invite_not_allowed"


class UnknownInvite(NotFound):
    """There is no invite of that number."""

    code = "unknown_invite"


class UnknownAccount(NotFound):
    """There is no account of that name."""

    code = "unknown_account"


class CodeUnusable(NotAllowed):
    """The code is unknown, expired, used up or revoked: one answer, so that none can be probed."""

    code = "code_unusable"
    field = "code"


class NameBound(NotAllowed):
    """The code makes the account of another name."""

    code = "name_bound"
    field = "username"


class NameTaken(Conflict):
    """Somebody has, had or was promised this user name."""

    code = "name_taken"
    field = "username"


class AdministratorExists(Conflict):
    """The first administrator is there already."""

    code = "administrator_exists"


@dataclass(frozen=True)
class Terms:
    """What a code promises: to whom, how often, until when."""

    kind: Kind
    role: str | None
    group: str | None
    user: str | None
    uses: int
    expires_at: datetime


@dataclass(frozen=True)
class Invite:
    """What may be shown of an invite: everything but its code."""

    id: int
    kind: Kind
    prefix: str
    role: Role | None
    group: str | None
    user: str | None
    uses: int
    used: int
    expires_at: datetime
    created_at: datetime
    created_by: str
    revoked_at: datetime | None

    def state(self, now: datetime) -> State:
        """Whether its code lets anybody in at `now`, and if not, why."""
        if self.revoked_at is not None:
            return "revoked"
        if self.used >= self.uses:
            return "used"
        return "expired" if now >= self.expires_at else "open"


@dataclass(frozen=True)
class Account:
    """Somebody who can sign in.

    `entered_at`: when the Hub first knew them and took their groups. `closed_at`: when they were
    removed; the name stays theirs, for their home is still there.
    """

    name: str
    role: Role
    group: str | None
    created_at: datetime
    entered_at: datetime | None
    closed_at: datetime | None


def groups_at_entry(role: Role, group: str | None) -> list[str]:
    """The JupyterHub groups in which an account begins; edits after that are not undone."""
    if role == "administrator":
        return [ADMINISTRATORS]
    if group is None:
        return []
    return [group] if role == "student" else [group, instructors_of(group), INSTRUCTORS]


def check_terms(terms: Terms) -> None:
    """Refuse an invite that contradicts itself: BadInvite."""
    if terms.role not in ROLES:
        raise _bad_role(terms.role)
    is_administrator = terms.role == "administrator"
    if is_administrator and terms.group is not None:
        raise BadInvite(
            "An administrator belongs to no class group.",
            given=terms.group,
            do="Leave out the group.",
        )
    if not is_administrator and terms.group is None:
        raise BadInvite(
            "The code of a student or an instructor needs a group.", do="Name the class group."
        )
    most = 1 if is_administrator or terms.user is not None else MOST_USES
    if not 1 <= terms.uses <= most:
        raise BadInvite(
            "This code cannot have {uses} uses.",
            given=terms.uses,
            allowed=[1, most],
            do="Use 1 to {most}; a code for one user name or for an administrator has one use.",
            uses=terms.uses,
            most=most,
        )


def check_may_create(person: Person, role: str, group: str | None, user: str | None) -> None:
    """Refuse whoever may not make this invite: InviteNotAllowed.

    Administrators make any; instructors make codes for students of the groups that they teach.
    """
    if person.is_administrator:
        return
    if role != "student" or user is not None or group not in person.taught:
        raise InviteNotAllowed(
            "Instructors make codes for students, for the groups that they teach.",
            given={"role": role, "group": group, "user": user},
            allowed={"role": "student", "group": sorted(person.taught)},
            do="Choose one of your groups and the role student, or ask an administrator.",
        )


def may_see(person: Person, invite: Invite) -> bool:
    """True for those who may list and revoke `invite`: those who may make its like."""
    if person.is_administrator:
        return True
    ordinary = invite.kind == "invite" and invite.role == "student" and invite.user is None
    return ordinary and invite.group in person.taught


def check_may_revoke(person: Person, invite: Invite) -> None:
    """Refuse whoever may not revoke `invite`: InviteNotAllowed."""
    if not may_see(person, invite):
        raise InviteNotAllowed(
            "You may not revoke this code.",
            given=invite.id,
            do="Ask an administrator to revoke it.",
        )


def parse_expiry(text: str, now: datetime) -> datetime:
    """The moment that `14d`, `12h`, `30m` or the last day `2026-03-01` (UTC) names; BadExpiry."""
    try:
        moment = _moment(text.strip().lower(), now)
    except (ValueError, OverflowError):
        raise _bad_expiry(text, "'{text}' is not a time that we understand.") from None
    if moment <= now:
        raise _bad_expiry(text, "'{text}' is over already.")
    if moment > now + LONGEST:
        raise _bad_expiry(text, "'{text}' is more than a year away.")
    return moment


def check_usable(invite: Invite, kind: Kind, now: datetime) -> None:
    """Refuse a code that is no open one of this `kind`, without saying why: CodeUnusable."""
    if invite.kind != kind or invite.state(now) != "open":
        raise code_unusable()


def check_bound_name(invite: Invite, name: str) -> None:
    """Refuse a name other than the one that `invite` is bound to: NameBound."""
    if invite.user is not None and invite.user != name:
        raise NameBound(
            "This code makes the account '{user}' and no other.",
            given=name,
            allowed=invite.user,
            do="Type {user} as the user name.",
            user=invite.user,
        )


def code_unusable() -> CodeUnusable:
    """The one answer to a code that lets nobody in, whatever the reason."""
    return CodeUnusable(
        "This code cannot be used: it is unknown, expired, used up or withdrawn.",
        do="Ask the person who gave it to you for a new one.",
    )


def name_taken(name: str) -> NameTaken:
    """The refusal of a name that somebody has, had or was promised."""
    return NameTaken(
        "The user name '{name}' is taken.", given=name, do="Choose another name.", name=name
    )


def unknown_invite(invite_id: int) -> UnknownInvite:
    """The refusal of a number that no invite has."""
    return UnknownInvite(
        "There is no invite {id}.",
        given=invite_id,
        do="`./radlab invite list` shows them with their numbers.",
        id=invite_id,
    )


def unknown_account(name: str, known: list[str]) -> UnknownAccount:
    """The refusal of a name that no account has, naming the nearest."""
    return UnknownAccount(
        "There is no account '{name}'.{hint}",
        given=name,
        do="Check the name; a new person needs an invite code, not a reset.",
        name=name,
        hint=nearest(name, known),
    )


def administrator_exists() -> AdministratorExists:
    """The refusal to let a first administrator in where there is one."""
    return AdministratorExists(
        "There is an administrator already.",
        do="Let them make a code in the portal, or run "
        "`./radlab invite create --role administrator`.",
    )


def _bad_role(role: str | None) -> BadInvite:
    return BadInvite(
        "There is no role '{role}'.{hint}",
        given=role,
        allowed=list(ROLES),
        do="Choose student, instructor or administrator.",
        role=role,
        hint=nearest(role or "", ROLES),
    )


def _moment(text: str, now: datetime) -> datetime:
    duration = re.fullmatch(r"([0-9]{1,9})([dhm])", text)
    if duration:
        return now + timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    last_day = date.fromisoformat(text)
    return datetime.combine(last_day, time.min, UTC) + timedelta(days=1)


def _bad_expiry(text: str, template: str) -> BadExpiry:
    return BadExpiry(
        template,
        given=text[:64],
        allowed="30m, 12h, 14d or 2026-03-01; a year at most",
        do="Give minutes, hours or days such as 30m, 12h, 14d, or a last day such as 2026-03-01.",
        text=text[:64],
    )
