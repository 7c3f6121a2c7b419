"""`./radlab doctor`: looks at everything, says what is wrong and what to do."""

from __future__ import annotations

import click

from hub_config.cli._site import print_json
from hub_config.machine.checks import run_checks
from hub_config.machine.checks_after import ALL
from hub_config.settings import load_settings

_SIGNS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "wrong": ("WRONG", "red")}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> int:
    """Check the machine and RadLab on it; changes nothing; exits 1 where something is wrong."""
    settings = load_settings()
    found = run_checks(settings, ALL)
    if as_json:
        print_json({"ok": all(one.ok for one in found), "checks": list(found)})
    else:
        for one in found:
            sign, colour = _SIGNS[one.verdict]
            click.echo(f"{click.style(f'{sign:>7}', fg=colour)}  {one.name}: {one.finding}")
            if one.do:
                click.echo(f"         -> {one.do}")
    return 0 if all(one.ok for one in found) else 1
