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
OWN = Path("/opt/radlab")


def check(statement: bool, what: str) -> None:
    """Print what holds; stop the build where it does not."""
    print(f"smoke: {what}{'' if statement else ': NO'}", flush=True)
    if not statement:
        sys.exit(1)


def packages() -> None:
    """The packages import, and the one that slows each start is not there."""
    for name in ("jupyterlab", "jupyter_server", "jupyterhub", "ipykernel", "pydicom", "anywidget"):
        importlib.import_module(name)
        check(True, f"{name} {importlib.metadata.version(name)}")
    for name in ("radlab_session", "dicom_catalog", "dicom_synthetic", "course_kit"):
        importlib.import_module(name)
        check(True, f"{name} imports")
    for name in ("openjpeg", "libjpeg", "rle", "jpeg_ls"):
        importlib.import_module(name)
        check(True, f"decoder {name} imports")
    # jsonschema does without it, and it compiles a grammar for over a second at each start.
    check(importlib.util.find_spec("rfc3987_syntax") is None, "rfc3987_syntax is left out")


LEAN = """
import sys
from radlab_session import lean
lean.begin()
import jupyterhub.singleuser.extension, jupyterlab.labapp
print(*(name for name in sys.argv[1:] if name in sys.modules))
"""
# Each took a start a tenth of a second or more; a package anew may bring one back by another way.
HEAVY = ("sqlalchemy.orm", "alembic", "aiohttp.client", "urllib3", "httpx", "cryptography")


def lean() -> None:
    """The single-user server's parts come without what a session never uses."""
    command = [sys.executable, "-I", "-c", LEAN, *HEAVY]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    check(not found, f"a server starts without the Hub's own packages {found}".strip())


def person() -> None:
    """The student is nobody special and cannot become anybody else."""
    check((os.getuid(), os.getgid()) == (10001, 10001), "runs as student, 10001:10001")
    for folder in (VENV, OWN):
        check(not os.access(folder, os.W_OK), f"the student cannot write {folder}")
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


def kernel() -> None:
    """A kernel loads the sentences that help beside a traceback."""
    from ipykernel.kernelapp import IPKernelApp

    application = IPKernelApp()
    application.init_profile_dir()
    application.init_config_files()
    application.load_config_file()
    loaded = application.config.IPKernelApp.get("extensions", [])
    check("course_kit.rescue" in loaded, "a kernel loads course_kit.rescue")


def jupyterlab() -> None:
    """JupyterLab has our extension, on both sides."""
    package = OWN / "share/jupyter/labextensions/@radlab/session/package.json"
    load = json.loads(package.read_text())["jupyterlab"]["_build"]["load"]
    check((package.parent / load).is_file(), "RadLab's JupyterLab extension is in place")
    for program in ("radlab-start", "jupyterhub-singleuser", "jupyter-lab", "tini"):
        check(shutil.which(program) is not None, f"{program} is on the path")
    from jupyter_core.paths import jupyter_config_path
    from jupyter_server.extension.config import ExtensionConfigManager

    manager = ExtensionConfigManager(read_config_path=jupyter_config_path())
    enabled = manager.get_jpserver_extensions()
    check(enabled.get("radlab_session", False), "radlab_session is enabled")
    check(not enabled.get("jupyter_lsp", False), "jupyter_lsp, which needs Node, is not")


def main() -> None:
    """Check everything that a session needs."""
    print(f"smoke: Python {sys.version.split()[0]}")
    os.environ.setdefault("HOME", "/home/student")
    packages()
    lean()
    person()
    languages()
    kernel()
    jupyterlab()


main()
