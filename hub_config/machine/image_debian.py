"""Debian 12 as an image of the engine, made from Debian's packages where no registry serves one.

debootstrap unpacks the packages into a folder, and the folder goes to the engine as one tar
stream, without what no container needs: caches, lists, manual pages, translations.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import docker

from hub_config.errors import Unready
from hub_config.offers.building import DEBIAN_SUITE
from hub_config.settings import Settings

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LEFT_OUT = (
    "./proc/*",
    "./sys/*",
    "./dev/*",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
    "./usr/share/doc/*",
    "./usr/share/man/*",
    "./usr/share/info/*",
    "./usr/share/locale/*",
)
_CHUNK = 1 << 20
_PHASE = re.compile(rb"I: (Retrieving|Extracting|Unpacking|Configuring) (\S+)")


class DebianUnavailable(Unready):
    """Debian's packages could not be fetched or unpacked."""

    code = "debian_unavailable"


def check_tools() -> None:
    """Refuse, with the command to run, where debootstrap cannot work on this machine."""
    if os.geteuid() != 0:
        raise DebianUnavailable(
            "Making the Debian image needs root.", do="Run this with sudo, or as root."
        )
    lacking = []
    if shutil.which("debootstrap") is None:
        lacking.append("debootstrap")
    if not KEYRING.is_file():
        # Ubuntu's debootstrap comes without the keys of Debian's archive.
        lacking.append("debian-archive-keyring")
    if lacking:
        raise DebianUnavailable(
            "Making the Debian image needs {packages}, which this machine lacks.",
            do="Run `apt-get install {packages}`, or set base_image to an image that a registry "
            "serves, such as debian:bookworm-slim.",
            packages=" ".join(lacking),
        )


def make_debian(
    client: docker.DockerClient,
    tag: str,
    packages: Sequence[str],
    settings: Settings,
    log: IO[bytes],
    say: Callable[[str], None],
) -> None:
    """Make the image `tag` with these packages; DebianUnavailable with debootstrap's reason."""
    check_tools()
    # Beside the state and not in /tmp, which may be small, or mounted so that nothing can run.
    folder = Path(tempfile.mkdtemp(prefix="debian-", dir=settings.state))
    folder.chmod(0o755)
    try:
        _debootstrap(folder, packages, settings, log, say)
        say("handing Debian to the engine")
        _import(client, folder, tag)
    finally:
        remove_folder(folder)


def _debootstrap(
    folder: Path,
    packages: Sequence[str],
    settings: Settings,
    log: IO[bytes],
    say: Callable[[str], None],
) -> None:
    command = ["debootstrap", "--variant=minbase", f"--keyring={KEYRING}"]
    command += [f"--include={','.join(packages)}", DEBIAN_SUITE, str(folder)]
    command += [settings.debian_mirror] if settings.debian_mirror else []
    # What is thrown away after a power cut need not be forced to the disk file by file.
    environment = {**os.environ, "DPKG_FORCE": "unsafe-io"}
    phase, last = b"", b""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            last = line if line.startswith((b"E:", b"W:")) else last
            found = _PHASE.match(line)
            if found and found[1] != phase:
                phase = found[1]
                say(f"{phase.decode().lower()} Debian's packages")
    log.flush()
    if process.returncode != 0:
        raise DebianUnavailable(
            "Debian's packages could not be brought together: {reason}.",
            do="Check the network. A mirror is one setting, debian_mirror; a ready image of a "
            "registry another, base_image. The whole story is in {log}.",
            reason=last.decode(errors="replace")[2:].strip().rstrip(".") or "debootstrap failed",
            log=log.name,
        )


def _import(client: docker.DockerClient, folder: Path, tag: str) -> None:
    exclude = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    command = ["tar", "--numeric-owner", "--xattrs", *exclude, "-C", str(folder), "-c", "."]
    repository, _, version = tag.partition(":")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        client.api.import_image_from_data(
            _chunks(process.stdout), repository=repository, tag=version, changes=['CMD ["bash"]']
        )


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def remove_folder(folder: Path) -> None:
    """Remove the folder; what debootstrap left mounted in it first, or it would be emptied too."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    inside = [mount for mount in mounts if Path(mount).is_relative_to(folder)]
    for mount in sorted(inside, reverse=True):
        subprocess.run(["umount", mount], check=True)
    shutil.rmtree(folder)
