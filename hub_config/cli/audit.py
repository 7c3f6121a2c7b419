"""`./radlab audit`: what staff did for whom, and why."""

from __future__ import annotations

import click

from hub_config.cli._site import open_site, print_json, print_table
from hub_config.usage.store import AuditStore

_HEADS = ("WHEN (UTC)", "BY", "DID", "FOR", "WHY", "DETAIL")


@click.command("audit")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(limit: int, as_json: bool) -> None:
    """The audit, newest first: who started, extended, moved up or stopped what for whom."""
    entries = AuditStore(open_site().engine).recent(limit)
    if as_json:
        return print_json(entries)
    if not entries:
        return click.echo("Nobody did anything for somebody else yet.")
    lines = [
        (
            entry.at.strftime("%Y-%m-%d %H:%M"),
            entry.by,
            entry.action,
            entry.username or "",
            entry.reason,
            entry.detail,
        )
        for entry in entries
    ]
    print_table([_HEADS, *lines])
