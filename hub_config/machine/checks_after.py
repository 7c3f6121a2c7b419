"""What the doctor looks at on a machine on which `up` has run: networks, walls, images, data."""

from __future__ import annotations

import pwd
import stat
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.engine import make_url

from hub_config.containers.door import problems as socket_problems
from hub_config.db import Base, open_database, reading
from hub_config.gpus.inventory import find_devices
from hub_config.gpus.store import DeviceStore
from hub_config.machine import apt, checkout
from hub_config.machine.checks import BEFORE, Check, engine_, fine, services
from hub_config.machine.engine import connect
from hub_config.machine.image_build import catalog, has_image, read_site
from hub_config.machine.state import engine_group
from hub_config.network.bridges import network_problems
from hub_config.network.walls import inspect_walls, require_walls
from hub_config.offers.building import plan_builds
from hub_config.settings import Settings

_NVIDIA_HOOKS = ("nvidia-container-runtime-hook", "nvidia-container-toolkit", "nvidia-ctk")


def networks(settings: Settings) -> Check:
    """The students' two networks in the engine."""
    wrong = network_problems(connect(settings), settings)
    if wrong:
        return Check("networks", "wrong", "; ".join(wrong), "`./radlab up` makes them.")
    return fine("networks", f"{settings.closed_subnet} closed, {settings.open_subnet} open")


def walls(settings: Settings) -> Check:
    """The firewall rules, really read back, and bridged frames seen by them."""
    wrong = inspect_walls(settings)
    if wrong:
        return Check(
            "walls",
            "wrong",
            "; ".join(wrong[:2]) + (f"; and {len(wrong) - 2} more" if len(wrong) > 2 else ""),
            "The keeper mends them within 5 s while it runs: `./radlab up`.",
        )
    return fine("walls", "read back from the kernel, as they should be")


def keeper(settings: Settings) -> Check:
    """The heartbeat that containers are started by, and the socket on which that is asked for."""
    require_walls(settings)
    wrong = socket_problems(settings)
    if wrong:
        return Check("keeper", "wrong", "; ".join(wrong), "`./radlab up` starts it anew.")
    return fine("keeper", "vouched for the walls less than 30 s ago; only services may ask it")


def engine_rights(settings: Settings) -> Check:
    """Who may use the Docker Engine, which is as much as being root: the keeper alone."""
    name = "engine rights"
    address = settings.engine.removeprefix("unix://")
    if address == settings.engine:
        return fine(name, f"{settings.engine} is no socket of this machine")
    try:
        user = pwd.getpwnam(settings.system_user)
    except KeyError:
        return fine(name, "there is no system user yet")
    if not Path(address).exists():
        return Check(name, "wrong", f"{address} is missing", "Start the engine: `./radlab up`.")
    if Path(address).stat().st_mode & stat.S_IWOTH:
        return Check(name, "wrong", f"everybody may use {address}", f"chmod o= {address}")
    group = engine_group(settings, user)
    if group is not None:
        return Check(
            name,
            "wrong",
            f"the services' user {user.pw_name} is in the group {group.gr_name}, which may use "
            f"{address} and is thereby root",
            f"`./radlab up` takes it out; by hand: gpasswd -d {user.pw_name} {group.gr_name}",
        )
    return fine(name, "the keeper alone uses the Docker Engine")


def images(settings: Settings) -> Check:
    """The images of the checkout's catalog in the engine."""
    root = checkout.root()
    site = read_site(settings, root)
    planned = plan_builds(catalog(settings, site), site)
    client = connect(settings)
    missing = [build.image.id for build in planned if not has_image(client, build.tag)]
    if missing:
        return Check(
            "images", "wrong", f"not built: {', '.join(missing)}", "`./radlab up` builds them."
        )
    return fine("images", ", ".join(build.tag for build in planned))


def database(settings: Settings) -> Check:
    """RadLab's tables."""
    name = make_url(settings.radlab_database_url).render_as_string(hide_password=True)
    if _is_missing(settings):
        return Check("database", "wrong", f"{name} is missing", "`./radlab up` makes it.")
    opened = open_database(settings.radlab_database_url)
    with reading(opened) as session:
        there = set(inspect(session.connection()).get_table_names())
    missing = set(Base.metadata.tables) - there
    if missing:
        listed = ", ".join(sorted(missing))
        return Check("database", "wrong", f"{name} lacks {listed}", "`./radlab up` adds them.")
    return fine("database", name)


def gpus(settings: Settings) -> Check:
    """GPUs, and what hands them to containers."""
    found = find_devices(settings)
    if not found:
        return Check(
            "gpus",
            "warning",
            "no GPU: students get CPUs only",
            "Install NVIDIA's driver, or try RadLab with ./radlab up --simulate-gpus 4x24",
        )
    if found[0].simulated:
        return fine("gpus", f"{len(found)} simulated")
    if not any(map(apt.find_program, _NVIDIA_HOOKS)):
        return Check(
            "gpus",
            "wrong",
            f"{len(found)} GPUs, but nothing that hands them to containers",
            "Install NVIDIA's nvidia-container-toolkit, then restart the Docker Engine.",
        )
    unknown = {one.uuid for one in found} - _known(settings)
    if unknown:
        return Check(
            "gpus", "warning", f"{len(unknown)} GPUs not recorded yet", "The keeper does it."
        )
    return fine("gpus", f"{len(found)}: {', '.join(sorted({one.model for one in found}))}")


def _known(settings: Settings) -> set[str]:
    if _is_missing(settings):
        return set()
    opened = open_database(settings.radlab_database_url)
    return {row.uuid for row in DeviceStore(opened).all()}


def _is_missing(settings: Settings) -> bool:
    """Whether opening the database would make it: an earlier version's would stay where it is."""
    url = make_url(settings.radlab_database_url)
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


ALL: list[Callable[[Settings], Check]] = [
    *BEFORE,
    engine_,
    networks,
    walls,
    keeper,
    engine_rights,
    images,
    database,
    gpus,
    services,
]
