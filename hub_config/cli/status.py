"""`./radlab status`: what runs, who holds what."""

from __future__ import annotations

from typing import Any

import click

from hub_config.cli._site import print_json, require_access
from hub_config.db import open_database
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.store import DeviceStore
from hub_config.machine import engine
from hub_config.machine.services import NAMES, trouble
from hub_config.settings import Settings, load_settings


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> int:
    """Each part up or down, the address, servers and GPUs; exits 1 where a part is down."""
    settings = load_settings()
    found = _status(settings)
    if as_json:
        print_json(found)
    else:
        _print(found)
    return 0 if found["up"] else 1


def _status(settings: Settings) -> dict[str, Any]:
    parts = {"engine": "" if engine.answers(settings) else "it does not answer"}
    parts.update({name: trouble(settings, name) for name in NAMES})
    return {
        "up": not any(parts.values()),
        "address": settings.address,
        "state": settings.state,
        "parts": {name: {"up": not why, "reason": why} for name, why in parts.items()},
        **_held(settings),
    }


def _held(settings: Settings) -> dict[str, Any]:
    """Servers and GPUs as the ledger has them; empty before the first `up`."""
    if not settings.database_url and not settings.database_file.exists():
        return {"servers": [], "gpus": {"all": 0, "held": 0, "simulated": False}}
    require_access(settings)
    database = open_database(settings.radlab_database_url)
    devices = [row for row in DeviceStore(database).all() if not row.gone]
    leases = Ledger(database).active()
    database.dispose()
    servers = [
        {
            "user": lease.username,
            "image": lease.image,
            "module": lease.module,
            "gpus": list(lease.device_uuids),
            "since": lease.started_at or lease.granted_at,
            "until": lease.ends_at,
        }
        for lease in leases
    ]
    gpus = {
        "all": len(devices),
        "held": sum(row.lease is not None for row in devices),
        "simulated": any(row.simulated for row in devices),
    }
    return {"servers": servers, "gpus": gpus}


def _print(found: dict[str, Any]) -> None:
    click.echo(f"RadLab {'is up' if found['up'] else 'is NOT up'}: {found['address']}")
    for name, part in found["parts"].items():
        click.echo(f"  {name:<8} {'up' if part['up'] else 'down: ' + part['reason']}")
    gpus = found["gpus"]
    kind = " (simulated)" if gpus["simulated"] else ""
    click.echo(f"  GPUs     {gpus['held']} of {gpus['all']} held{kind}")
    click.echo(f"  servers  {len(found['servers'])}")
    for server in found["servers"]:
        what = server["module"] or server["image"]
        click.echo(f"           {server['user']}: {what}, {len(server['gpus'])} GPU")
