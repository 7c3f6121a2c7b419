"""`GET /services/radlab/metrics`: how the site does, in Prometheus' text format.

Whoever scrapes shows a token of the Hub with JupyterHub's own scope `read:metrics`, the same that
opens `/hub/metrics`; a service of `config.d` has one (README.md). An administrator may look at it
in a browser. Being on this machine is no right: the proxy reaches us from loopback, too. Labels
bear groups and reasons, never a person's name.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from hub_config import clock
from hub_config.errors import NotAllowed
from hub_config.gpus.model import DeviceRow, Lease
from hub_config.groups.rules import require_administrator
from hub_config.portal.counting import Counts
from hub_config.portal.gate import gate, header_token
from hub_config.portal.services import Services
from hub_config.queueing.model import Outlook, Standing, State

SCOPE = "read:metrics"
# One exposition format for every scraper: what each understands, and what our answer is labelled.
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(include_in_schema=False)


class MetricsClosed(NotAllowed):
    """A token that may not read the metrics."""

    code = "metrics_closed"


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """The metrics, for a token with `read:metrics` or an administrator's browser."""
    services: Services = request.app.state.services
    await _require_may_read(request, services)
    text = await asyncio.to_thread(request.app.state.metrics.text)
    return Response(text, headers={"content-type": _CONTENT_TYPE})


async def _require_may_read(request: Request, services: Services) -> None:
    token = header_token(request)
    if not token:
        visit = await gate(request)
        require_administrator(visit.person)
        return
    owner = await services.hub.owner_of(token)
    if SCOPE not in (owner.get("scopes") or ()):
        raise MetricsClosed(
            "This token does not hold the scope {scope}.",
            allowed=SCOPE,
            do="Give the role of the service that scrapes that scope, in `config.d`.",
            scope=SCOPE,
        )


@dataclass(frozen=True)
class Look:
    """One look at devices, leases and the queue."""

    devices: Sequence[DeviceRow]
    leases: Sequence[Lease]
    standings: Sequence[Standing]


class Metrics(Collector):
    """The site's figures; a scrape looks at the stores, and two at once wait for each other."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._counts = Counts(clock.now())
        self._one_at_a_time = threading.Lock()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """The exposition; synchronous, for a thread."""
        with self._one_at_a_time:
            return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing: registering must not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family, from one look."""
        now, services, counts = clock.now(), self._services, self._counts
        leases = services.ledger.history(counts.since)
        usage = services.usage.of([lease.id for lease in leases])
        counts.look(leases, usage, services.queue.ended(counts.since), now)
        active = [lease for lease in leases if lease.active]
        look = Look(services.devices.all(), active, services.queue.board(now))
        yield from gauges(look)
        yield from counters(counts)


def gauges(look: Look) -> Iterator[Metric]:
    """What stands at this moment."""
    yield _gauge(
        "radlab_gpus",
        "GPUs by owner (group, pool, nobody), class group and state.",
        ("owner", "group", "state"),
        Counter((*owner_of(row), state_of(row)) for row in look.devices),
    )
    yield _gauge(
        "radlab_leases_active",
        "Leases that are granted and not released.",
        ("group", "kind"),
        Counter((lease.group or "", "gpu" if lease.devices else "cpu") for lease in look.leases),
    )
    yield _gauge(
        "radlab_gpus_lent",
        "GPUs on loan, by the group that lends and the one that uses them.",
        ("lender", "group"),
        _lent(look.leases),
    )
    waiting = [s.outlook for s in look.standings if s.place.state is State.WAITING]
    yield _gauge(
        "radlab_places_waiting",
        "Places in line that wait, by the reason.",
        ("reason",),
        Counter((_reason(outlook),) for outlook in waiting),
    )
    starting = GaugeMetricFamily("radlab_places_starting", "Places whose container starts now.")
    starting.add_metric((), sum(s.place.state is State.STARTING for s in look.standings))
    yield starting


def counters(counts: Counts) -> Iterator[Metric]:
    """What has happened since the portal began."""
    waits = HistogramMetricFamily(
        "radlab_wait_seconds", "From taking a place in line to a server that answers."
    )
    waits.add_metric((), counts.waits_by_bucket, counts.wait_seconds)
    yield waits
    outcomes = "Places that ended: done, left, failed."
    yield _counter("radlab_places_ended", outcomes, "outcome", counts.places_ended)
    ended = counts.sessions_ended
    yield _counter("radlab_sessions_ended", "Leases released, by why.", "why", ended)
    failed = CounterMetricFamily("radlab_starts_failed", "Leases whose container did not start.")
    failed.add_metric((), counts.sessions_ended["failed_start"])
    yield failed
    yield _counter("radlab_gpu_hours", "GPU hours used.", "group", counts.gpu_hours)
    yield _counter("radlab_oom_kills", "Processes killed for memory.", "group", counts.oom_kills)


def owner_of(row: DeviceRow) -> tuple[str, str]:
    """Whose a device is: `("group", name)`, `("pool", "")` or `("nobody", "")`."""
    if row.pool:
        return "pool", ""
    return ("group", row.group) if row.group else ("nobody", "")


def state_of(row: DeviceRow) -> str:
    """How a device stands: gone, unusable, in_use, draining or free."""
    if row.gone:
        return "gone"
    if row.unusable:
        return "unusable"
    if row.lease:
        return "in_use"
    return "draining" if row.draining else "free"


def _lent(leases: Sequence[Lease]) -> Counter[tuple[str, ...]]:
    lent: Counter[tuple[str, ...]] = Counter()
    for lease in leases:
        if lease.lender:
            lent[lease.lender, lease.group or ""] += len(lease.devices)
    return lent


def _reason(outlook: Outlook) -> str:
    return str(outlook.reason.value)


def _gauge(
    name: str, text: str, labels: Sequence[str], values: Counter[tuple[str, ...]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _counter(name: str, text: str, label: str, values: Mapping[str, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((key,), value)
    return family
