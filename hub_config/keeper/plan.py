"""What a lease's container is: all that follows from the lease, nothing that was asked for.

Of a start's order only the environment (names of the schema alone) and the arguments are taken;
of those names, what the lease knows better is the lease's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from hub_config.containers.model import StartOrder
from hub_config.containers.rules import internet_allowed
from hub_config.gpus.rules import INSTANCE_LABEL, LEASE_LABEL, USER_LABEL, Lease, container_name
from hub_config.keeper.hardening import Container
from hub_config.network.rules import network_dns, network_name
from hub_config.offers.images import Image
from hub_config.settings import Settings

_EVERYONE = "everyone"


def container_for(
    settings: Settings, lease: Lease, image: Image, order: StartOrder, home: str, internet: bool
) -> Container:
    """The container of that lease; ImageNotBuilt."""
    return Container(
        name=container_name(settings.instance, lease.id),
        image=image.tag,
        environment={**order.environment, **_facts(lease)},
        labels={
            INSTANCE_LABEL: settings.instance,
            LEASE_LABEL: lease.id,
            USER_LABEL: lease.username,
        },
        network=network_name(settings, internet),
        dns=network_dns(settings, internet),
        home_volume=home,
        datasets=str(visible_folder(settings, lease.group)),
        modules=str(settings.path("modules")),
        cpus=lease.cpus,
        memory_mb=lease.memory_mb,
        pids=image.pids,
        device_uuids=() if lease.simulated else lease.device_uuids,
        command=order.arguments or None,
    )


def _facts(lease: Lease) -> dict[str, str]:
    return {
        "RADLAB_LEASE": lease.id,
        "RADLAB_GPUS": ",".join(lease.device_uuids),
        "RADLAB_GPUS_SIMULATED": "1" if lease.simulated else "0",
    }


def reaches_internet(lease: Lease, groups: Iterable[str], policies: Mapping[str, bool]) -> bool:
    """Whether that lease's container may reach the internet; `groups` are its user's.

    The group that it counts for decides where it holds a GPU; else any of the user's groups.
    """
    names = {*groups, *filter(None, [lease.group])}
    own = {name: policies[name] for name in names if name in policies}
    return internet_allowed(lease.group if lease.devices else None, own)


def visible_folder(settings: Settings, group: str | None) -> Path:
    """The folder of dataset versions that a container of that group sees.

    The ledger is written by services that are not root: what is no name there is no path here.
    """
    room = dataset_room(settings, group)
    return room if room.is_dir() else dataset_room(settings, None)


def dataset_room(settings: Settings, group: str | None) -> Path:
    """The folder of that group, there or not; who is in none that can have one sees everyone's."""
    own = group if group and Path(group).name == group and not group.startswith(".") else None
    return settings.path("datasets", "visible", own or _EVERYONE)


def visible_versions(folder: Path) -> list[str]:
    """Every `name@version` that `folder` shows now, in order; empty where it cannot be read.

    Of a version that was withdrawn only the reason is left, and nobody works with it.
    """
    try:
        found = [
            f"{dataset.name}@{version.name}"
            for dataset in folder.iterdir()
            if dataset.is_dir()
            for version in dataset.iterdir()
            if version.is_dir() and not (version / "withdrawn.json").exists()
        ]
    except OSError:
        return []
    return sorted(found)
