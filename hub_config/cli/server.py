"""`./radlab server`: who runs what; stop, extend or start a server for somebody, with a reason."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click
import httpx

from hub_config import clock
from hub_config.cli._site import Site, open_site, operator, print_json, print_table
from hub_config.errors import Conflict, NotFound, Unready, nearest
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended, Lease
from hub_config.gpus.rules import MOST_MINUTES
from hub_config.queueing.model import Place
from hub_config.queueing.store import QueueStore
from hub_config.settings import Settings
from hub_config.usage.model import LeaseUsage
from hub_config.usage.rules import check_reason, minutes_allowed
from hub_config.usage.store import AuditStore, QuotaStore, UsageStore

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_REASON = click.option("--reason", default="", help="Why; kept in the audit.")
_TIME = "%Y-%m-%d %H:%M"
_HEADS = ("WHO", "GROUP", "TASK", "GPUS", "SINCE (UTC)", "UNTIL (UTC)", "CORES", "MEMORY GB", "OOM")
# A start is answered when it is in line; the Hub waits about a second for a fast one.
_HUB_SECONDS = 30.0


class NoSuchServer(NotFound):
    """That person runs no server and waits for none."""

    code = "nobody_runs"


class HubAway(Unready):
    """The Hub does not answer, or refuses."""

    code = "hub_away"


class NobodyOfThatName(NotFound):
    """The Hub knows no such user."""

    code = "nobody_of_that_name"


class NotStartedByHub(Conflict):
    """The Hub did not start the server."""

    code = "not_started_by_hub"


@click.group("server", no_args_is_help=True)
def command() -> None:
    """Servers: list them with their load; stop, extend or start one for somebody."""


@command.command("list")
@_JSON
def list_(as_json: bool) -> None:
    """List the servers that start or run, with what they use now."""
    site = open_site()
    leases = Ledger(site.engine).active()
    usage = UsageStore(site.engine).of([lease.id for lease in leases])
    if as_json:
        return print_json([_shown(lease, usage.get(lease.id)) for lease in leases])
    if not leases:
        return click.echo("No server runs. `./radlab queue` shows who waits.")
    print_table([_HEADS, *(_line(lease, usage.get(lease.id)) for lease in leases)])


@command.command("stop")
@click.argument("user")
@_REASON
@_JSON
def stop(user: str, reason: str, as_json: bool) -> None:
    """Stop USER's server, or give up their place in line; files are kept."""
    site, reason = open_site(), check_reason(reason)
    leases, places = _of(site, user)
    lease_id = leases[0].id if leases else None
    place_id = places[0].id if places else None
    # First: what follows is done for them, whatever the Hub answers at its end.
    note = AuditStore(site.engine).note
    note(operator(), "stop", reason, username=user, lease_id=lease_id, place_id=place_id)
    for place in places:
        QueueStore(site.engine, site.settings).leave(place.id, operator(), clock.now())
    for lease in leases:
        Ledger(site.engine).note_end(lease.id, Ended.ADMINISTRATOR)
    answer = _ask(site.settings, "DELETE", user)
    if answer.is_error and answer.status_code != httpx.codes.NOT_FOUND:
        raise _hub_away(_said(answer))
    if as_json:
        return print_json({"username": user, "lease": lease_id, "place": place_id})
    click.echo(f"{user}'s server is being stopped. Files are kept.")


@command.command("extend")
@click.argument("user")
@click.option("--minutes", type=click.IntRange(1, MOST_MINUTES), required=True, help="How many.")
@_REASON
@_JSON
def extend(user: str, minutes: int, reason: str, as_json: bool) -> None:
    """Let USER's session last longer, whoever waits, as far as the quota goes."""
    site, reason = open_site(), check_reason(reason)
    leases, _ = _of(site, user)
    if not leases:
        raise _none(user, [])
    ledger, now, [lease] = Ledger(site.engine), clock.now(), leases[:1]
    bounds = QuotaStore(site.engine).of(user, [lease.group] if lease.group else [])
    most = minutes_allowed(MOST_MINUTES, bounds, lease.group)
    lease = ledger.extend(lease.id, minutes, now, most_minutes=most)
    if lease.stop_why is Ended.IDLE:
        # Noted as use: else the next round would tell it to end again.
        UsageStore(site.engine).busy(lease.id, now)
        lease = ledger.let_run(lease.id, Ended.IDLE)
    AuditStore(site.engine).note(
        operator(), "extend", reason, username=user, lease_id=lease.id, detail=f"{minutes} min"
    )
    if as_json:
        return print_json({"username": user, "lease": lease.id, "until": lease.until})
    click.echo(f"{user}'s session lasts until {lease.until.strftime(_TIME)} UTC.")


@command.command("start")
@click.argument("user")
@click.option("--module", help="The course module to start.")
@click.option("--image", help="The environment to start.")
@click.option("--gpu/--no-gpu", default=False, help="With a GPU, or without one (the default).")
@click.option("--size", help="A named size; `./radlab size list` shows them.")
@_REASON
@_JSON
def start(
    user: str,
    module: str | None,
    image: str | None,
    gpu: bool,
    size: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Start a module or an environment for USER; where nothing is free they stand in line."""
    if (module is None) == (image is None):
        raise click.UsageError("say either --module ID or --image ID")
    site, reason = open_site(), check_reason(reason)
    options: dict[str, Any] = {"module": module, "gpu": gpu} if module else {}
    options = options or {"image": image, "gpus": int(gpu)}
    answer = _ask(site.settings, "POST", user, options | ({"size": size} if size else {}))
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise _unknown(user, _users(site.settings))
    if answer.is_error:
        raise NotStartedByHub(
            "The server of {user} was not started: {reason}.",
            given=user,
            do="Correct what it says, and try again.",
            user=user,
            reason=_said(answer),
        )
    place = QueueStore(site.engine, site.settings).of(user, "")
    place_id = place.id if place else None
    AuditStore(site.engine).note(
        operator(), "start", reason, username=user, place_id=place_id, detail=module or image or ""
    )
    if as_json:
        return print_json({"username": user, "place": place_id})
    click.echo(f"A server was asked for {user}. `./radlab queue` shows how it stands.")


def _of(site: Site, user: str) -> tuple[list[Lease], list[Place]]:
    """What that person runs and waits for; NoSuchServer where it is neither."""
    leases = Ledger(site.engine).active()
    places = QueueStore(site.engine, site.settings).open()
    known = {lease.username for lease in leases} | {place.username for place in places}
    if user not in known:
        raise _none(user, sorted(known))
    return [e for e in leases if e.username == user], [e for e in places if e.username == user]


def _ask(
    settings: Settings, verb: str, user: str, options: dict[str, Any] | None = None
) -> httpx.Response:
    """Ask the Hub about USER's server as the portal does; HubAway where it does not answer."""
    body = {"user_options": options} if options else None
    return _request(settings, verb, f"users/{quote(user, safe='')}/server", body)


def _users(settings: Settings) -> list[str]:
    """The names that the Hub knows, as far as it tells them; for the nearest to one with a typo."""
    answer = _request(settings, "GET", "users")
    return [str(user["name"]) for user in answer.json()] if answer.is_success else []


def _request(
    settings: Settings, verb: str, path: str, body: dict[str, Any] | None = None
) -> httpx.Response:
    try:
        return httpx.request(
            verb,
            f"{settings.hub_api_url}/{path}",
            json=body,
            headers={"Authorization": f"token {settings.secret('portal_token')}"},
            timeout=_HUB_SECONDS,
        )
    except httpx.HTTPError as error:
        raise _hub_away(str(error) or type(error).__name__) from error


def _said(answer: httpx.Response) -> str:
    try:
        said = answer.json().get("message", "")
    except ValueError:
        said = ""
    return str(said or answer.reason_phrase).rstrip(".")


def _hub_away(reason: str) -> HubAway:
    return HubAway(
        "The Hub cannot be asked: {reason}.",
        do="`./radlab status` shows what runs, `./radlab up` starts it.",
        reason=reason,
    )


def _unknown(user: str, known: list[str]) -> NobodyOfThatName:
    return NobodyOfThatName(
        "The Hub knows no user '{user}'.{hint}",
        given=user,
        do="`./radlab invite create` makes a code for somebody new.",
        user=user,
        hint=nearest(user, known),
    )


def _none(user: str, known: list[str]) -> NoSuchServer:
    return NoSuchServer(
        "{user} runs no server and waits for none.{hint}",
        given=user,
        allowed=known,
        do="`./radlab server list` and `./radlab queue` show who does.",
        user=user,
        hint=nearest(user, known),
    )


def _shown(lease: Lease, usage: LeaseUsage | None) -> dict[str, Any]:
    return {
        "username": lease.username,
        "lease": lease.id,
        "group": lease.group,
        "lender": lease.lender,
        "task": lease.module or lease.image,
        "size": lease.size,
        "devices": list(lease.device_uuids),
        "since": lease.started_at or lease.granted_at,
        "until": lease.until,
        "ends_early": lease.until_why if lease.until < lease.ends_at else None,
        "usage": usage,
    }


def _line(lease: Lease, usage: LeaseUsage | None) -> tuple[str, ...]:
    seen = usage is not None and usage.sampled_at is not None
    return (
        lease.username,
        lease.group or "",
        lease.module or lease.image,
        str(len(lease.devices)),
        (lease.started_at or lease.granted_at).strftime(_TIME),
        lease.until.strftime(_TIME),
        f"{usage.cpu_now:.1f} of {lease.cpus:g}" if usage and seen else "-",
        f"{usage.memory_now_mb / 1024:.1f} of {lease.memory_mb / 1024:.3g}"
        if usage and seen
        else "-",
        str(usage.oom_kills) if usage and seen else "-",
    )
