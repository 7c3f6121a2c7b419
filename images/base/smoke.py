"""Proves the base image while it is built: the build stops where a part of it is missing.

Runs as the student. Prints what it found, one line a part.
"""

import importlib
import importlib.metadata
import importlib.util
import json
import locale
import os
import shutil
import subprocess
import sys
from pathlib import Path

VENV = Path("/opt/venv")


def check(statement: bool, what: str) -> None:
    """Print what holds; stop the build where it does not."""
    if not statement:
        sys.exit(f"smoke: {what}: NO")
    print(f"smoke: {what}")


def packages() -> None:
    """The packages import, and the one that slows each start is not there."""
    for name in ("jupyterlab", "jupyter_server", "jupyterhub", "ipykernel", "pydicom"):
        importlib.import_module(name)
        check(True, f"{name} {importlib.metadata.version(name)}")
    for name in ("radlab_session", "dicom_catalog", "dicom_synthetic"):
        importlib.import_module(name)
        check(True, f"{name} imports")
    # jsonschema does without it, and it compiles a grammar for over a second at each start.
    check(importlib.util.find_spec("rfc3987_syntax") is None, "rfc3987_syntax is left out")


def person() -> None:
    """The student is nobody special and cannot become anybody else."""
    check((os.getuid(), os.getgid()) == (10001, 10001), "runs as student, 10001:10001")
    check(not os.access(VENV, os.W_OK), "the student cannot write /opt/venv")
    found = subprocess.run(
        ["find", "/", "-xdev", "-type", "f", "-perm", "/6000"], capture_output=True, text=True
    )
    check(not found.stdout.strip(), "no file has a setuid or setgid bit")


def languages() -> None:
    """Both languages are there, with a font."""
    for name in ("en_US.UTF-8", "zh_CN.UTF-8"):
        locale.setlocale(locale.LC_ALL, name)
        check(True, f"locale {name}")
    packs = importlib.metadata.entry_points(group="jupyterlab.languagepack")
    check("zh_CN" in packs.names, "JupyterLab has its Chinese pack")
    fonts = list(Path("/usr/share/fonts").rglob("wqy-microhei.ttc"))
    check(bool(fonts), "a font with Chinese characters is there")


def jupyterlab() -> None:
    """JupyterLab has our extension, on both sides."""
    package = VENV / "share/jupyter/labextensions/@radlab/session/package.json"
    load = json.loads(package.read_text())["jupyterlab"]["_build"]["load"]
    check((package.parent / load).is_file(), "RadLab's JupyterLab extension is in place")
    for program in ("radlab-start", "jupyterhub-singleuser", "jupyter-lab", "tini"):
        check(shutil.which(program) is not None, f"{program} is on the path")
    listed = subprocess.run(
        [VENV / "bin/jupyter", "server", "extension", "list"], capture_output=True, text=True
    )
    check("radlab_session" in listed.stdout + listed.stderr, "radlab_session is enabled")


def main() -> None:
    """Check everything that a session needs."""
    print(f"smoke: Python {sys.version.split()[0]}")
    os.environ.setdefault("HOME", "/home/student")
    os.environ["JUPYTER_RUNTIME_DIR"] = "/tmp/smoke"
    packages()
    person()
    languages()
    jupyterlab()
    shutil.rmtree("/tmp/smoke", ignore_errors=True)


main()
