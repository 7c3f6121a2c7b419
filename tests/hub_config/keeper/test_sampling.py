"""What the keeper makes of counters: cores, memory, GPU, kills for memory, real use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hub_config import clock
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Device, Lease, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore
from hub_config.keeper import cgroups
from hub_config.keeper.cgroups import Reading
from hub_config.keeper.gpu_load import Load
from hub_config.keeper.kernel_log import KernelLog, plain_name
from hub_config.keeper.rules import Standing
from hub_config.keeper.sampling import Past, Sampler, noted, works
from hub_config.usage.model import LeaseUsage
from hub_config.usage.store import UsageStore

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CONTAINER = "c" * 64


def reading(cpu: float = 0, memory_mb: int = 100, kills: int | None = 0) -> Reading:
    return Reading(cpu_seconds=cpu, memory_bytes=memory_mb * 2**20, oom_kills=kills)


class Counters:
    """Counters that a test sets."""

    def __init__(self) -> None:
        self.now = reading()

    def readings(self, container_ids: Sequence[str], now: datetime) -> dict[str, Reading]:
        return dict.fromkeys(container_ids, self.now)


class Log:
    def killed(self, container_id: str) -> str | None:
        return "python" if container_id == CONTAINER else None


class Site:
    """A lease with a GPU whose container runs, a sampler of it, and a clock that a test moves."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch, simulated: bool) -> None:
        GroupStore(engine).create("radiology", by="ada")
        devices = DeviceStore(engine)
        card = Device("GPU-1", 0, "Large", 80 * 1024, simulated=simulated)
        devices.record([card], NOON)
        devices.assign("GPU-1", "radiology", by="ada")
        request = LeaseRequest(
            username="ann",
            groups=("radiology",),
            gpu_count=1,
            cpus=2,
            memory_mb=2048,
            minutes=60,
            image="base",
        )
        self.ledger = Ledger(engine)
        self.lease: Lease = self.ledger.grant(request, NOON)
        self.ledger.started(self.lease.id, CONTAINER, NOON)
        self.usage = UsageStore(engine)
        self.counters = Counters()
        self.loads = {"GPU-1": Load(0.0, 0)}
        self.asked: list[str] = []
        self.now = NOON
        monkeypatch.setattr(clock, "now", lambda: self.now)
        standing = Standing(CONTAINER, "radlab-x", self.lease.id, running=True)
        stranger = Standing("d" * 64, "radlab-y", "0" * 32, running=True)
        self.sampler = Sampler(
            self.ledger,
            self.usage,
            lambda: [standing, stranger],
            self.counters,
            Log(),
            self.read_loads,
        )

    def read_loads(self, uuids: Iterable[str]) -> dict[str, Load]:
        self.asked = list(uuids)
        return {uuid: self.loads[uuid] for uuid in self.asked}

    def look(self, now: Reading, seconds: float = 10) -> LeaseUsage:
        self.now += timedelta(seconds=seconds)
        self.counters.now = now
        self.sampler.round()
        return self.usage.of([self.lease.id])[self.lease.id]


MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> MakeSite:
    return lambda simulated=False: Site(engine, monkeypatch, simulated)


def test_cores_and_memory_are_what_was_used_since_the_last_look(make_site: MakeSite) -> None:
    site = make_site()
    assert site.look(reading(cpu=5)).cpu_now == 0
    used = site.look(reading(cpu=20, memory_mb=300))
    assert used.cpu_now == pytest.approx(1.5)
    assert (used.memory_now_mb, used.memory_peak_mb) == (300, 300)
    used = site.look(reading(cpu=20, memory_mb=200))
    assert (used.cpu_now, used.memory_now_mb, used.memory_peak_mb) == (0, 200, 300)
    assert used.sampled_at == site.now


def test_a_minute_of_work_is_real_use_and_a_short_burst_is_none(make_site: MakeSite) -> None:
    site = make_site()
    cpu = 0.0
    for burst in (0, 1.5, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02):
        cpu += burst
        used = site.look(reading(cpu=cpu))
    assert used.busy_at is None
    for _ in range(6):
        cpu += 2
        used = site.look(reading(cpu=cpu))
    assert used.busy_at is not None


def test_a_gpu_at_work_is_real_use_and_is_kept(make_site: MakeSite) -> None:
    site = make_site()
    assert site.look(reading()).busy_at is None
    site.loads = {"GPU-1": Load(0.5, 9000)}
    used = site.look(reading())
    assert used.busy_at == site.now
    assert (used.gpu_now, used.gpu_mean) == (0.5, 0.25)
    assert (used.gpu_memory_now_mb, used.gpu_memory_peak_mb) == (9000, 9000)


def test_a_simulated_gpu_is_not_asked(make_site: MakeSite) -> None:
    site = make_site(simulated=True)
    used = site.look(reading())
    assert site.asked == []
    assert (used.gpu_now, used.gpu_mean) == (None, None)


def test_a_kill_for_memory_is_kept_with_its_process(make_site: MakeSite) -> None:
    site = make_site()
    assert site.look(reading(kills=0)).oom_process is None
    used = site.look(reading(kills=2))
    assert (used.oom_kills, used.oom_process, used.oom_at) == (2, "python", site.now)
    told = site.now
    assert site.look(reading(kills=2)).oom_at == told


def test_what_cannot_be_read_is_not_sampled(make_site: MakeSite) -> None:
    site = make_site()
    site.counters.readings = lambda ids, now: {}  # type: ignore[method-assign]
    assert site.look(reading()).sampled_at is None


@pytest.mark.parametrize(
    ("cores", "gpu", "expected"),
    [(0.1, None, False), (0.11, None, True), (0, 0.05, False), (0, 0.06, True), (0, None, False)],
)
def test_what_is_real_use(cores: float, gpu: float | None, expected: bool) -> None:
    assert works(cores, gpu) is expected


def test_use_is_written_down_once_a_minute() -> None:
    usage = LeaseUsage(lease_id="a", busy_at=NOON)
    assert noted(usage, NOON + timedelta(seconds=59))
    assert not noted(usage, NOON + timedelta(seconds=60))
    assert not noted(usage, NOON - timedelta(seconds=5))
    assert not noted(LeaseUsage(lease_id="a"), NOON)


def test_a_clock_that_is_set_back_begins_anew() -> None:
    past = Past()
    past.add(NOON, 10)
    assert past.add(NOON - timedelta(hours=1), 11) == (0, 0)
    assert past.add(NOON - timedelta(hours=1) + timedelta(seconds=10), 16) == (0.5, 0)


# Control groups

VERSION_1 = "12:pids:/docker/abc\n9:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n"
VERSION_2 = "0::/system.slice/docker-abc.scope\n"


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def process(folder: Path, groups: str) -> Path:
    write(folder / "proc" / "7", cgroup=groups)
    return folder / "proc"


def test_counters_of_version_1_are_read(tmp_path: Path) -> None:
    write(tmp_path / "cpuacct" / "docker" / "abc", cpuacct__usage="2500000000\n")
    memory = tmp_path / "memory" / "docker" / "abc"
    write(memory, memory__usage_in_bytes="900\n", memory__stat="cache 5\ntotal_inactive_file 200\n")
    write(memory, memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    found = cgroups.read(7, process(tmp_path, VERSION_1), tmp_path)
    assert found == Reading(cpu_seconds=2.5, memory_bytes=700, oom_kills=3)


def test_counters_of_version_2_are_read(tmp_path: Path) -> None:
    group = tmp_path / "system.slice" / "docker-abc.scope"
    write(group, cpu__stat="usage_usec 1500000\nuser_usec 1\n", memory__current="900\n")
    write(group, memory__stat="anon 5\ninactive_file 100\n", memory__events="oom 9\noom_kill 1\n")
    found = cgroups.read(7, process(tmp_path, VERSION_2), tmp_path)
    assert found == Reading(cpu_seconds=1.5, memory_bytes=800, oom_kills=1)


@pytest.mark.parametrize(
    "groups", ["", "0::/\n", "0::/../../host\n", "4:memory:/docker/abc\n", VERSION_2]
)
def test_counters_that_are_not_there_are_not_known(tmp_path: Path, groups: str) -> None:
    assert cgroups.read(7, process(tmp_path, groups), tmp_path) is None
    assert cgroups.read(8, tmp_path / "proc", tmp_path) is None


# The kernel's log

KILLED = (
    "6,9,9,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset={id},mems_allowed=0,"
    "oom_memcg={group},task_memcg={group},task={name},pid=7,uid=10001\n"
)


@pytest.mark.parametrize(
    "group", ["/docker/{id}", "/system.slice/docker-{id}.scope", "/docker/{id}/inner"]
)
def test_the_killed_process_is_found_by_its_container(tmp_path: Path, group: str) -> None:
    log = tmp_path / "kmsg"
    where = group.format(id=CONTAINER)
    log.write_text(
        KILLED.format(id="e" * 64, group="/docker/" + "e" * 64, name="other")
        + KILLED.format(id=CONTAINER, group=where, name="python")
    )
    kernel = KernelLog(log)
    assert kernel.killed(CONTAINER) == "python"
    with log.open("a") as file:
        file.write(KILLED.format(id=CONTAINER, group=where, name="pt_data_worker"))
    assert kernel.killed(CONTAINER) == "pt_data_worker"
    assert kernel.killed("f" * 64) is None
    kernel.close()


def test_without_a_log_nothing_is_said(tmp_path: Path) -> None:
    assert KernelLog(tmp_path / "none").killed(CONTAINER) is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("python3.11", "python3.11"),
        ("<script>alert()", "?script?alert??"),
        ("a,pid=1,uid=0", "a?pid?1?uid?0"),
        ("名字\x1b[31m", "????31m"),
    ],
)
def test_a_process_name_is_made_plain(name: str, shown: str) -> None:
    assert plain_name(name) == shown
