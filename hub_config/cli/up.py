"""`./radlab up`: installs what is missing, starts the platform, says where it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from hub_config.db import open_database
from hub_config.errors import BadInput
from hub_config.invites.store import first_administrator_link, open_store
from hub_config.machine import install
from hub_config.machine.checks import Check, plain_http
from hub_config.machine.progress import Progress
from hub_config.machine.state import require_root
from hub_config.settings import Settings


class BadAssignment(BadInput):
    """`--set` was given something else than NAME=VALUE."""

    code = "bad_assignment"


@click.command("up")
@click.option("--port", type=click.IntRange(1, 65535), help="The public port (default 8000).")
@click.option("--listen", help="Address of the public port; 127.0.0.1 for this machine only.")
@click.option("--certificate", help="PEM file with private key and chain: HTTPS.")
@click.option("--trusted-proxy", help="Address of a front proxy that ends TLS.")
@click.option("--public-url", help="The address that people type.")
@click.option("--simulate-gpus", help="Such as 4x24: four simulated GPUs of 24 GB.")
@click.option("--base-image", help="`debootstrap`, or a reference that a registry serves.")
@click.option("--set", "others", multiple=True, metavar="NAME=VALUE", help="Any other setting.")
def command(others: tuple[str, ...], **given: Any) -> None:
    """Install what is missing and start RadLab; a second time changes nothing.

    What is given is kept in settings.yaml of the state folder, for the next `up` too.
    """
    require_root("up")
    changes = {name: value for name, value in given.items() if value is not None}
    changes.update(_assignments(others))
    if changes.get("certificate"):
        changes["certificate"] = Path(changes["certificate"]).absolute()
    settings = install.wanted_settings(changes, os.environ)
    progress = Progress()
    with progress.step("Checks", "nothing stands against it"):
        install.check_first(settings, lambda one: _show(progress, one))
    with install.one_at_a_time(settings):
        install.install(settings, progress)
    _welcome(settings)


def _assignments(words: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in Settings.class_traits() or name == "state":
            raise BadAssignment(
                "--set {word}: this is not NAME=VALUE with the name of a setting.",
                given=word,
                allowed=sorted(Settings.class_traits()),
                do="For example: --set warn_minutes=15",
                word=word,
            )
        pairs[name] = value
    return pairs


def _show(progress: Progress, one: Check) -> None:
    if one.name != "certificate":  # said at the end, where it is not scrolled away
        progress.line(f"      {one.name}: {one.finding}")


def _welcome(settings: Settings) -> None:
    click.echo(f"\nRadLab is up: {settings.address}")
    if settings.listens_everywhere:
        scheme = "https" if settings.certificate else "http"
        click.echo(f"On this machine: {scheme}://127.0.0.1:{settings.port}")
    database = open_database(settings.radlab_database_url)
    store = open_store(settings, database)
    if store.needs_first_administrator():
        shown_before = bool(store.all())
        link = first_administrator_link(settings, store)
        click.echo(f"First administrator (this link works once, for a day): {link}")
        if shown_before:
            click.echo("Links that were shown for this earlier no longer work.")
    database.dispose()
    plain = plain_http(settings)
    if plain.verdict == "warning":
        bold = sys.stdout.isatty()
        click.echo()
        click.secho(f"WARNING: {plain.finding}.", fg="yellow" if bold else None, bold=bold)
        click.echo(plain.do)
