"""How the Hub's own SQLite database is opened: a start commits ten times, on the event loop.

By default SQLite makes a journal file, waits for the disk three times and removes the file, at each
commit; sixty students who start at once then hold up the whole Hub for seconds. In WAL mode with
`synchronous=NORMAL` a commit is one write, and the file is whole after any crash. What a power cut
may take are its last moments; places and leases are in RadLab's own database, which loses none.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy.engine import make_url


class HubConnection(sqlite3.Connection):
    """A connection whose commits do not wait for the disk."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000"):
            self.execute(f"PRAGMA {pragma}").close()


def connection_arguments(url: str) -> dict[str, Any]:
    """What `JupyterHub.db_kwargs` is set to for the database at `url`."""
    if make_url(url).get_backend_name() != "sqlite":
        return {}
    # JupyterHub's own argument is replaced by these, so that it stands here too.
    return {"connect_args": {"check_same_thread": False, "factory": HubConnection}}
