"""What `./radlab test` needs beside the platform, and building images while tests run already.

The images take minutes of network, and most tests need none: the build runs in a process of its
own, tests that are marked `images` or `chromium` come last, and the first of them waits for it
(`hub_config.machine.testing_plugin`).
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

from hub_config.machine import apt, checkout, packages
from hub_config.machine.progress import Say

IMAGES_STATUS = "RADLAB_TEST_IMAGES"
# A program that tests run, and the package that has it.
_PROGRAMS = {
    "busybox": "busybox-static",
    "chromium": "chromium",
    "dciodvfy": "dicom3tools",
    "git": "git",
    "psql": "postgresql",
    "sudo": "sudo",
    "systemd-analyze": "systemd",
}
_FONT = ("/usr/share/fonts/truetype/wqy", "fonts-wqy-zenhei")


def missing_for_tests() -> list[str]:
    """The packages that tests run and the machine lacks."""
    missing = [package for name, package in _PROGRAMS.items() if not apt.find_program(name)]
    if not Path(_FONT[0]).exists():
        missing.append(_FONT[1])
    if "ubuntu" in platform.freedesktop_os_release()["ID"] and "chromium" in missing:
        # Ubuntu's package only fetches a snap; tests in a browser skip there and say so.
        missing.remove("chromium")
    return missing


def install_requirements(root: Path, say: Say) -> bool:
    """Install the tests' pinned Python packages; False where they were there."""
    source = root / "requirements-test.txt"
    stamp = Path(sys.prefix, "radlab-requirements-test")
    wanted = checkout.digest([source, root / "requirements.txt"])
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    say("installing the Python packages of the tests")
    packages.pip_install("-r", str(source), "-c", str(root / "requirements.txt"))
    stamp.write_text(wanted)
    return True


class ImageBuild:
    """`./radlab image build` beside the tests, in a state folder of the tests' own."""

    def __init__(self, output: Path) -> None:
        self.state = output / "state"
        self.status = output / "images.status"
        self.log = output / "images.log"

    def start(self) -> subprocess.Popen[bytes]:
        """Begin; the status file appears when it has ended."""
        self.status.unlink(missing_ok=True)
        # The shell writes the status last, also where the build is killed.
        script = '"$0" -P -m hub_config.cli image build; echo $? > "$1.tmp"; mv "$1.tmp" "$1"'
        with self.log.open("wb") as log:
            return subprocess.Popen(
                ["sh", "-c", script, sys.executable, str(self.status)],
                env={**os.environ, "RADLAB_STATE": str(self.state)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def end(building: subprocess.Popen[bytes]) -> None:
    """Stop a build that no test waited for, with all its processes."""
    if building.poll() is None:
        os.killpg(building.pid, signal.SIGTERM)
        building.wait()
