"""`./radlab group`: class groups and their policy, from the shell."""

from __future__ import annotations

from contextlib import suppress

import click

from hub_config.cli._site import open_site, operator, print_json
from hub_config.groups.rules import Group
from hub_config.groups.store import GroupStore
from hub_config.usage.model import Kind
from hub_config.usage.rules import NoQuota
from hub_config.usage.store import QuotaStore

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_LOANS = {
    (False, False): "no loans",
    (True, False): "lends",
    (False, True): "borrows",
    (True, True): "lends, borrows",
}


def _store() -> GroupStore:
    return GroupStore(open_site().engine)


def _show(group: Group, as_json: bool, sentence: str) -> None:
    print_json(group) if as_json else click.echo(sentence)


@click.group("group", no_args_is_help=True)
def command() -> None:
    """Class groups: make them, list them, set their policy."""


@command.command("create")
@click.argument("name")
@click.option("--title", default="", help="What people read, in any language.")
@click.option("--internet/--no-internet", default=False, help="Containers may reach the internet.")
@_JSON
def create(name: str, title: str, internet: bool, as_json: bool) -> None:
    """Make the class group NAME (2 to 40 lower-case letters, digits, hyphens)."""
    group = _store().create(name, title=title, internet=internet, by=operator())
    _show(group, as_json, f"Group {group.name} is made. Next: ./radlab gpu assign, invite create.")


@command.command("list")
@_JSON
def list_(as_json: bool) -> None:
    """List all class groups."""
    groups = _store().all()
    if as_json:
        return print_json(groups)
    if not groups:
        return click.echo("There is no group yet: ./radlab group create NAME")
    width = max(len(group.name) for group in groups)
    for group in groups:
        internet = "internet   " if group.internet else "no internet"
        loans = _LOANS[group.lends, group.borrows]
        click.echo(f"{group.name:<{width}}  {internet}  {loans:<15}  {group.title}".rstrip())


@command.command("internet")
@click.argument("name")
@click.argument("state", type=click.Choice(["on", "off"]))
@_JSON
def internet(name: str, state: str, as_json: bool) -> None:
    """Let containers of the group NAME reach the internet (on) or not (off)."""
    group = _store().set_internet(name, state == "on", operator())
    told = "may reach the internet" if group.internet else "may not reach the internet"
    _show(group, as_json, f"Containers of {group.name} {told}, from their next start on.")


@command.command("lending")
@click.argument("name")
@click.option("--lends/--keeps", default=None, help="Other groups may use its idle GPUs, or not.")
@click.option("--borrows/--no-borrows", default=None, help="It may use the idle GPUs of others.")
@_JSON
def lending(name: str, lends: bool | None, borrows: bool | None, as_json: bool) -> None:
    """Let the group NAME lend its idle GPUs and borrow those of others; both must allow it."""
    if lends is None and borrows is None:
        raise click.UsageError("say --lends, --keeps, --borrows or --no-borrows")
    group = _store().set_lending(name, lends, borrows, operator())
    told = _LOANS[group.lends, group.borrows]
    _show(group, as_json, f"{group.name}: {told}. A GPU on loan is called back when it is needed.")


@command.command("remove")
@click.argument("name")
@_JSON
def remove(name: str, as_json: bool) -> None:
    """Remove the group NAME, which nothing may name yet (for a name with a typo)."""
    site = open_site()
    GroupStore(site.engine).remove(name, operator())
    with suppress(NoQuota):  # else a later group of that name would find it
        QuotaStore(site.engine).remove(Kind.GROUP, name, operator(), reason="the group is removed")
    print_json({"removed": name}) if as_json else click.echo(f"Group {name} is removed.")
