"""Who listens where: free ports, and the process that has one which is not."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hub_config.errors import Conflict

_LISTENING = "0A"  # include/net/tcp_states.h


class PortInUse(Conflict):
    """Another process listens on a port that RadLab needs."""

    code = "port_in_use"


def require_free(address: str, port: int, flag: str) -> None:
    """PortInUse, naming the process where it can be known, and the flag that changes the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise PortInUse(
                "Port {port} on {address} cannot be used: {reason}.",
                given=port,
                do="Stop {holder}, or choose another port: {flag}",
                port=port,
                address=address,
                reason=os.strerror(error.errno or 0),
                holder=holder(port) or "what listens there",
                flag=flag,
            ) from error


def holder(port: int) -> str:
    """`name (pid 12)` of the process that listens on `port`; empty where it cannot be known."""
    inodes = _listening(port)
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is not ours to look at
            if inodes.intersection(_open_files(folder)):
                return f"{(folder / 'comm').read_text().strip()} (pid {folder.name})"
    return ""


def _open_files(process: Path) -> Iterator[str]:
    for link in (process / "fd").iterdir():
        with suppress(OSError):
            yield os.readlink(link)


def _listening(port: int) -> set[str]:
    """The sockets, as /proc names them, that listen on `port`."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else []:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
