"""Six processes that enter, dispatch and give back, killed again and again: no card is held twice.

Four students and two keepers, each killed by SIGKILL at any moment and replaced, for a few seconds
on each database; RADLAB_KILL_SECONDS=60 makes it a minute. At the end nothing is half done: what is
left starts, runs and ends, and everybody who waits is served in order.
"""

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
from hub_config.gpus.model import Ended
from hub_config.queueing.model import State
from hub_config.settings import Settings
from tests.hub_config.queueing.story import Site

SECONDS = float(os.environ.get("RADLAB_KILL_SECONDS", "4"))
CARDS, STUDENTS, KEEPERS = 2, 4, 2
MEMBER = Path(__file__).with_name("crowd_member.py")
ROOT = Path(__file__).parents[3]


class Crowd:
    """Processes of crowd_member.py over one database."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder = site, folder
        self.running: dict[str, tuple[str, int]] = {}
        self.kills = 0
        url = site.engine.url.render_as_string(hide_password=False)
        self.forker = subprocess.Popen(
            [sys.executable, str(MEMBER), url, site.settings.state, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def start(self, kind: str, name: str) -> None:
        assert self.forker.stdin
        assert self.forker.stdout
        print(kind, name, file=self.forker.stdin, flush=True)
        self.running[name] = (kind, int(self.forker.stdout.readline()))

    def kill(self, name: str) -> str:
        """SIGKILL, whatever it is doing; then its containers are gone, and that is noted."""
        kind, number = self.running.pop(name)
        kill(number)
        self.kills += 1
        for lease in self.site.ledger.active():
            if lease.username == name:
                for uuid in lease.device_uuids:
                    (self.folder / uuid).unlink(missing_ok=True)
                self.site.ledger.release(lease.id, Ended.CONTAINER_GONE, clock.now())
        return kind

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


def wait_until(condition: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


@contextmanager
def a_crowd(site: Site, folder: Path) -> Iterator[Crowd]:
    crowd = Crowd(site, folder)
    try:
        yield crowd
    finally:
        for _, number in crowd.running.values():
            kill(number)
        crowd.forker.communicate(timeout=30)


def test_processes_that_are_killed_never_leave_a_card_held_twice_or_a_place_lost(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    site = Site(engine, settings, now=clock.now())
    site.cards(*["aa"] * CARDS)
    folder = tmp_path / "witnesses"
    folder.mkdir()
    chance = random.Random(3)
    with a_crowd(site, folder) as crowd:
        for index in range(STUDENTS):
            crowd.start("student", f"s{index}")
        for index in range(KEEPERS):
            crowd.start("keeper", f"k{index}")
        wait_until(lambda: len(crowd.granted()) >= STUDENTS or crowd.errors())
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends and not crowd.errors():
            time.sleep(chance.uniform(0.0, 0.25))
            name = chance.choice(sorted(crowd.running))
            crowd.start(crowd.kill(name), name)
        for name in sorted(crowd.running):
            crowd.kill(name)
    assert crowd.errors() == []
    granted = crowd.granted()
    assert len(granted) == len(set(granted)) >= STUDENTS
    assert crowd.kills > STUDENTS + KEEPERS
    assert site.ledger.active() == []
    all_that_wait_are_served_in_order(site)
    print(f"{len(granted)} leases, {crowd.kills} kills")


def all_that_wait_are_served_in_order(site: Site) -> None:
    """What the killed left open is served by the next keeper, first come first served."""
    site.now = clock.now()
    left = [place.username for place in site.queue.open()]
    assert len(left) == len(set(left))
    served: list[str] = []
    while site.queue.open():
        for place in site.queue.dispatch(site.now, 1):
            assert place.lease_id
            assert place.state is State.STARTING
            served.append(place.username)
            site.arrive(place.lease_id)
            site.ledger.release(place.lease_id, Ended.STOPPED, site.now)
        assert len(served) <= len(left)
    assert served == [name for name in left if name in served]
