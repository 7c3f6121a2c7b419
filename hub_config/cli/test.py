"""`./radlab test`: installs what tests need, and runs them all."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from hub_config.machine import apt, checkout, engine, testing
from hub_config.machine.progress import Progress
from hub_config.machine.state import require_root
from hub_config.settings import Settings


@click.command("test", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST'S WORDS]...")
def command(arguments: tuple[str, ...]) -> int:
    """Run the tests, or those that pytest's words choose: ./radlab test -k walls.

    Screenshots and logs land in test-output/. Ruff and mypy run as tests, too. Nothing of a
    RadLab that runs on this machine is touched: tests make their own.
    """
    require_root("test")
    root = checkout.root()
    output = root / "test-output"
    output.mkdir(exist_ok=True)
    build = testing.ImageBuild(output)
    settings = Settings(state=str(build.state))
    progress = Progress()
    with progress.step("Packages of the system") as say:
        apt.install([*apt.missing_for_up(), *testing.missing_for_tests()], say)
    with progress.step("Docker Engine") as say:
        engine.ensure_running(settings, say)
    with progress.step("Python packages of the tests") as say:
        testing.install_requirements(root, say)
    with progress.step("Images, built while the first tests run") as say:
        building = build.start()
        say(f"log: {build.log}")
    try:
        return _pytest(root, build, arguments)
    finally:
        testing.end(building)
        engine.stop_if_ours(settings)


def _pytest(root: os.PathLike[str], build: testing.ImageBuild, arguments: tuple[str, ...]) -> int:
    plugin = ["-p", "hub_config.machine.testing_plugin"]
    # A test's state lies in a folder of its own; none may find the settings of this shell.
    kept = ("RADLAB_VENV",)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RADLAB_") or name in kept
    }
    environment[testing.IMAGES_STATUS] = str(build.status)
    words = [sys.executable, "-m", "pytest", *plugin, *arguments]
    return subprocess.run(words, cwd=root, env=environment).returncode
