"""What `./radlab doctor` looks at, and `./radlab up` before it begins.

Each check answers with one `Check`; a check that itself fails is a finding, not an end. Those
with `before` are asked on a machine that has nothing of RadLab yet.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.machine import apt, certificate, engine, ports
from hub_config.machine.running import manager
from hub_config.machine.services import NAMES, trouble
from hub_config.machine.state import free_gigabytes
from hub_config.network import rules, surroundings
from hub_config.settings import Settings

Verdict = Literal["ok", "warning", "wrong"]
DISK_GB_FIRST = 12  # images, packages and sample data, measured, and a third on top
DISK_GB_LATER = 2
MEMORY_GB = 4


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it is, what to do."""

    name: str
    verdict: Verdict
    finding: str
    do: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; a warning lets RadLab run."""
        return self.verdict != "wrong"


def fine(name: str, finding: str) -> Check:
    """Nothing to do."""
    return Check(name, "ok", finding)


def run_checks(settings: Settings, checks: list[Callable[[Settings], Check]]) -> list[Check]:
    """All findings, in order; a refusal raised by a check becomes its finding."""
    found = []
    for check in checks:
        name = check.__name__.rstrip("_")
        try:
            found.append(check(settings))
        except RadLabError as error:
            found.append(Check(name, "wrong", error.message, error.do or ""))
        except PermissionError as error:
            found.append(Check(name, "wrong", str(error), "Run this as root."))
    return found


def python(settings: Settings) -> Check:
    """The interpreter, and the machine it runs on."""
    version = platform.python_version()
    if platform.machine() not in ("x86_64", "aarch64"):
        return Check(
            "python",
            "warning",
            f"Python {version} on {platform.machine()}, for which few packages are built",
        )
    return fine("python", f"Python {version}, {sys.executable}")


def clock_(settings: Settings) -> Check:
    """The time, which expiries and leases depend on."""
    # The checkout cannot be older than its own files: a clock before them is wrong.
    newest = Path(__file__).stat().st_mtime
    now = clock.now()
    if now.timestamp() < newest - 86_400:
        return Check(
            "clock", "wrong", f"the clock says {clock.to_iso(now)}, before this file was written",
            "Set it, and let it be kept: timedatectl set-ntp true",
        )  # fmt: skip
    return fine("clock", clock.to_iso(now))


def disk(settings: Settings) -> Check:
    """Room for images and state."""
    first = not settings.path("offers", "images.yaml").exists()
    needed = DISK_GB_FIRST if first else DISK_GB_LATER
    for place in {Path(settings.state), Path("/var/lib/docker")}:
        free = free_gigabytes(place)
        if free < needed:
            return Check(
                "disk",
                "wrong",
                f"{free:.1f} GB are free at {place}; RadLab needs {needed} GB "
                + ("to be installed" if first else "to work"),
                f"Make room there, at least {needed - free:.1f} GB"
                + (", or put the state elsewhere with RADLAB_STATE." if first else "."),
            )
    return fine("disk", f"{free_gigabytes(Path(settings.state)):.0f} GB free")


def memory(settings: Settings) -> Check:
    """Room for students' containers."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if total < MEMORY_GB:
        return Check(
            "memory",
            "warning",
            f"{total:.1f} GB of memory; a student's container with torch wants 3 GB",
        )
    return fine("memory", f"{total:.0f} GB")


def programs(settings: Settings) -> Check:
    """Programs of the system that RadLab needs."""
    missing = apt.missing_for_up()
    if missing:
        return Check(
            "programs",
            "wrong",
            f"missing: {', '.join(missing)}",
            f"`./radlab up` installs them; by hand: apt-get install {' '.join(missing)}",
        )
    return fine("programs", "engine, iptables, debootstrap and keyrings are there")


def subnets(settings: Settings) -> Check:
    """The students' networks beside those of the machine."""
    ours = {rules.network_name(settings, internet) for internet in (False, True)}
    taken = [
        (network, f"the interface {interface}")
        for network, interface, _ in surroundings.routes()
        if interface not in ours and network != "0.0.0.0/0"
    ]
    rules.check_subnets(rules.plan(settings), taken)
    return fine("subnets", f"{settings.closed_subnet} and {settings.open_subnet} are free")


def port(settings: Settings) -> Check:
    """The ports of services that do not run yet."""
    supervise = manager(settings)
    wanted = {
        "proxy": [
            (settings.listen, settings.port, "./radlab up --port N"),
            ("127.0.0.1", settings.proxy_api_port, "RADLAB_PROXY_API_PORT=N ./radlab up"),
        ],
        "portal": [("127.0.0.1", settings.portal_port, "RADLAB_PORTAL_PORT=N ./radlab up")],
    }
    for name, places in wanted.items():
        for address, number, flag in [] if supervise.running(name) else places:
            ports.require_free(address, number, flag)
    return fine("port", f"{settings.listen}:{settings.port}")


def certificate_(settings: Settings) -> Check:
    """HTTPS, or what stands for it."""
    if not settings.certificate:
        return plain_http(settings)
    now = clock.now()
    until = certificate.valid_until(Path(settings.certificate), now)
    said = f"{settings.certificate} is valid until {clock.to_iso(until)}"
    if certificate.ends_soon(until, now):
        return Check("certificate", "warning", said, "Renew it, then `./radlab up` again.")
    return fine("certificate", said)


def plain_http(settings: Settings) -> Check:
    """Whether passwords cross a network in the clear."""
    name = "certificate"
    if settings.certificate:
        return fine(name, "HTTPS")
    if settings.listen in ("127.0.0.1", "::1", "localhost"):
        return fine(name, "plain HTTP, on loopback only")
    if settings.trusted_proxy:
        return fine(name, f"plain HTTP, behind the front proxy {settings.trusted_proxy}")
    if settings.plain_http_accepted:
        return fine(name, "plain HTTP, which this site accepts")
    return Check(
        name,
        "warning",
        f"PLAIN HTTP on {settings.listen}:{settings.port}: passwords and codes cross the network "
        "unencrypted, for everybody on it to read",
        "Give a certificate: ./radlab up --certificate FILE; or a front proxy: --trusted-proxy "
        "ADDRESS; or only this machine: --listen 127.0.0.1",
    )


def engine_(settings: Settings) -> Check:
    """The Docker Engine."""
    client = engine.connect(settings, timeout=10)
    version = str(client.version()["Version"])
    if int(version.split(".")[0]) < 20:
        return Check(
            "engine", "wrong", f"the Docker Engine is {version}; 20.10 or later is needed",
            "Install the distribution's docker.io, or Docker's own packages.",
        )  # fmt: skip
    return fine("engine", f"Docker Engine {version} at {settings.engine}")


def services(settings: Settings) -> Check:
    """The platform's own processes."""
    silent = {name: trouble(settings, name) for name in NAMES}
    wrong = [f"{name} ({reason})" for name, reason in silent.items() if reason]
    if wrong:
        return Check(
            "services",
            "wrong",
            f"not ready: {'; '.join(wrong)}",
            "`./radlab up` starts them; `./radlab logs NAME` says more.",
        )
    return fine("services", ", ".join(NAMES))


BEFORE: list[Callable[[Settings], Check]] = [
    python,
    clock_,
    disk,
    memory,
    programs,
    subnets,
    port,
    certificate_,
]
