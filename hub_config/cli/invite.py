"""`./radlab invite`: codes that let people in, and links to choose a new password."""

from __future__ import annotations

import click

from hub_config import clock
from hub_config.cli._site import Site, open_site, operator, print_json, print_table
from hub_config.invites import api, rules
from hub_config.invites.rules import Invite
from hub_config.invites.store import InviteStore, Issued, open_store

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_TIME = "%Y-%m-%d %H:%M"


def _store(site: Site) -> InviteStore:
    return open_store(site.settings, site.engine)


@click.group("invite", no_args_is_help=True)
def command() -> None:
    """Invite codes: create, list and revoke them; reset a password."""


@command.command("create")
@click.option("--group", "-g", help="The class group that they let people into.")
@click.option("--role", default="student", show_default=True, help=f"One of {rules.ROLES}.")
@click.option("--uses", default=1, show_default=True, help="How many accounts it makes.")
@click.option("--expires", default="14d", show_default=True, help="30m, 12h, 14d or 2026-03-01.")
@click.option("--user", help="Make the account of this user name and no other.")
@_JSON
def create(
    group: str | None, role: str, uses: int, expires: str, user: str | None, as_json: bool
) -> None:
    """Make a code. It is shown now and never again."""
    site = open_site()
    made = _store(site).create(
        role=role,
        group=group,
        user=user,
        uses=uses,
        expires_at=rules.parse_expiry(expires, clock.now()),
        by=operator(),
    )
    _show_once(made, site, as_json)


@command.command("reset")
@click.option("--user", required=True, help="Who forgot the password.")
@click.option("--expires", default="1d", show_default=True, help="30m, 12h, 14d or 2026-03-01.")
@_JSON
def reset(user: str, expires: str, as_json: bool) -> None:
    """Make a one-time link with which a user chooses a new password."""
    site = open_site()
    ends = rules.parse_expiry(expires, clock.now())
    made = _store(site).create_reset(user=user, by=operator(), expires_at=ends)
    _show_once(made, site, as_json)


@command.command("list")
@_JSON
def list_(as_json: bool) -> None:
    """List all codes, newest first, by their first four characters."""
    invites = _store(open_site()).all()
    if as_json:
        return print_json([api.shown(invite).model_dump() for invite in invites])
    if not invites:
        return click.echo("There is no code yet: ./radlab invite create --group NAME")
    table = [("ID", "CODE", "FOR", "GROUP", "USER", "USED", "UNTIL (UTC)", "STATE", "BY")]
    print_table(table + [_line(invite) for invite in invites])


@command.command("revoke")
@click.argument("invite_id", metavar="ID", type=int)
@_JSON
def revoke(invite_id: int, as_json: bool) -> None:
    """Revoke the code with that ID: it lets nobody in any more; who is in stays."""
    invite = _store(open_site()).revoke(invite_id, operator())
    if as_json:
        return print_json(api.shown(invite).model_dump())
    click.echo(f"Code {invite.prefix}… (ID {invite.id}) lets nobody in any more.")


def _show_once(made: Issued, site: Site, as_json: bool) -> None:
    told = api.issued(made, site.settings.address)
    if as_json:
        return print_json(told.model_dump())
    click.echo(f"Code: {told.code}")
    click.echo(f"Link: {told.link}")
    click.echo(f"{_promise(made.invite)} Neither is shown again.")


def _promise(invite: Invite) -> str:
    until = invite.expires_at.strftime(_TIME)
    if invite.kind == "reset":
        return f"With it {invite.user} chooses a new password, once, until {until} UTC."
    people = f"the {invite.role} {invite.user}" if invite.user else f"{invite.uses} {invite.role}"
    plural = "s" if invite.uses > 1 else ""
    where = f", group {invite.group}" if invite.group else ""
    return f"It lets in {people}{plural}{where}, until {until} UTC."


def _line(invite: Invite) -> tuple[str, ...]:
    return (
        str(invite.id),
        f"{invite.prefix}…",
        invite.role or "new password",
        invite.group or "-",
        invite.user or "-",
        f"{invite.used}/{invite.uses}",
        invite.expires_at.strftime(_TIME),
        invite.state(clock.now()),
        invite.created_by,
    )
