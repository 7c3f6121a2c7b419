"""Our own supervisor: starts again what ends, stops what it started, ends what another left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub_config.machine import background, processes
from hub_config.machine.background import Background, Supervisor, rotate
from hub_config.machine.services import HUB, KEEPER, PROXY
from hub_config.settings import Settings


def wait_for(what: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def child(settings: Settings, name: str = "hub") -> processes.Identity:
    made: processes.Identity = json.loads(settings.path("run", f"{name}.json").read_text())["child"]
    return made


@pytest.fixture
def started(settings: Settings) -> Iterator[Callable[..., Supervisor]]:
    """Supervisors in threads of this process, stopped at the end."""
    running: list[tuple[Supervisor, threading.Thread]] = []

    def start(*words: str) -> Supervisor:
        supervisor = Supervisor(settings, "hub", list(words))
        thread = threading.Thread(target=supervisor.run)
        thread.start()
        running.append((supervisor, thread))
        return supervisor

    yield start
    for supervisor, thread in running:
        supervisor.stopping.set()
        thread.join(20)
        assert not thread.is_alive()


def test_what_ends_is_started_again(
    settings: Settings, started: Callable[..., Supervisor], tmp_path: Path
) -> None:
    count = tmp_path / "count"
    started("sh", "-c", f"echo x >> {count}; exit 3")
    wait_for(lambda: count.exists() and len(count.read_text().split()) >= 2)
    log = settings.path("log", "hub.log").read_text()
    assert "hub ended with status 3; starting again in 1 s" in log


def test_a_killed_service_comes_back_as_another_process(
    settings: Settings, started: Callable[..., Supervisor]
) -> None:
    started("sleep", "60")
    wait_for(settings.path("run", "hub.json").exists)
    first = child(settings)
    os.kill(first["pid"], signal.SIGKILL)
    wait_for(lambda: child(settings) != first)
    assert processes.lives(child(settings))


def test_stopping_ends_the_service_and_forgets_it(
    settings: Settings, started: Callable[..., Supervisor]
) -> None:
    supervisor = started("sleep", "60")
    wait_for(settings.path("run", "hub.json").exists)
    running = child(settings)
    assert Background(settings).running("hub")
    supervisor.stopping.set()
    wait_for(lambda: not Background(settings).running("hub"))
    assert not processes.lives(running)
    assert not settings.path("run", "hub.json").exists()


def test_a_second_supervisor_of_the_same_service_gives_way(
    settings: Settings, started: Callable[..., Supervisor]
) -> None:
    started("sleep", "60")
    wait_for(lambda: Background(settings).running("hub"))
    assert Supervisor(settings, "hub", ["false"]).run() == 1


def test_a_service_whose_supervisor_was_killed_is_ended_before_its_successor_starts(
    settings: Settings, started: Callable[..., Supervisor]
) -> None:
    with subprocess.Popen(["sleep", "60"]) as orphan:
        left = {"child": processes.identity(orphan.pid)}
        settings.path("run", "hub.json").write_text(json.dumps(left))
        started("sleep", "61")
        assert orphan.wait(10) == -signal.SIGTERM
    wait_for(lambda: child(settings)["pid"] != orphan.pid)


def test_a_number_that_now_belongs_to_another_process_is_left_alone(settings: Settings) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        stale = {"child": {"pid": stranger.pid, "began": 1}}
        settings.path("run", "hub.json").write_text(json.dumps(stale))
        Background(settings).stop("hub")
        assert stranger.poll() is None
        stranger.kill()


def test_a_log_that_grew_is_kept_once_and_emptied_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "hub.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old" * 100)
        rotate(log, most=200)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "hub.log.1").read_bytes() == b"old" * 100
    rotate(log, most=200)
    assert log.read_bytes() == b"new"


def test_only_the_keeper_stays_root_and_only_the_proxy_binds_low_ports(settings: Settings) -> None:
    settings.system_user = "nobody"
    assert "setpriv" not in background.command(settings, KEEPER)[0]
    hub, proxy = (background.command(settings, one) for one in (HUB, PROXY))
    assert "--no-new-privs" in hub and "--bounding-set=-all" in hub
    assert "--bounding-set=-all,+net_bind_service" in proxy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives rights away")
def test_a_service_runs_as_its_user_with_no_rights(settings: Settings) -> None:
    settings.system_user = "nobody"
    words = background.command(settings, HUB)
    show = [*words[: words.index("--no-new-privs") + 1], "cat", "/proc/self/status"]
    shown = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    facts = dict(line.split(":\t", 1) for line in shown.splitlines() if ":\t" in line)
    assert facts["Uid"].split()[0] != "0" and facts["NoNewPrivs"] == "1"
    assert int(facts["CapBnd"], 16) == int(facts["CapEff"], 16) == 0
