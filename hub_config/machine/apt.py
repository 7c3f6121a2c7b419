"""Debian's and Ubuntu's packages: which are missing, and how to have them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from hub_config.errors import Unready
from hub_config.machine.processes import run_unattended
from hub_config.machine.progress import Say, tail

# The program or file that a part of RadLab needs, and the package that has it.
NEEDED = {
    "dockerd": "docker.io",
    "iptables": "iptables",
    "debootstrap": "debootstrap",
    "setpriv": "util-linux",
}
KEYRINGS = {
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}


class PackagesUnavailable(Unready):
    """The machine lacks packages that cannot be installed from here."""

    code = "packages_unavailable"


def missing_for_up() -> list[str]:
    """The packages that `up` needs and the machine lacks; an engine from elsewhere counts."""
    programs = [package for name, package in NEEDED.items() if not find_program(name)]
    return programs + [package for path, package in KEYRINGS.items() if not os.path.exists(path)]


def find_program(name: str) -> str | None:
    """Where a program lies; the folders of administration are looked into as well."""
    places = os.environ.get("PATH", "") + os.pathsep + "/usr/local/sbin:/usr/sbin:/sbin"
    return shutil.which(name, path=places)


def install(packages: Sequence[str], say: Say) -> None:
    """Install `packages`; PackagesUnavailable names the command to run by hand."""
    if not packages:
        return
    by_hand = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise PackagesUnavailable(
            "This machine lacks {packages}, and has no apt-get to install them with.",
            do="Install them the way of this system, then run this again.",
            packages=", ".join(packages),
        )
    if os.geteuid() != 0:
        raise PackagesUnavailable(
            "This machine lacks {packages}.",
            do="As root: {by_hand}",
            packages=", ".join(packages),
            by_hand=by_hand,
        )
    say(f"installing {', '.join(packages)}")
    _apt(["update"], by_hand)
    _apt(["install", "-y", "--no-install-recommends", *packages], by_hand)


def _apt(arguments: list[str], by_hand: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *arguments]
    done = run_unattended(command, environment)
    if done.returncode:
        raise PackagesUnavailable(
            "apt-get {verb} failed:\n{log}\n",
            do="Look at it by hand, with the network up: apt-get update && {by_hand}",
            verb=arguments[0],
            log=tail(done.stdout),
            by_hand=by_hand,
        )
