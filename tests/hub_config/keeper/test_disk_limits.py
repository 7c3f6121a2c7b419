"""Hard limits on homes: on a real ext4 in a file, and where a file system has them at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub_config.keeper.disk_limits import give_project, limit_home, project_id, project_of
from hub_config.keeper.disk_limits import quota_device as device_of
from hub_config.machine.systemd import units
from hub_config.settings import Settings

STUDENT = 10001
MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
/dev/vdb /var/lib/radlab xfs rw,attr2,prjquota 0 0
/dev/vdc /var/lib/radlab/homes/old\\040disk ext4 rw,relatime 0 0
tmpfs /mnt tmpfs rw,prjquota 0 0
/dev/vdd /srv ext4 rw,usrquota 0 0
/dev/vde /data ext4 rw,prjquota 0 0
"""


@pytest.mark.parametrize(
    ("folder", "device"),
    [
        ("/var/lib/radlab/homes", "/dev/vdb"),
        ("/var/lib/radlab", "/dev/vdb"),
        ("/var/lib/radlab/homes/old disk/x", None),
        ("/var/lib/radlabel", None),
        ("/mnt/homes", None),
        ("/srv/homes", None),
        ("/data/homes", "/dev/vde"),
        ("/root", None),
    ],
)
def test_the_file_system_of_a_home_is_found(
    tmp_path: Path, folder: str, device: str | None
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert device_of(Path(folder), mounts) == device


Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """An ext4 of its own in a file, with these features and mounted so."""
    mounted = []

    def make(features: str, options: str) -> Path:
        if os.geteuid() != 0:
            pytest.skip("only root mounts a file system")
        image, folder = tmp_path / "disk", tmp_path / "mounted"
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(64 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-O", features, str(image)], check=True)
        done = subprocess.run(
            ["mount", "-o", f"loop,{options}", str(image), str(folder)], capture_output=True
        )
        if done.returncode:
            pytest.skip(f"this kernel does not mount it: {done.stderr.decode()[:100]!r}")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def home_in(folder: Path) -> Path:
    """A home with files, a link that leads out, and a pipe."""
    home = folder / "ann"
    (home / "sub").mkdir(parents=True)
    (home / "old").write_bytes(os.urandom(2**20))
    (home / "sub" / "deep").write_text("deep")
    (folder / "outside").write_text("outside")
    (home / "link").symlink_to(folder / "outside")
    os.mkfifo(home / "pipe")
    for path in (home, home / "sub"):
        os.chown(path, STUDENT, STUDENT)
    return home


def project(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return project_of(descriptor)
    finally:
        os.close(descriptor)


def test_all_of_a_home_bears_its_project_and_nothing_else(mount: Mount) -> None:
    folder = mount("project", "rw")
    home = home_in(folder)
    own = project_id(home)
    give_project(home, own)
    later = home / "sub" / "later"
    later.write_text("later")
    within = (home, home / "old", home / "sub", home / "sub" / "deep", later)
    assert {project(path) for path in within} == {own}
    assert project(folder / "outside") == 0
    give_project(home, own)
    assert project(home) == own


def test_no_student_writes_beyond_the_limit_until_it_is_lifted(mount: Mount) -> None:
    folder = mount("quota,project", "prjquota")
    home = home_in(folder)
    device = device_of(home)
    assert device is not None

    def write() -> int:
        command = ["dd", "if=/dev/zero", "of=new", "bs=1M", "count=8"]
        subprocess.run(
            ["setpriv", f"--reuid={STUDENT}", f"--regid={STUDENT}", "--clear-groups", *command],
            cwd=home / "sub",  # the folders of the tests above it are root's alone
            stderr=subprocess.DEVNULL,
        )
        return (home / "sub" / "new").stat().st_size

    limit_home(home, 4, device)
    assert write() <= 3 * 2**20
    limit_home(home, None, device)
    assert write() == 8 * 2**20


def test_a_file_system_without_quotas_says_so(mount: Mount) -> None:
    home = home_in(mount("project", "rw"))
    with pytest.raises(OSError):
        limit_home(home, 4, "/dev/null")
    assert project(home) == 0


def test_the_rights_of_the_keepers_unit_suffice(mount: Mount, settings: Settings) -> None:
    home = mount("quota,project", "prjquota") / "mei"
    home.mkdir(mode=0o700)
    os.chown(home, STUDENT, STUDENT)
    unit = units(settings)[f"{settings.instance}-keeper.service"]
    (bounds,) = [line for line in unit.splitlines() if line.startswith("CapabilityBoundingSet=")]
    names = bounds.partition("=")[2].split()
    rights = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in names)])
    work = (
        "import sys; from pathlib import Path\n"
        "from hub_config.keeper.disk_limits import limit_home, quota_device\n"
        "home = Path(sys.argv[1]); limit_home(home, 5, quota_device(home))"
    )
    words = ["setpriv", f"--bounding-set={rights}", sys.executable, "-c", work, str(home)]
    subprocess.run(words, check=True)
    assert project(home) == project_id(home)
