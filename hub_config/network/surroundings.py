"""What the machine is connected to: its IPv4 routes and name servers, read from the kernel."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path

_ROUTES = Path("/proc/net/route")
_RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_GATEWAY = 0x2


def parse_routes(table: str) -> list[tuple[str, str, bool]]:
    """(network, interface, whether directly connected) of each line of `/proc/net/route`."""
    routes = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        # The kernel prints addresses as little-endian hexadecimal numbers.
        address, mask = (_address(fields[column]) for column in (1, 7))
        network = str(ipaddress.IPv4Network(f"{address}/{mask}", strict=False))
        routes.append((network, fields[0], not int(fields[3], 16) & _GATEWAY))
    return routes


def routes() -> list[tuple[str, str, bool]]:
    """The machine's IPv4 routes; none where the kernel shows none."""
    return parse_routes(_ROUTES.read_text()) if _ROUTES.exists() else []


def local_networks() -> list[str]:
    """The networks that the machine is directly connected to."""
    return [network for network, _, connected in routes() if connected]


def parse_name_servers(text: str) -> list[str]:
    """The addresses on the `nameserver` lines of a resolv.conf."""
    lines = [line.split() for line in text.splitlines()]
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def name_servers() -> list[str]:
    """The name servers that Docker gives to containers: the host's, or systemd-resolved's."""
    for path in _RESOLVERS:
        found = parse_name_servers(path.read_text()) if path.exists() else []
        found = [server for server in found if not server.startswith("127.")]
        if found:
            return found
    return []


def _address(hexadecimal: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(struct.pack("<I", int(hexadecimal, 16)))
