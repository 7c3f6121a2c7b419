"""Real processes that grant at once, some of them killed, never hold one GPU twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from hub_config import clock
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Device, Ended
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore

PROCESSES, DEVICES, KILLS = 5, 2, 8
GRANTER = Path(__file__).with_name("granter.py")
ROOT = Path(__file__).parents[3]


class Crowd:
    """Processes of granter.py over one database, each asking as a person of its own."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(engine)
        self.running: dict[str, int] = {}
        self.started = 0
        url = engine.url.render_as_string(hide_password=False)
        self.forker = subprocess.Popen(
            [sys.executable, str(GRANTER), url, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def start_one(self) -> None:
        self.started += 1
        username = f"p{self.started}"
        assert self.forker.stdin
        assert self.forker.stdout
        print(username, file=self.forker.stdin, flush=True)
        self.running[username] = int(self.forker.stdout.readline())

    def kill_one(self, username: str) -> None:
        """SIGKILL, whatever it is doing, then what a reconciler does when a container is gone."""
        kill(self.running.pop(username))
        for lease in [each for each in self.ledger.active() if each.username == username]:
            for uuid in lease.device_uuids:
                (self.folder / uuid).unlink(missing_ok=True)
            self.ledger.release(lease.id, Ended.CONTAINER_GONE, clock.now())

    def wait_for_each_to_hold_one(self) -> None:
        wait_until(lambda: len(list(self.folder.glob("*.log"))) == self.started or self.errors())

    def granted(self) -> list[str]:
        return [line for log in self.folder.glob("*.log") for line in log.read_text().split()]

    def errors(self) -> list[str]:
        return [path.read_text() for path in self.folder.glob("*.err")]


def kill(number: int) -> None:
    def is_gone() -> bool:
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            return True
        return False

    wait_until(is_gone)


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


@contextmanager
def a_crowd(engine: Engine, folder: Path) -> Iterator[Crowd]:
    crowd = Crowd(engine, folder)
    try:
        yield crowd
    finally:
        for number in crowd.running.values():
            kill(number)
        crowd.forker.communicate(timeout=30)


def test_processes_that_are_killed_never_leave_a_gpu_granted_twice(
    engine: Engine, tmp_path: Path
) -> None:
    GroupStore(engine).create("radiology", by="ada")
    store = DeviceStore(engine)
    store.record([Device(f"GPU-{i}", i, "Card", 24576) for i in range(DEVICES)], clock.now())
    for index in range(DEVICES):
        store.assign(str(index), "radiology", "ada")
    folder = tmp_path / "witnesses"
    folder.mkdir()
    chance = random.Random(2)
    with a_crowd(engine, folder) as crowd:
        for _ in range(PROCESSES):
            crowd.start_one()
        crowd.wait_for_each_to_hold_one()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.0, 0.1))
            crowd.kill_one(chance.choice(sorted(crowd.running)))
            crowd.start_one()
        for username in sorted(crowd.running):
            crowd.kill_one(username)
    assert crowd.errors() == []
    granted = crowd.granted()
    assert len(granted) == len(set(granted)) > PROCESSES
    assert crowd.ledger.active() == []
    assert not any(row.lease for row in store.all())
