"""The steps of `./radlab down`: all of this RadLab stops, and every file stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import requests
from docker import DockerClient
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from hub_config import clock
from hub_config.db import open_database
from hub_config.errors import Unready
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.rules import Ended
from hub_config.machine import engine
from hub_config.machine.progress import Say
from hub_config.machine.running import stop_services
from hub_config.network.bridges import LABEL, remove_networks
from hub_config.network.walls import tear_down_walls
from hub_config.settings import Settings

_AT_ONCE = 10
_GOING_SECONDS = 30


class EngineRefused(Unready):
    """The Docker Engine did not do what ending RadLab needs."""

    code = "engine_refused"


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
    try:
        remove_networks(client, settings)
    except DockerException as error:
        raise _refused("The students' networks could not be removed", error) from error
    # After the networks: as long as one stands, somebody may be on it.
    tear_down_walls(settings)
    client.close()
    if engine.stop_if_ours(settings):
        say("stopped the Docker Engine, which `up` had started")


def _stop_containers(client: DockerClient, settings: Settings, say: Say) -> None:
    ours = {"label": [f"{LABEL}={settings.instance}"]}
    try:
        standing = client.containers.list(all=True, filters=ours, ignore_removed=True)
    except DockerException as error:
        raise _refused("The students' servers could not be listed", error) from error
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ends = [pool.submit(_stop_container, container, say) for container in standing]
    for end in ends:
        end.result()


def _stop_container(container: Container, say: Say) -> None:
    say(f"stopping the server {container.name}")
    try:
        container.stop(timeout=10)
        container.remove(v=True, force=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise _refused(f"The server {container.name} could not be stopped", error) from error
        _wait_gone(container)  # the Engine removes it already
    except (DockerException, requests.RequestException) as error:
        raise _refused(f"The server {container.name} could not be stopped", error) from error


def _wait_gone(container: Container) -> None:
    try:
        container.wait(timeout=_GOING_SECONDS, condition="removed")
    except NotFound:
        return
    except (DockerException, requests.RequestException) as error:
        raise _refused(f"The server {container.name} is not gone yet", error) from error


def _refused(what: str, error: Exception) -> EngineRefused:
    reason = getattr(error, "explanation", None) or error
    return EngineRefused(
        "{what}: {reason}.",
        do="Run `./radlab down` again; the Docker Engine's own log says more.",
        what=what,
        reason=str(reason).rstrip("."),
    )


def _release_leases(settings: Settings, say: Say) -> None:
    """Their containers are gone: what they held is free again."""
    if not settings.database_url and not settings.database_file.exists():
        return
    database = open_database(settings.radlab_database_url)
    ledger = Ledger(database)
    for lease in ledger.active():
        ledger.release(lease.id, Ended.ADMINISTRATOR, clock.now())
        say(f"released the lease {lease.id} of {lease.username}")
    database.dispose()
