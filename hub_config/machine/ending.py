"""The steps of `./radlab down`: all of this RadLab stops, and every file stays."""

from __future__ import annotations

from docker import DockerClient
from docker.errors import NotFound

from hub_config import clock
from hub_config.db import open_database
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.rules import Ended
from hub_config.machine import engine
from hub_config.machine.progress import Say
from hub_config.machine.running import stop_services
from hub_config.network.bridges import LABEL, remove_networks
from hub_config.network.walls import tear_down_walls
from hub_config.settings import Settings


def stop(settings: Settings, say: Say) -> None:
    """Stop services, then students' servers, then what `up` started of the machine."""
    stop_services(settings, say)
    if not engine.answers(settings):
        say(
            "the Docker Engine does not answer, so nothing is known of students' servers: "
            "their leases and the firewall rules stay"
        )
        return
    client = engine.connect(settings)
    _stop_containers(client, settings, say)
    _release_leases(settings, say)
    # Nothing of ours stands behind the walls any more.
    tear_down_walls(settings)
    remove_networks(client, settings)
    client.close()
    if engine.stop_if_ours(settings):
        say("stopped the Docker Engine, which `up` had started")


def _stop_containers(client: DockerClient, settings: Settings, say: Say) -> None:
    ours = {"label": [f"{LABEL}={settings.instance}"]}
    standing = client.containers.list(all=True, filters=ours, ignore_removed=True)
    for container in standing:
        say(f"stopping the server {container.name}")
        try:
            container.stop(timeout=10)
            container.remove(v=True, force=True)
        except NotFound:
            continue


def _release_leases(settings: Settings, say: Say) -> None:
    """Their containers are gone: what they held is free again."""
    if not settings.database_url and not settings.path("radlab.sqlite").exists():
        return
    database = open_database(settings.radlab_database_url)
    ledger = Ledger(database)
    for lease in ledger.active():
        ledger.release(lease.id, Ended.ADMINISTRATOR, clock.now())
        say(f"released the lease {lease.id} of {lease.username}")
    database.dispose()
