"""`./radlab bench start`: seconds from click to JupyterLab ready, beside plain DockerSpawner.

Two arms on one machine, one engine, one image, one run, taking turns:

    radlab  the running platform (`./radlab up`): its Hub, proxy and spawner, the hardened container
    plain   JupyterHub with DockerSpawner as its documentation sets it up, started for this run

`cold` is a start after the page cache was dropped (as after a reboot), `warm` one right after.
"""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from hubs import Parts, stock_hub
from student import Student
from table import report

from hub_config import clock
from hub_config.db import open_database
from hub_config.groups.rules import GroupExists
from hub_config.groups.store import GroupStore
from hub_config.invites.store import open_store
from hub_config.offers.images import load_images
from hub_config.settings import Settings, load_settings

NAME = "bench"
# A cold start takes longer than JupyterHub waits where nothing is set.
SLOW = """
c.Spawner.http_timeout = 180
c.Spawner.start_timeout = 180
"""


def radlab_student(settings: Settings) -> Student:
    """A new student of the running platform, in the group `bench`, let in by a code."""
    database = open_database(settings.radlab_database_url)
    with suppress(GroupExists):
        GroupStore(database).create("bench", title="Measurements", by="bench")
    store = open_store(settings, database)
    store.close(NAME)  # of a run that was cut off; a code bound to the name opens it again
    expires = clock.now() + timedelta(hours=1)
    issued = store.create(role="student", group="bench", by="bench", expires_at=expires, user=NAME)
    student = Student(local_address(settings), NAME)
    password = uuid.uuid4().hex
    fields = {"code": issued.code, "notice": "accepted", "username": NAME}
    student.send("/hub/signup", fields | {"password": password, "password_again": password})
    return student


def local_address(settings: Settings) -> str:
    """The public port as this machine reaches it."""
    host = settings.hub_address if settings.listen in ("0.0.0.0", "::") else settings.listen
    return f"{'https' if settings.certificate else 'http'}://{host}:{settings.port}"


def forget(settings: Settings) -> None:
    """Close the account that the measurement made; its group and home stay for the next one."""
    open_store(settings, open_database(settings.radlab_database_url)).close(NAME)


def drop_page_cache() -> None:
    """What a reboot does to files that were read: nothing of them is in memory any more."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def take_turns(
    arms: dict[str, tuple[Student, dict[str, str] | None]],
    turns: int,
    seconds: dict[str, list[float]],
    before: Callable[[], None] = lambda: None,
) -> None:
    """Start and stop each arm `turns` times; each goes first in every other turn."""
    for turn in range(turns):
        for arm in sorted(arms, reverse=turn % 2 == 1):
            student, fields = arms[arm]
            before()
            seconds[arm].append(student.start(fields))
            student.stop()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="radlab bench start", description=__doc__)
    parser.add_argument("--image", default="base", help="id in images/catalog.yaml")
    parser.add_argument("--cold", type=int, default=3, help="cold starts of each arm")
    parser.add_argument("--warm", type=int, default=5, help="warm starts of each arm")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    asked = parser.parse_args()
    settings = load_settings()
    image = load_images(settings.path("offers", "images.yaml")).image(asked.image)
    rows: dict[str, dict[str, list[float]]] = {
        row: {"radlab": [], "plain": []} for row in ("cold", "warm")
    }
    given = Parts(settings.engine, image.tag, settings.path("proxy"))
    with stock_hub(given, SLOW) as hub:
        plain = Student(hub.address, "plain")
        plain.send("/hub/login", {"username": "plain", "password": "plain"})
        try:
            ours = radlab_student(settings)
            chosen = {"start": f"image/{asked.image}/0", "language": "en"}
            arms = {"radlab": (ours, chosen), "plain": (plain, None)}
            take_turns(arms, asked.cold, rows["cold"], before=drop_page_cache)
            take_turns(arms, asked.warm, rows["warm"])
        finally:
            forget(settings)
    told = {
        "radlab": f"this platform, hardened container of {image.tag}",
        "plain": f"JupyterHub with DockerSpawner, container of {image.tag}",
    }
    print(report("seconds from click to JupyterLab ready", told, rows, as_json=asked.json))
    return 0


if __name__ == "__main__":
    sys.exit(main())
