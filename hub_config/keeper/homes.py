"""Homes: a folder of the state, seen by containers as a Docker volume.

The folder lies in `homes/`, where root alone makes anything: what is mounted into a container must
not be a link that somebody else put there. It belongs to the student, is filled from the image
when it is empty, is kept when the session ends, and is the same in each image.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker import APIClient

from hub_config.containers.refusals import HomeTrouble
from hub_config.containers.rules import home_slug, volume_name
from hub_config.gpus.rules import INSTANCE_LABEL, USER_LABEL
from hub_config.keeper.containers import said_clearly
from hub_config.keeper.hardening import USER
from hub_config.settings import Settings


def make_home(settings: Settings, username: str) -> Path:
    """The folder of that user's home, made where it is missing; HomeTrouble."""
    homes, slug = settings.path("homes"), home_slug(username)
    try:
        opened = os.open(homes, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _require_ours(homes, os.fstat(opened))
            _make(opened, slug)
        finally:
            os.close(opened)
    except OSError as error:
        raise _trouble(homes / slug, error.strerror or type(error).__name__) from error
    return homes / slug


def _require_ours(homes: Path, found: os.stat_result) -> None:
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if found.st_uid != os.geteuid() or others:
        raise _trouble(homes, "others than root may write there")


def _make(homes: int, slug: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(slug, 0o700, dir_fd=homes)
    found = os.stat(slug, dir_fd=homes, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is a link or a file")
    if found.st_uid == os.geteuid() == 0:
        user, group = map(int, USER.split(":"))
        os.chown(slug, user, group, dir_fd=homes, follow_symlinks=False)


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
    and the student would find another home, or somebody else's. EngineTrouble.
    """
    make_home(settings, username)
    wanted = volume_arguments(settings, username)
    with said_clearly():
        client.create_volume(**wanted)
        # Asked again: after a restart the engine answers "create" for an old volume without
        # its options.
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


def _trouble(folder: Path, reason: str) -> HomeTrouble:
    return HomeTrouble(
        "The home folder {folder} cannot be made: {reason}.",
        do="Ask an administrator to check the disk and who owns that folder.",
        folder=folder,
        reason=reason.rstrip("."),
    )
