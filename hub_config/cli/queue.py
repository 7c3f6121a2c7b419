"""`./radlab queue`: who runs, who waits and until when; leave a place, move one up."""

from __future__ import annotations

import click

from hub_config import clock
from hub_config.cli._site import Site, open_site, operator, print_json, print_table
from hub_config.gpus.ledger import Ledger
from hub_config.queueing.lines import Line, lines
from hub_config.queueing.model import Place
from hub_config.queueing.refusals import ambiguous_place, unknown_place
from hub_config.queueing.store import QueueStore
from hub_config.usage.rules import check_reason
from hub_config.usage.store import AuditStore

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_REASON = click.option("--reason", default="", help="Why; kept in the audit.")
_TIME = "%Y-%m-%d %H:%M"
_HEADS = ("ORDER", "PLACE", "WHO", "TASK", "GROUP", "GPUS", "STATE", "CREATED", "UNTIL", "EXPECTED")


@click.group("queue", invoke_without_command=True)
@_JSON
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """The queue: list it, leave a place, move one up; without a word it is listed."""
    if context.invoked_subcommand is None:
        _print(as_json)


@command.command("list")
@_JSON
def list_(as_json: bool) -> None:
    """List who runs, starts and waits, in order (times in UTC)."""
    _print(as_json)


@command.command("leave")
@click.argument("place")
@_REASON
@_JSON
def leave(place: str, reason: str, as_json: bool) -> None:
    """Give PLACE (its id, the id's beginning, or its owner's name) up for its owner."""
    site = open_site()
    queue, chosen, reason = _chosen(site, place, reason)
    left = queue.leave(chosen.id, operator(), clock.now())
    _say(site, "leave", reason, left, as_json, f"{left.username} is no longer in the queue.")


@command.command("move-up")
@click.argument("place")
@_REASON
@_JSON
def move_up(place: str, reason: str, as_json: bool) -> None:
    """Put PLACE (its id, the id's beginning, or its owner's name) before all others."""
    site = open_site()
    queue, chosen, reason = _chosen(site, place, reason)
    moved = queue.move_up(chosen.id, operator())
    _say(site, "move_up", reason, moved, as_json, f"{moved.username} is first in the queue.")


def _chosen(site: Site, given: str, reason: str) -> tuple[QueueStore, Place, str]:
    """The queue, the one open place of that id or owner, and the reason; UnknownPlace, NoReason."""
    reason = check_reason(reason)
    queue = QueueStore(site.engine, site.settings)
    places = queue.open()
    mine = [each for each in places if each.username == given]
    found = mine or [each for each in places if given and each.id.startswith(given)]
    if not found:
        raise unknown_place(given, [each.username for each in places])
    if len(found) > 1:
        raise ambiguous_place(given, found)
    return queue, found[0], reason


def _say(site: Site, action: str, reason: str, place: Place, as_json: bool, sentence: str) -> None:
    note = AuditStore(site.engine).note
    note(operator(), action, reason, username=place.username, place_id=place.id)
    if as_json:
        return print_json({"id": place.id, "username": place.username, "state": place.state.value})
    click.echo(sentence)


def _print(as_json: bool) -> None:
    site = open_site()
    queue = QueueStore(site.engine, site.settings)
    every = lines(queue.board(clock.now()), Ledger(site.engine).active())
    if as_json:
        return print_json([_shown(line) for line in every])
    if not every:
        return click.echo("Nobody runs a server, and nobody waits.")
    print_table([_HEADS, *map(_cells, every)])


def _shown(line: Line) -> dict[str, object]:
    shown = {key: value for key, value in vars(line).items() if key != "outlook"}
    return {**shown, "reason": line.outlook.reason.value if line.outlook else None}


def _cells(line: Line) -> tuple[str, ...]:
    return (
        str(line.order),
        line.id[:8],
        line.username,
        line.task,
        line.group or "-",
        str(line.gpu_count),
        f"{line.state} {line.position}" if line.position else line.state,
        line.created.strftime(_TIME),
        line.until.strftime(_TIME) if line.until else "",
        line.expected.strftime(_TIME) if line.expected else "",
    )
