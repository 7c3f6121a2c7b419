"""`./radlab gpu`: which GPUs there are, whose they are, and who holds which until when."""

from __future__ import annotations

import click

from hub_config import clock
from hub_config.cli._site import open_site, operator, print_json, print_table
from hub_config.gpus.inventory import find_devices
from hub_config.gpus.model import UNUSABLE_TEXT, DeviceRow
from hub_config.gpus.store import DeviceStore

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_TIME = "%Y-%m-%d %H:%M"


@click.group("gpu", no_args_is_help=True)
def command() -> None:
    """GPUs: list them with who holds them, assign them to groups or the pool, drain them."""


@command.command("list")
@_JSON
def list_(as_json: bool) -> None:
    """List all GPUs: group, holder, since when, until when (UTC)."""
    rows = DeviceStore(open_site().engine).all()
    if as_json:
        return print_json([_shown(row) for row in rows])
    if not rows:
        return click.echo(
            "No GPU is known. `./radlab gpu scan` looks again; `./radlab up --simulate-gpus 4x24` "
            "simulates four of 24 GB on a machine that has none."
        )
    table = [("INDEX", "UUID", "MODEL", "GB", "GROUP", "HOLDER", "SINCE (UTC)", "UNTIL (UTC)", "")]
    print_table(table + [_line(row) for row in rows])


@command.command("assign")
@click.argument("gpu")
@click.option("--group", "-g", help="The group that may use it.")
@click.option("--pool", is_flag=True, help="Let every group use it.")
@click.option("--nobody", is_flag=True, help="Take it from its group or the pool.")
@_JSON
def assign(gpu: str, group: str | None, pool: bool, nobody: bool, as_json: bool) -> None:
    """Assign GPU (UUID, its beginning, index, or SERVER:INDEX) to a group or the pool."""
    if [group is not None, pool, nobody].count(True) != 1:
        raise click.UsageError("say one of --group NAME, --pool and --nobody")
    row = DeviceStore(open_site().engine).assign(gpu, group, operator(), pool=pool)
    if as_json:
        return print_json(_shown(row))
    whose = f"belongs to {row.group}" if row.group else "belongs to nobody, and nobody may use it"
    whose = "is in the pool, and every group may use it" if row.pool else whose
    click.echo(f"GPU {row.uuid} ({row.model}) {whose}.")
    _say_what_holds(row)


@command.command("drain")
@click.argument("gpu")
@click.option("--off", is_flag=True, help="Grant on it again.")
@_JSON
def drain(gpu: str, off: bool, as_json: bool) -> None:
    """Grant nothing new on GPU (named as for `assign`); what runs on it goes on."""
    row = DeviceStore(open_site().engine).drain(gpu, not off, operator())
    if as_json:
        return print_json(_shown(row))
    told = "is granted to nobody new" if row.draining else "is granted again"
    click.echo(f"GPU {row.uuid} ({row.model}) {told}.")
    _say_what_holds(row)


def _say_what_holds(row: DeviceRow) -> None:
    if row.lease:
        until = row.lease.until.strftime(_TIME)
        click.echo(f"{row.lease.username}'s session on it runs on, until {until} UTC.")
    if row.unusable:
        click.echo(f"It cannot be leased: {UNUSABLE_TEXT[row.unusable]}")


@command.command("scan")
@_JSON
def scan(as_json: bool) -> None:
    """Look again which GPUs this machine has."""
    site = open_site()
    store = DeviceStore(site.engine)
    store.record(find_devices(site.settings), clock.now())
    rows = store.all()
    if as_json:
        return print_json([_shown(row) for row in rows])
    here = sum(not row.gone for row in rows)
    click.echo(f"{here} GPU(s) here, {len(rows) - here} gone. `./radlab gpu list` shows them.")


def _shown(row: DeviceRow) -> dict[str, object]:
    lease = row.lease
    holder = lease and {
        "id": lease.id,
        "username": lease.username,
        "server_name": lease.server_name,
        "group": lease.group,
        "module": lease.module,
        "since": lease.started_at or lease.granted_at,
        "until": lease.until,
    }
    return {
        "uuid": row.uuid,
        "server": row.server,
        "index": row.index,
        "model": row.model,
        "memory_mb": row.memory_mb,
        "simulated": row.simulated,
        "group": row.group,
        "pool": row.pool,
        "draining": row.draining,
        "gone": row.gone,
        "unusable": row.unusable,
        "lease": holder,
    }


def _line(row: DeviceRow) -> tuple[str, ...]:
    lease = row.lease
    states = (("simulated", row.simulated), ("gone", row.gone), ("draining", row.draining))
    notes = [note for note, holds in states if holds]
    if row.unusable:
        notes.append(UNUSABLE_TEXT[row.unusable])
    return (
        str(row.index),
        row.uuid,
        row.model,
        f"{row.memory_mb / 1024:.3g}",
        row.group or ("the pool" if row.pool else "nobody"),
        lease.username if lease else "free" if row.usable and (row.group or row.pool) else "-",
        (lease.started_at or lease.granted_at).strftime(_TIME) if lease else "",
        lease.until.strftime(_TIME) if lease else "",
        ", ".join(notes),
    )
