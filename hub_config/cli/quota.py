"""`./radlab quota`: how much a class group or a person may use."""

from __future__ import annotations

import math
from typing import Any

import click

from hub_config import clock
from hub_config.cli._site import open_site, operator, print_json, print_table
from hub_config.usage import rules
from hub_config.usage.api import quota_out
from hub_config.usage.model import Kind, Limits, Standing
from hub_config.usage.store import QuotaStore

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_GROUP = click.option("--group", "-g", help="The class group that it binds.")
_PERSON = click.option("--person", "-p", help="The user name of the person whom it binds.")
_REASON = click.option("--reason", default="", help="Why; kept in the audit.")
_GB = 1024
# Each limit's option, the number that one of its unit is kept as, and its help.
_OPTIONS = {
    "gpus": ("--gpus", 1, "GPUs at once."),
    "cpus": ("--cpus", 1, "CPU cores at once."),
    "memory_mb": ("--memory-gb", _GB, "Memory at once, in GB."),
    "disk_mb": ("--disk-gb", _GB, "One home's disk, in GB; a group's is for each student."),
    "minutes": ("--minutes", 1, "Longest session in minutes, extensions included."),
    "gpu_hours_week": ("--gpu-hours", 1, "GPU-hours a week, from Monday 00:00 UTC."),
    "servers": ("--servers", 1, "Servers at once."),
}


def _limit_options(command: Any) -> Any:
    for what, (option, _unit, help_) in reversed(_OPTIONS.items()):
        command = click.option(option, what, metavar="NUMBER|none", help=help_)(command)
    return command


@click.group("quota", no_args_is_help=True)
def command() -> None:
    """Quotas: how much a class group or a person may use, at once and a week."""


@command.command("set")
@_GROUP
@_PERSON
@_limit_options
@_REASON
@_JSON
def set_(
    group: str | None, person: str | None, reason: str, as_json: bool, **given: str | None
) -> None:
    """Set limits of a group or a person; those left out stay, `none` lifts one."""
    kind, name = _whom(group, person)
    changes = {what: _kept(what, value) for what, value in given.items() if value is not None}
    if not changes:
        raise click.UsageError("say at least one limit, such as --gpus 4")
    store = QuotaStore(open_site().engine)
    standing = store.change(kind, name, changes, operator(), reason=reason)
    if as_json:
        return print_json(quota_out(standing).model_dump())
    told = ", ".join(_limits(standing.quota.limits)) or "no limit"
    click.echo(f"The {kind} {name} may use: {told}.")
    for line in _over(standing):
        click.echo(line)


@command.command("show")
@_GROUP
@_PERSON
@_JSON
def show(group: str | None, person: str | None, as_json: bool) -> None:
    """Show the quotas that are set, with what is in use, and what of it is over."""
    store = QuotaStore(open_site().engine)
    found = store.standings(clock.now())
    if group or person:
        kind, name = _whom(group, person)
        wanted = store.get(kind, name)
        found = [standing for standing in found if standing.quota == wanted]
    if as_json:
        return print_json([quota_out(standing).model_dump() for standing in found])
    if not found:
        return click.echo("No quota is set: ./radlab quota set --group NAME --gpus 4")
    heads = ("WHOSE", "NAME", "LIMITS", "IN USE", "")
    print_table([heads, *(_line(standing) for standing in found)])


@command.command("remove")
@_GROUP
@_PERSON
@_REASON
@_JSON
def remove(group: str | None, person: str | None, reason: str, as_json: bool) -> None:
    """Lift every limit of a group or a person."""
    kind, name = _whom(group, person)
    QuotaStore(open_site().engine).remove(kind, name, operator(), reason=reason)
    if as_json:
        return print_json({"removed": {"kind": kind, "name": name}})
    click.echo(f"No quota binds the {kind} {name} any more.")


def _whom(group: str | None, person: str | None) -> tuple[Kind, str]:
    if group is not None and person is None:
        return Kind.GROUP, group
    if person is not None and group is None:
        return Kind.PERSON, person
    raise click.UsageError("say either --group NAME or --person NAME")


def _kept(what: str, given: str) -> float | None:
    """The limit in the unit that it is kept in; None for `none`."""
    if given == "none":
        return None
    option, unit, _help = _OPTIONS[what]
    try:
        value = float(given) * unit
        return round(value) if unit > 1 and math.isfinite(value) else value
    except ValueError:
        raise click.UsageError(f"{option} wants a number or `none`, not '{given}'") from None


def _limits(limits: Limits) -> list[str]:
    known = [(what, getattr(limits, what)) for what in _OPTIONS]
    return [_told(what, value) for what, value in known if value is not None]


def _told(what: str, value: float) -> str:
    option, unit, _help = _OPTIONS[what]
    return f"{option.removeprefix('--')} {value / unit:.4g}"


def _line(standing: Standing) -> tuple[str, ...]:
    quota, held = standing.quota, standing.held
    in_use = [what for what in rules.LIMITS if hasattr(held, what)]
    limited = [what for what in in_use if getattr(quota.limits, what) is not None]
    return (
        quota.kind,
        quota.name,
        ", ".join(_limits(quota.limits)) or "none",
        ", ".join(_told(what, getattr(held, what)) for what in limited),
        "over" if standing.over else "",
    )


def _over(standing: Standing) -> list[str]:
    lines = []
    for over in standing.over:
        who = f" ({over.username})" if over.username else ""
        used, limit = _told(over.what, over.used), _told(over.what, over.limit).split()[1]
        lines.append(f"In use is more: {used} of {limit}{who}.")
    if lines:
        lines.append("Nothing is ended by that at once; see hub_config/usage/README.md.")
    return lines
