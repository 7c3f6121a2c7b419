"""Every 10 s a look at what runs: processor, memory, GPU, what was killed for memory, real use.

A session is in real use where its processes take more than a tenth of a core (the mean of a
minute, so that a heartbeat or an autosave is none), or a GPU of its own works. What a kernel or
terminal does beside that, the session says itself (`spawning/session_api.py`). An open tab is
no use.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from hub_config import clock
from hub_config.gpus.model import Lease
from hub_config.keeper.cgroups import Reading
from hub_config.keeper.gpu_load import Load, read_loads
from hub_config.keeper.rules import Standing
from hub_config.usage.model import LeaseUsage, Sample

SAMPLE_SECONDS = 10
BUSY_CORES = 0.1
BUSY_GPU = 0.05
MINUTE = timedelta(minutes=1)
# Rounds are late under load, and a minute of them may span a little less than 60 s.
_ENOUGH = timedelta(seconds=50)
_MB = 2**20


class Leases(Protocol):
    """The ledger, as far as it is read here."""

    def active(self) -> list[Lease]:
        """Every lease that is not released."""


class Uses(Protocol):
    """The records of use, as far as they are written here (`usage.store.UsageStore` is one)."""

    def of(self, lease_ids: Collection[str]) -> Mapping[str, LeaseUsage]:
        """What is known of those leases."""

    def sample(self, samples: Sequence[Sample], now: datetime) -> None:
        """Keep one look at each."""

    def busy(self, lease_id: str, now: datetime | None, kernels: int | None = None) -> None:
        """Note real use."""


class Counters(Protocol):
    """Where counters come from (`meter.Meter` is one)."""

    def readings(self, container_ids: Sequence[str], now: datetime) -> dict[str, Reading]:
        """The counters of each of those containers that can be read."""


class Killed(Protocol):
    """Who knows what was killed for memory (`kernel_log.KernelLog` is one)."""

    def killed(self, container_id: str) -> str | None:
        """The process of that container that was killed last."""


@dataclass
class Past:
    """The processor time of one container over the last minute."""

    looks: list[tuple[datetime, float]] = field(default_factory=list)

    def add(self, now: datetime, cpu_seconds: float) -> tuple[float, float]:
        """Cores in use since the last look, and their mean over a minute; 0 while unknown."""
        if self.looks and now <= self.looks[-1][0]:
            self.looks.clear()  # the clock was set back
        self.looks = [*(look for look in self.looks if now - look[0] <= MINUTE), (now, cpu_seconds)]
        if len(self.looks) < 2:
            return 0.0, 0.0
        mean = self._since(0) if now - self.looks[0][0] >= _ENOUGH else 0.0
        return self._since(-2), mean

    def _since(self, index: int) -> float:
        (then, before), (now, after) = self.looks[index], self.looks[-1]
        return max(0.0, after - before) / (now - then).total_seconds()


class Sampler:
    """Makes the round; keeps a minute of each container."""

    def __init__(
        self,
        leases: Leases,
        uses: Uses,
        containers: Callable[[], Iterable[Standing]],
        counters: Counters,
        log: Killed,
        loads: Callable[[Iterable[str]], Mapping[str, Load]] = read_loads,
    ) -> None:
        self._leases = leases
        self._uses = uses
        self._containers = containers
        self._counters = counters
        self._log = log
        self._read_loads = loads
        self._past: dict[str, Past] = {}

    def round(self) -> None:
        """Look at every running container once."""
        leases = {lease.id: lease for lease in self._leases.active()}
        running = [s for s in self._containers() if s.running and s.lease_id in leases]
        self._past = {one.id: self._past.get(one.id, Past()) for one in running}
        now = clock.now()
        readings = self._counters.readings([one.id for one in running], now)
        known = self._uses.of([one.lease_id for one in running])
        loads = self._read_loads(gpu_uuids(leases[one.lease_id] for one in running))
        samples = []
        for one in running:
            if (reading := readings.get(one.id)) is None:
                continue
            usage = known.get(one.lease_id) or LeaseUsage(lease_id=one.lease_id)
            cpu, mean = self._past[one.id].add(now, reading.cpu_seconds)
            sample = self._sample(one, leases[one.lease_id], reading, cpu, usage, loads)
            samples.append(sample)
            if works(mean, sample.gpu) and not noted(usage, now):
                self._uses.busy(one.lease_id, now)
        if samples:
            self._uses.sample(samples, now)

    def _sample(
        self,
        one: Standing,
        lease: Lease,
        reading: Reading,
        cpu: float,
        usage: LeaseUsage,
        loads: Mapping[str, Load],
    ) -> Sample:
        own = [loads[uuid] for uuid in lease.device_uuids if uuid in loads]
        kills = reading.oom_kills or 0
        return Sample(
            lease_id=lease.id,
            cpu=cpu,
            memory_mb=reading.memory_bytes // _MB,
            gpu=sum(load.utilisation for load in own) / len(own) if own else None,
            gpu_memory_mb=sum(load.memory_mb for load in own),
            oom_kills=kills,
            oom_process=self._log.killed(one.id) if kills > usage.oom_kills else None,
        )


def works(cores: float, gpu: float | None) -> bool:
    """Whether these cores (mean of a minute) or this GPU utilisation are real use."""
    return cores > BUSY_CORES or (gpu or 0.0) > BUSY_GPU


def noted(usage: LeaseUsage, now: datetime) -> bool:
    """Whether real use was noted within a minute: once a minute is written down, not each look."""
    return usage.busy_at is not None and timedelta(0) <= now - usage.busy_at < MINUTE


def gpu_uuids(leases: Iterable[Lease]) -> list[str]:
    """The devices of those leases that a driver knows."""
    return [uuid for lease in leases if not lease.simulated for uuid in lease.device_uuids]
