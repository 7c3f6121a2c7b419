"""`./radlab down`: stops the platform and keeps all data."""

from __future__ import annotations

import click

from hub_config.machine import ending
from hub_config.machine.install import one_at_a_time
from hub_config.machine.state import require_root
from hub_config.settings import load_settings


@click.command("down")
def command() -> None:
    """Stop RadLab and its students' servers; homes, accounts, datasets and leases' history stay.

    It stays down over a reboot; `./radlab up` starts it again.
    """
    require_root("down")
    settings = load_settings()
    if not settings.path("run").is_dir():
        click.echo(f"There is no RadLab in {settings.state}; nothing to stop.")
        return
    with one_at_a_time(settings):
        ending.stop(settings, click.echo)
    click.echo(f"RadLab is down. Its data stay in {settings.state}.")
