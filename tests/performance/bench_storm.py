"""`./radlab bench storm`: a whole class starts at once, beside stock JupyterHub, on one machine.

The arms follow each other in one run, on one engine, with one image (`base`) and new containers:

    stock    JupyterHub with DockerSpawner as its documentation sets it up
    patient  the same, its two timeouts raised to 900 s
    radlab   this platform whole: keeper, proxy, Hub, portal; accounts made with a code

Everybody signs in at the same moment, then clicks at the same moment (`--within 30` spreads the
clicks). `ready` is when the server answers by way of the public port. `place shown` is when the
pending page has the first position and expected time; `expected` is how far that first word was
off, as a share of the real wait. `api` is a light request (`GET /hub/api/user`) five times a
second by somebody who starts nothing. `stall` is how late the Hub's event loop came.

`--light` starts this platform alone with a stand-in for JupyterLab (`light_server.py`): real
keeper, real engine, real containers, but each of them answers after 0.1 s, so that what 270 people
ask of Hub, queue and keeper is measured, not how fast this machine imports Python.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from crowd import Fields, Person, Storm, Watch
from hubs import Hub, Parts, own_platform, parts, stock_hub
from light import stand_in
from members import CHOSEN, make_members, out_of_order
from ranges import judge
from storm_report import Figures, figures_of, table

ARMS = {
    "stock": "JupyterHub with DockerSpawner, its defaults, jupyterhub-singleuser of the base image",
    "patient": "the same, start_timeout and http_timeout 900 s",
    "radlab": "this platform, radlab-start of the same image",
    "light": "this platform, a stand-in server in the same image",
}
FULL = ("stock", "patient", "radlab")
PATIENT = """
c.Spawner.start_timeout = 900
c.Spawner.http_timeout = 900
"""
PASSWORD = "a long enough word for a storm"
WATCHER = "watcher"
_CALM_S = 2.0


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    students: int
    within_s: float
    deadline_s: float


async def run_class(
    hub: Hub, asked: Asked, sign_in: Callable[[Person], Any], fields: Fields | None
) -> Storm:
    """Sign everybody in, let them click, and see what becomes of it."""
    watcher = Person(hub.address, WATCHER)
    people = [Person(hub.address, f"s{number:03}") for number in range(1, asked.students + 1)]
    await sign_in(watcher)
    begun = time.perf_counter()
    await asyncio.gather(*(sign_in(person) for person in people))
    sign_in_s = time.perf_counter() - begun
    if fields is not None:
        for person in people:
            await person.open("/hub/spawn")
    await asyncio.sleep(_CALM_S)
    load, clicked = os.getloadavg()[0], time.time()
    watch = Watch(watcher)
    watching = asyncio.create_task(watch.run())

    async def click(number: int, person: Person) -> None:
        await asyncio.sleep(asked.within_s * number / max(1, len(people)))
        await person.start(fields, asked.deadline_s)

    await asyncio.gather(*(click(*one) for one in enumerate(people)))
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    for person in (watcher, *people):
        await person.http.close()
    return Storm(
        waits=[person.wait for person in people],
        sign_in_s=sign_in_s,
        api_s=watch.took_s,
        api_statuses=watch.statuses,
        begun_at=clicked,
        load_before=load,
        load_after=os.getloadavg()[0],
    )


async def stock_sign_in(person: Person) -> None:
    """The dummy authenticator takes any password."""
    status, leads = await person.send(
        "/hub/login", {"username": person.wait.name, "password": PASSWORD}
    )
    assert status == 302, leads


async def own_sign_in(person: Person) -> None:
    """With the password that the account was made with."""
    fields = {"username": person.wait.name, "password": PASSWORD}
    status, leads = await person.send("/hub/login", fields)
    assert status == 302, leads


def run_stock(asked: Asked, given: Parts, added: str) -> Figures:
    """One storm on stock JupyterHub."""
    with stock_hub(given, added) as hub:
        storm = asyncio.run(run_class(hub, asked, stock_sign_in, None))
        return figures_of(storm, hub.stalls)


def run_own(asked: Asked, given: Parts, *, light: bool) -> Figures:
    """One storm on this platform; its servers are stand-ins where `light` is set."""
    started = own_platform(given, stand_in) if light else own_platform(given)
    with started as (hub, settings):
        names = [WATCHER, *(f"s{number:03}" for number in range(1, asked.students + 1))]
        asyncio.run(make_members(hub.address, settings, names, PASSWORD))
        storm = asyncio.run(run_class(hub, asked, own_sign_in, CHOSEN))
        return {**figures_of(storm, hub.stalls), "out_of_order": out_of_order(settings)}


def main() -> int:
    """Measure, print, and judge where that is asked for."""
    parser = argparse.ArgumentParser(
        prog="radlab bench storm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--students", type=int, default=60)
    parser.add_argument("--within", type=float, default=0.0, help="seconds that clicks spread over")
    parser.add_argument("--arms", default=",".join(FULL), help="which of them, in this order")
    parser.add_argument("--light", action="store_true", help="this platform with stand-in servers")
    parser.add_argument("--deadline", type=float, default=180.0, help="seconds until one gives up")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--check", action="store_true", help="fail where ranges.yaml is not kept")
    given = parser.parse_args()
    arms = ["light"] if given.light else given.arms.split(",")
    if unknown := set(arms) - ARMS.keys():
        parser.error(f"there is no arm {', '.join(sorted(unknown))}; there are {', '.join(ARMS)}")
    asked = Asked(given.students, given.within, given.deadline)
    # Ended from outside, it still clears away what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    found = measure(arms, asked)
    print(table({arm: ARMS[arm] for arm in arms}, found, as_json=given.json))
    return judge(bench_name(asked, arms), found) if given.check else 0


def bench_name(asked: Asked, arms: list[str]) -> str:
    """Where `ranges.yaml` keeps the figures of such a run."""
    return f"storm-{'light-' if 'light' in arms else ''}{asked.students}"


def measure(arms: list[str], asked: Asked) -> dict[str, Figures]:
    """The figures of each arm, one after the other."""
    found: dict[str, Figures] = {}
    with parts() as given:
        for arm in arms:
            print(f"{arm}: {asked.students} students", file=sys.stderr, flush=True)
            if arm in ("radlab", "light"):
                found[arm] = run_own(asked, given, light=arm == "light")
            else:
                found[arm] = run_stock(asked, given, PATIENT if arm == "patient" else "")
    return found


if __name__ == "__main__":
    sys.exit(main())
