"""`./radlab usage`: who used which GPU from when to when, and why it ended."""

from __future__ import annotations

import click

from hub_config import clock
from hub_config.cli._site import open_site, print_json, print_table
from hub_config.gpus.model import ENDED_TEXT
from hub_config.usage import rules
from hub_config.usage.api import record_out
from hub_config.usage.model import Record
from hub_config.usage.sheet import csv_of
from hub_config.usage.store import UsageStore

_TIME = "%Y-%m-%d %H:%M"
_HEADS = ("USER", "GROUP", "GPUS", "SIZE", "MODULE", "FROM (UTC)", "TO (UTC)", "MINUTES", "PEAK GB",
          "GPU %", "GPU GB", "ENDED")  # fmt: skip


@click.command("usage")
@click.option("--user", "-u", help="Only this person's.")
@click.option("--group", "-g", help="Only what counts for this class group.")
@click.option(
    "--since", default="30d", show_default=True, help="12h, 30d, week, a day, or ISO 8601."
)
@click.option("--until", help="Only what was granted before; as --since.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet, all columns.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, all columns.")
def command(
    user: str | None,
    group: str | None,
    since: str,
    until: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Records of use: who held which GPU, size and image, from when to when."""
    if as_csv and as_json:
        raise click.UsageError("say either --csv or --json")
    now = clock.now()
    begin = rules.moment_of(since, now)
    end = rules.moment_of(until, now) if until else None
    records = UsageStore(open_site().engine).records(
        begin,
        now,
        usernames=[user] if user else None,
        groups=[group] if group else None,
        until=end,
    )
    if as_json:
        return print_json([record_out(record).model_dump() for record in records])
    if as_csv:
        return click.echo(csv_of(records), nl=False)
    if not records:
        return click.echo(f"Nobody used anything since {begin.strftime(_TIME)} UTC.")
    print_table([_HEADS, *(_line(record) for record in records)])
    hours = sum(record.gpu_hours for record in records)
    click.echo(f"{len(records)} session(s), {hours:.1f} GPU-hours.")


def _line(record: Record) -> tuple[str, ...]:
    started = record.started_at or record.granted_at
    return (
        record.username,
        record.group or "-",
        ", ".join(record.device_uuids) or "-",
        record.size or "-",
        record.module or "-",
        started.strftime(_TIME),
        record.ended_at.strftime(_TIME) if record.ended_at else "",
        str(record.minutes),
        f"{record.memory_peak_mb / 1024:.1f}",
        "-" if record.gpu_mean is None else f"{record.gpu_mean:.0%}",
        f"{record.gpu_memory_peak_mb / 1024:.1f}" if record.device_uuids else "-",
        ENDED_TEXT[record.why_ended] if record.why_ended else "",
    )
