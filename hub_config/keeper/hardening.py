"""How a student's container is fenced in: the arguments of Docker's create call; pure.

Students are untrusted (`TRUST.md`). A container runs as one unprivileged user without
capabilities and cannot gain any; processes, memory and CPU are bounded; its own files cannot be
written, its home and `/tmp` can. It sees its GPUs and no other, its home, and read-only the
datasets and modules. Docker's default seccomp filter and masked paths stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docker.types import DeviceRequest, LogConfig, Mount, Ulimit

USER = "10001:10001"
HOME = "/home/student"
PORT = 8888
STOP_SECONDS = 10
_MB = 1024 * 1024
_CPU_PERIOD = 100_000  # microseconds; also what control groups of version 1 take
_TMP_BYTES = 1024 * _MB
_LARGEST_SHARED_BYTES = 2048 * _MB


@dataclass(frozen=True, kw_only=True)
class Container:
    """All that tells one student's container from another's."""

    name: str
    image: str
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    network: str
    dns: Sequence[str]
    home_volume: str
    datasets: str
    modules: str
    cpus: float
    memory_mb: int
    pids: int
    device_uuids: Sequence[str] = ()
    command: Sequence[str] | None = None
    port: int = field(default=PORT)


def create_arguments(container: Container) -> dict[str, Any]:
    """The keyword arguments of `APIClient.create_container`, without its `host_config`."""
    return {
        "name": container.name,
        "image": container.image,
        "command": list(container.command) if container.command else None,
        "environment": {**container.environment, **gpu_environment(container.device_uuids)},
        "labels": dict(container.labels),
        "user": USER,
        "working_dir": HOME,
        "hostname": "radlab",
        "ports": [(container.port, "tcp")],
        "detach": True,
        "tty": False,
        "stdin_open": False,
    }


def host_config(container: Container) -> dict[str, Any]:
    """The keyword arguments of `APIClient.create_host_config`: the fence itself."""
    memory = container.memory_mb * _MB
    return {
        # Rights
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "privileged": False,
        "read_only": True,
        # Amounts. No swap beside the memory, so that one student's leak slows nobody else.
        "pids_limit": container.pids,
        "mem_limit": memory,
        "memswap_limit": memory,
        "cpu_period": _CPU_PERIOD,
        "cpu_quota": int(container.cpus * _CPU_PERIOD),
        "oom_score_adj": 500,  # where the whole host is short, a student goes before a service
        "ulimits": [
            Ulimit(name="nofile", soft=16384, hard=16384),
            Ulimit(name="core", soft=0, hard=0),
        ],
        "log_config": LogConfig(type="json-file", config={"max-size": "1m", "max-file": "2"}),
        # Places. torch compiles kernels into /tmp and loads them: it must allow execution.
        "tmpfs": {
            "/tmp": f"rw,exec,nosuid,nodev,size={min(_TMP_BYTES, memory // 2)},mode=1777",
            "/run": f"rw,noexec,nosuid,nodev,size={16 * _MB},mode=755",
        },
        "mounts": mounts(container),
        "ipc_mode": "private",
        "shm_size": min(memory // 2, _LARGEST_SHARED_BYTES),  # torch's DataLoader shares here
        # Network
        "network_mode": container.network,
        "dns": list(container.dns),
        "dns_search": ["."],  # not the hospital's own domain, which Docker would copy
        "sysctls": {"net.ipv6.conf.all.disable_ipv6": "1"},
        # Life: we remove it ourselves, after reading why it ended; it never comes back alone. The
        # image brings an init of its own: the engine's is a package that not every host has.
        "init": False,
        "auto_remove": False,
        "restart_policy": {"Name": "no"},
        "device_requests": device_requests(container.device_uuids),
    }


def mounts(container: Container) -> list[Mount]:
    """The home, writable, and what all see, read-only."""
    return [
        # Docker fills an empty volume from the image, with its owner: the home becomes theirs.
        Mount(target=HOME, source=container.home_volume, type="volume", no_copy=False),
        Mount(target="/datasets", source=container.datasets, type="bind", read_only=True),
        Mount(target="/modules", source=container.modules, type="bind", read_only=True),
    ]


def device_requests(uuids: Sequence[str]) -> list[DeviceRequest]:
    """What `docker run --gpus device=UUID,...` asks for; nothing where there is no GPU."""
    if not uuids:
        return []
    return [DeviceRequest(device_ids=list(uuids), capabilities=[["gpu"]])]


def gpu_environment(uuids: Sequence[str]) -> dict[str, str]:
    """What NVIDIA's runtime reads: exactly these GPUs, or explicitly none.

    An image may bring `NVIDIA_VISIBLE_DEVICES=all`, and where NVIDIA's runtime is the engine's
    default that alone would show every GPU of the server.
    """
    if not uuids:
        return {"NVIDIA_VISIBLE_DEVICES": "void"}
    return {
        "NVIDIA_VISIBLE_DEVICES": ",".join(uuids),
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    }
