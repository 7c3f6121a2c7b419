"""The two Docker networks of the students, made with the Engine's API."""

from __future__ import annotations

import ipaddress
from typing import Any

from docker import DockerClient
from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

from hub_config.errors import Conflict
from hub_config.network import rules, surroundings
from hub_config.settings import Settings

LABEL = "radlab.instance"


class NetworkInUse(Conflict):
    """A network differs from its settings, and containers are on it."""

    code = "network_in_use"


class ForeignContainers(Conflict):
    """Containers that RadLab did not start are on its networks."""

    code = "foreign_containers"


def ensure_networks(client: DockerClient, settings: Settings) -> list[str]:
    """Make what is missing of both networks; the names of those made, none where both were."""
    wanted = {
        rules.network_name(settings, internet): (_subnet(settings, internet), internet)
        for internet in (False, True)
    }
    found = {name: _find(client, name) for name in wanted}
    missing = []
    for name, (subnet, internet) in wanted.items():
        if found[name] is None or not _fits(found[name], name, subnet, internet):
            missing.append(name)
    if not missing:
        return []
    for name in missing:
        _remove_if_unused(found[name])
    rules.check_subnets(rules.plan(settings), _taken(client, set(wanted)))
    for name in missing:
        _create(client, settings, name, *wanted[name])
    return missing


def remove_networks(client: DockerClient, settings: Settings) -> None:
    """Remove both networks; ForeignContainers, and neither is removed, where any is on them."""
    names = [rules.network_name(settings, internet) for internet in (False, True)]
    found = [network for network in (_find(client, name) for name in names) if network]
    for network in found:
        network.reload()
        there = sorted(one["Name"] for one in (network.attrs["Containers"] or {}).values())
        if there:
            raise ForeignContainers(
                "The network {name} stays, and the firewall rules with it: containers that are "
                "not RadLab's are on it ({containers}).",
                do="Take them off: docker network disconnect {name} {first}; then "
                "`./radlab down` again.",
                name=network.name,
                containers=", ".join(there),
                first=there[0],
            )
    for network in found:
        network.remove()


def network_problems(client: DockerClient, settings: Settings) -> list[str]:
    """What is missing or wrong of both networks, as sentences."""
    wrong = []
    for internet in (False, True):
        name = rules.network_name(settings, internet)
        network = _find(client, name)
        if network is None:
            wrong.append(f"the network {name} is missing")
        elif not _fits(network, name, _subnet(settings, internet), internet):
            wrong.append(f"the network {name} differs from the settings")
    return wrong


def _subnet(settings: Settings, internet: bool) -> str:
    return settings.open_subnet if internet else settings.closed_subnet


def _options(name: str, internet: bool) -> dict[str, str]:
    return {
        "com.docker.network.bridge.name": name,
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "true" if internet else "false",
    }


def _find(client: DockerClient, name: str) -> Any | None:
    try:
        return client.networks.get(name)
    except NotFound:
        return None


def _fits(network: Any, name: str, subnet: str, internet: bool) -> bool:
    shown = network.attrs
    pools = [pool.get("Subnet") for pool in (shown["IPAM"].get("Config") or [])]
    return (
        pools == [subnet]
        and shown["Internal"] is (not internet)
        and not shown["EnableIPv6"]
        and _options(name, internet).items() <= shown["Options"].items()
    )


def _create(
    client: DockerClient, settings: Settings, name: str, subnet: str, internet: bool
) -> None:
    gateway = str(next(ipaddress.IPv4Network(subnet).hosts()))
    client.networks.create(
        name,
        driver="bridge",
        internal=not internet,
        enable_ipv6=False,
        options=_options(name, internet),
        labels={LABEL: settings.instance},
        ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet, gateway=gateway)]),
    )


def _remove_if_unused(network: Any | None) -> None:
    if network is None:
        return
    network.reload()
    if network.attrs["Containers"]:
        raise NetworkInUse(
            "The network {name} differs from the settings, and containers are on it.",
            do="Stop the students' containers with `./radlab down`, then `./radlab up` again.",
            name=network.name,
        )
    network.remove()


def _taken(client: DockerClient, ours: set[str]) -> list[tuple[str, str]]:
    """Networks of the machine and of Docker that ours must not overlap."""
    taken = [
        (network, f"the interface {interface}")
        for network, interface, _ in surroundings.routes()
        if interface not in ours and network != "0.0.0.0/0"
    ]
    for network in client.networks.list():
        if network.name in ours:
            continue
        for pool in network.attrs["IPAM"].get("Config") or []:
            subnet = pool.get("Subnet", "")
            if subnet and ":" not in subnet:
                taken.append((subnet, f"the Docker network {network.name}"))
    return taken
