"""Homes: a folder of the state, seen by containers as a Docker volume.

The folder is made by the Hub's system user, and Docker gives it the image's owner when it fills
the empty volume from the image. It is kept when the session ends, and is the same in each image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docker import APIClient

from hub_config.containers.refusals import HomeTrouble
from hub_config.containers.rules import home_slug, volume_name
from hub_config.gpus.rules import INSTANCE_LABEL, USER_LABEL
from hub_config.settings import Settings


def make_home(settings: Settings, username: str) -> Path:
    """The folder of that user's home, made where it is missing; HomeTrouble."""
    folder = settings.path("homes", home_slug(username))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeTrouble(
            "The home folder {folder} cannot be made: {reason}.",
            do="Ask an administrator to check the disk and who owns that folder.",
            folder=folder,
            reason=error.strerror,
        ) from error
    return folder


def volume_arguments(settings: Settings, username: str) -> dict[str, Any]:
    """The keyword arguments of `APIClient.create_volume` for that user's home."""
    folder = settings.path("homes", home_slug(username))
    return {
        "name": volume_name(settings.instance, username),
        "driver": "local",
        "driver_opts": {"type": "none", "o": "bind", "device": str(folder)},
        "labels": {INSTANCE_LABEL: settings.instance, USER_LABEL: username},
    }


def ensure_home(client: APIClient, settings: Settings, username: str) -> str:
    """Make folder and volume where they are missing; the volume's name.

    HomeTrouble where a volume of that name lies elsewhere: Docker keeps a volume's first options,
    and the student would find another home, or somebody else's.
    """
    make_home(settings, username)
    wanted = volume_arguments(settings, username)
    client.create_volume(**wanted)
    # Asked again: after a restart the engine answers "create" for an old volume without options.
    volume = client.inspect_volume(wanted["name"])
    there = (volume.get("Options") or {}).get("device")
    if there != wanted["driver_opts"]["device"]:
        raise HomeTrouble(
            "The Docker volume {volume} lies at {there}, not at {wanted}.",
            do="Ask an administrator to remove that volume with `docker volume rm {volume}`; "
            "the files stay where they are.",
            volume=wanted["name"],
            there=there or "no folder of ours",
            wanted=wanted["driver_opts"]["device"],
        )
    return str(wanted["name"])
