"""The launcher: whatever the folder, the link or the Python, it finds its way or says why not."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OLD_PYTHON = '#!/bin/sh\necho "is older than 3.11" >&2\nexit 1\n'
# Stands for the environment's interpreter: tells what it was started with.
TELLING = '#!/bin/sh\nprintf "%s\\n" "$PYTHONPATH" "$RADLAB_STATE" "$PWD" "$@"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a space in its path, as far as the launcher looks at it."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    shutil.copy(ROOT / "radlab", folder)
    (folder / "requirements.txt").write_text("click==8\n")
    return folder


@pytest.fixture
def venv(tmp_path: Path, checkout: Path) -> Path:
    """A virtual environment that is ready, with a stand-in for its Python."""
    folder = tmp_path / "the venv"
    (folder / "bin").mkdir(parents=True)
    program(folder / "bin" / "python", TELLING)
    pins = (checkout / "requirements.txt").read_bytes()
    stamp = subprocess.run(["cksum"], input=pins, capture_output=True, check=True).stdout
    (folder / "radlab-requirements").write_bytes(stamp)
    return folder


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def run(launcher: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RADLAB_", "PYTHON"))}
    return subprocess.run(
        [str(launcher), *words],
        env={**clean, **environ},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_ready_environment_is_used_at_once(checkout: Path, venv: Path) -> None:
    done = run(checkout / "radlab", "gpu", "list me", RADLAB_VENV=str(venv))
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0].split(":")[:2] == [str(checkout), f"{checkout}/datasets/client"]
    assert lines[1:] == ["/var/lib/radlab", "/", "-P", "-m", "hub_config.cli", "gpu", "list me"]


@pytest.mark.parametrize("relative", [False, True])
def test_it_is_found_through_a_link(
    tmp_path: Path, checkout: Path, venv: Path, relative: bool
) -> None:
    (tmp_path / "bin").mkdir()
    first, second = tmp_path / "bin" / "first", tmp_path / "second"
    first.symlink_to("../a checkout/radlab" if relative else checkout / "radlab")
    second.symlink_to("bin/first" if relative else first)
    done = run(second, "status", RADLAB_VENV=str(venv))
    assert done.stdout.startswith(f"{checkout}:")


def test_a_relative_state_folder_is_made_absolute(checkout: Path, venv: Path) -> None:
    done = run(checkout / "radlab", "x", RADLAB_VENV=str(venv), RADLAB_STATE="some/state")
    assert done.stdout.splitlines()[1] == "//some/state"


def test_a_python_that_is_too_old_is_refused_by_name(checkout: Path, tmp_path: Path) -> None:
    old = program(tmp_path / "python3.9", OLD_PYTHON)
    done = run(checkout / "radlab", "x", RADLAB_VENV=str(tmp_path / "venv"), RADLAB_PYTHON=str(old))
    assert done.returncode == 1
    assert f"{old} is older than 3.11" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads what nobody else may")
def test_a_python_that_services_could_not_run_is_refused(checkout: Path, tmp_path: Path) -> None:
    locked = tmp_path / "home of root"
    locked.mkdir(mode=0o700)
    shutil.copy(os.path.realpath("/usr/bin/python3"), locked / "python3")
    done = run(
        checkout / "radlab",
        "x",
        RADLAB_VENV=str(tmp_path / "venv"),
        RADLAB_PYTHON=str(locked / "python3"),
    )
    assert done.returncode == 1
    assert "which only its owner may enter" in done.stderr


def test_a_checkout_with_a_colon_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    shutil.copy(ROOT / "radlab", folder)
    done = run(folder / "radlab", "x")
    assert done.returncode == 1 and "colon" in done.stderr


def test_half_a_checkout_is_refused(checkout: Path) -> None:
    (checkout / "requirements.txt").unlink()
    done = run(checkout / "radlab", "x")
    assert done.returncode == 1 and "no whole checkout" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    "words",
    [
        ["up"],
        ["down"],
        ["test", "-k", "walls"],
        ["group", "list"],
        ["server", "list"],
        ["audit", "--json"],
    ],
)
def test_without_root_and_sudo_the_command_is_named(words: list[str], tmp_path: Path) -> None:
    # Readable by nobody, unlike a folder of pytest's; and a PATH that has no sudo.
    folder = Path("/tmp") / f"radlab-launcher-{os.getpid()}"
    folder.mkdir()
    try:
        shutil.copy(ROOT / "radlab", folder)
        (folder / "requirements.txt").write_text("")
        (folder / "database").mkdir()
        (folder / "database" / "radlab.sqlite").touch(mode=0o640)
        tools = folder / "tools"
        tools.mkdir()
        for name in ("dirname", "readlink", "cksum", "id"):
            (tools / name).symlink_to(shutil.which(name) or name)
        done = subprocess.run(
            ["/bin/sh", str(folder / "radlab"), *words],
            env={"PATH": str(tools), "RADLAB_STATE": str(folder)},
            cwd="/",
            user=65534,
            capture_output=True,
            text=True,
        )
    finally:
        shutil.rmtree(folder)
    assert done.returncode == 1
    assert f"As root: {folder}/radlab {' '.join(words)}" in done.stderr


def test_it_is_plain_sh() -> None:
    for shell in ("dash", "busybox"):
        if shutil.which(shell):
            words = [shell, "-n"] if shell == "dash" else ["busybox", "sh", "-n"]
            subprocess.run([*words, str(ROOT / "radlab")], check=True)
    assert (ROOT / "radlab").read_text().startswith("#!/bin/sh\n")
