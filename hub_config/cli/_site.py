"""What every command that looks into a RadLab needs: its settings, its database, who asks."""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from hub_config import clock
from hub_config.db import migrate, open_database
from hub_config.errors import NotAllowed, Unready
from hub_config.settings import Settings, load_settings


class NotSetUp(Unready):
    """`./radlab up` has never run for this state folder."""

    code = "not_set_up"


class NotYours(NotAllowed):
    """The database belongs to root and the system user."""

    code = "not_yours"


@dataclass(frozen=True)
class Site:
    """One RadLab on this machine."""

    settings: Settings
    engine: Engine


def open_site() -> Site:
    """The RadLab of RADLAB_STATE, its database brought to shape; NotSetUp where there is none.

    A missing SQLite file is refused rather than made: made by root here, the services, which run
    as another user, could not write it.
    """
    settings = load_settings()
    url = make_url(settings.radlab_database_url)
    missing_file = (
        url.get_backend_name() == "sqlite"
        and not settings.database_file.exists()
        and not settings.database_url
    )
    if missing_file:
        raise NotSetUp(
            "There is no RadLab in {state} yet.",
            do="Run `./radlab up` first, or name another folder in RADLAB_STATE.",
            state=settings.state,
        )
    require_access(settings)
    engine = open_database(settings.radlab_database_url)
    migrate(engine)
    return Site(settings, engine)


def require_access(settings: Settings) -> None:
    """NotYours where this user may not write the SQLite file, or make its log beside it."""
    url = make_url(settings.radlab_database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    path = Path(url.database)
    if os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK):
        return
    asked = click.get_current_context(silent=True)
    words = asked.command_path.partition(" ")[2] if asked else ""
    raise NotYours(
        "RadLab's database {path} is open to root and the system user {user} only.",
        do="Run it as root: sudo ./radlab {words} ...",
        path=path,
        user=settings.system_user,
        words=words,
    )


def operator() -> str:
    """Who gives the command, as records name them: `shell:<system user>`."""
    return f"shell:{getpass.getuser()}"


def print_json(value: Any) -> None:
    """Print `value` as JSON: dataclasses as objects, times as ISO 8601 in UTC."""
    click.echo(json.dumps(_plain(value), ensure_ascii=False, indent=2))


def print_table(lines: Sequence[Sequence[str]]) -> None:
    """Print `lines`, the first being the heads, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return _plain(fields)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return clock.to_iso(value) if isinstance(value, datetime) else value
