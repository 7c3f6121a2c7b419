"""The walls on the real engine: what two containers reach, and what they do not."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from hub_config.network.bridges import NetworkInUse, ensure_networks, network_problems
from hub_config.network.rules import SubnetTaken, network_name
from hub_config.network.walls import build_walls, inspect_walls
from hub_config.settings import Settings

pytestmark = pytest.mark.engine


@contextlib.contextmanager
def listening(*ports: int) -> Iterator[None]:
    """Servers on all addresses of the host that greet and hang up."""
    sockets = [socket.create_server(("0.0.0.0", port)) for port in ports]

    def serve(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"hello\n")

    for server in sockets:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
    try:
        yield
    finally:
        for server in sockets:
            server.shutdown(socket.SHUT_RDWR)
            server.close()


@contextlib.contextmanager
def standing_in(
    client: docker.DockerClient, image: str, network: str, count: int = 1
) -> Iterator[list[Any]]:
    """Containers on `network` that greet on port 8888."""
    greet = ["/bin/busybox", "nc", "-ll", "-p", "8888", "-e", "/bin/busybox", "echo", "hello"]
    made = [client.containers.run(image, greet, network=network, detach=True) for _ in range(count)]
    try:
        for container in made:
            container.reload()
        yield made
    finally:
        for container in made:
            container.remove(force=True)


def address(container: Any) -> str:
    networks = container.attrs["NetworkSettings"]["Networks"].values()
    return str(next(iter(networks))["IPAddress"])


def reaches(container: Any, host: str, port: int) -> bool:
    command = ["/bin/busybox", "nc", "-w", "2", host, str(port)]
    done = container.exec_run(["/bin/busybox", "timeout", "4", *command], stdin=False)
    return b"hello" in done.output


def machine_address() -> str:
    """The host's address on its way out, where its other services listen; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("the machine has no network interface beside loopback")
        return str(probe.getsockname()[0])


@pytest.mark.parametrize("internet", [False, True], ids=["closed", "open"])
def test_a_container_reaches_two_ports_of_the_host_and_no_neighbour(
    docker_client: docker.DockerClient, walled: Settings, busybox: str, internet: bool
) -> None:
    name = network_name(walled, internet)
    with (
        listening(walled.hub_port, walled.port, 18022),
        standing_in(docker_client, busybox, name, count=2) as (first, second),
    ):
        with socket.create_connection((address(first), 8888), timeout=5) as from_host:
            assert from_host.recv(16)  # the proxy reaches it
        assert reaches(first, walled.hub_address, walled.hub_port)
        assert reaches(first, walled.hub_address, walled.port)
        assert not reaches(first, walled.hub_address, 18022)
        assert not reaches(first, machine_address(), walled.hub_port)
        assert not reaches(first, machine_address(), 18022)
        assert not reaches(first, "172.17.0.1", 18022)
        assert not reaches(first, address(second), 8888)
        assert reaches(second, "127.0.0.1", 8888)  # it does listen


def test_the_two_networks_do_not_reach_each_other(
    docker_client: docker.DockerClient, walled: Settings, busybox: str
) -> None:
    with (
        standing_in(docker_client, busybox, network_name(walled, False)) as (closed,),
        standing_in(docker_client, busybox, network_name(walled, True)) as (opened,),
        standing_in(docker_client, busybox, "bridge") as (stranger,),
    ):
        assert not reaches(closed, address(opened), 8888)
        assert not reaches(opened, address(closed), 8888)
        assert not reaches(opened, address(stranger), 8888)
        assert not reaches(stranger, address(opened), 8888)
        assert not reaches(stranger, walled.hub_address, walled.hub_port)


def test_what_goes_wrong_with_the_walls_is_seen_and_mended(walled: Settings) -> None:
    assert inspect_walls(walled) == []
    chain = f"RADLAB-LO-{walled.instance}"
    subprocess.run(["iptables", "-w", "-F", chain], check=True)
    subprocess.run(["iptables", "-w", "-I", "INPUT", "1", "-p", "igmp", "-j", "ACCEPT"], check=True)
    try:
        assert len(inspect_walls(walled)) == 2
        assert len(build_walls(walled)) == 2
        assert inspect_walls(walled) == []
        assert build_walls(walled) == []
    finally:
        subprocess.run(["iptables", "-w", "-D", "INPUT", "-p", "igmp", "-j", "ACCEPT"], check=True)


def test_making_the_networks_again_changes_nothing(
    docker_client: docker.DockerClient, walled: Settings
) -> None:
    assert ensure_networks(docker_client, walled) == []
    assert network_problems(docker_client, walled) == []


def test_a_network_that_differs_is_not_replaced_under_a_container(
    docker_client: docker.DockerClient, walled: Settings, busybox: str
) -> None:
    other = Settings(
        state=walled.state, instance=walled.instance, closed_subnet="172.30.250.0/24",
        open_subnet=walled.open_subnet,
    )  # fmt: skip
    name = network_name(walled, internet=False)
    with standing_in(docker_client, busybox, name), pytest.raises(NetworkInUse, match=name):
        ensure_networks(docker_client, other)
    assert network_problems(docker_client, walled) == []


def test_a_subnet_that_docker_has_given_away_is_refused(
    docker_client: docker.DockerClient, walled: Settings
) -> None:
    bridge = docker_client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"]
    clash = Settings(state=walled.state, instance="wclash", closed_subnet=bridge)
    with pytest.raises(SubnetTaken, match="closed_subnet"):
        ensure_networks(docker_client, clash)
    assert not docker_client.networks.list(names=["wclash"])
