"""`radlab-start`: prepares the desk, then becomes the single-user server of JupyterHub.

It must start JupyterLab whatever the home holds: full, unreadable settings, a broken module. The
container's own files cannot be written; `/tmp` can, and takes what must be written in any case.
Without a Hub (JUPYTERHUB_SERVICE_URL unset) it starts JupyterLab alone, for trying an image.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import MutableMapping
from pathlib import Path
from urllib.parse import quote

from radlab_session import desk, lean, room

SCRATCH = Path("/tmp/radlab")
LAB = Path(sys.prefix, "share/jupyter/lab")
MATPLOTLIB = Path(sys.prefix, "share/radlab/matplotlib")
LOCALES = {"en": ("en_US.UTF-8", "en"), "zh_CN": ("zh_CN.UTF-8", "zh_CN")}
CGROUPS = (Path("/sys/fs/cgroup/cpu.max"), Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"))

Environment = MutableMapping[str, str]


def main() -> None:
    """Prepare environment and files, then run the server in this process."""
    lean.begin()
    home = Path(os.environ.get("HOME", "/home/student"))
    SCRATCH.mkdir(mode=0o700, parents=True, exist_ok=True)
    full = room.is_full(home)
    laid = desk.lay(
        os.environ.get("RADLAB_MODULE", ""),
        os.environ.get("RADLAB_MODULE_VERSION", ""),
        os.environ.get("RADLAB_LANGUAGE", "en"),
        home,
    )
    write_elsewhere(os.environ, full=full)
    speak(os.environ)
    count_threads(os.environ)
    notices = [code for code in ("home_full" if full else None, laid.notice) if code]
    os.environ["RADLAB_NOTICES"] = ",".join(notices)
    arguments = server_arguments(home, laid, sys.argv[1:])
    os.chdir(home if os.access(home, os.X_OK) else "/")
    serve(arguments)


def write_elsewhere(environ: Environment, *, full: bool) -> None:
    """Send what every start writes to /tmp, and with a full home all that Jupyter writes."""
    environ["JUPYTER_RUNTIME_DIR"] = str(SCRATCH / "runtime")
    environ["JUPYTERHUB_DISABLE_USER_CONFIG"] = "1"
    if MATPLOTLIB.is_dir():
        # Its list of fonts takes seconds to make; the image brings one.
        shutil.copytree(MATPLOTLIB, SCRATCH / "matplotlib", dirs_exist_ok=True)
        environ["MPLCONFIGDIR"] = str(SCRATCH / "matplotlib")
    if full:
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "XDG_CACHE_HOME"):
            environ[name] = str(SCRATCH / name.lower())


def speak(environ: Environment) -> None:
    """Set the language of shell, kernels and JupyterLab from RADLAB_LANGUAGE.

    JupyterLab reads it as the site's default; what a student chose in its menu stands above it.
    """
    posix, lab = LOCALES.get(environ.get("RADLAB_LANGUAGE", "en"), LOCALES["en"])
    environ["LANG"] = posix
    # Docker sets none, and a terminal without it is one that completes and remembers nothing.
    environ.setdefault("SHELL", "/bin/bash")
    settings = SCRATCH / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    if (LAB / "settings").is_dir():
        shutil.copytree(LAB / "settings", settings, dirs_exist_ok=True)
    overrides = settings / "overrides.json"
    content = json.loads(overrides.read_text()) if overrides.exists() else {}
    content["@jupyterlab/translation-extension:plugin"] = {"locale": lab}
    overrides.write_text(json.dumps(content))


def count_threads(environ: Environment) -> None:
    """Let numeric libraries start as many threads as the container has processors, not the host.

    Their threads sleep while they wait for one another. To spin is faster by little on idle cores,
    and on busy ones, as in a class, a step of a small network took 20 to 90 times as long with it.
    """
    environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    processors = processors_allowed(CGROUPS)
    if processors is not None:
        environ.setdefault("OMP_NUM_THREADS", str(processors))


def processors_allowed(files: tuple[Path, Path]) -> int | None:
    """Processors that the control group allows (version 2, then 1), rounded up; None: all."""
    unified, quota = files
    try:
        if unified.exists():
            limit, period = unified.read_text().split()
        else:
            limit, period = quota.read_text(), quota.with_name("cpu.cfs_period_us").read_text()
        return max(1, math.ceil(int(limit) / int(period))) if int(limit) > 0 else None
    except (OSError, ValueError):
        return None


def server_arguments(home: Path, laid: desk.Desk, given: list[str]) -> list[str]:
    """Command line of the server: what it shows, where it begins, and what the Hub added."""
    # A module that could not be copied lies outside the home; the root shows both.
    outside = laid.folder is not None and not laid.folder.is_relative_to(home)
    root = Path("/") if outside else home
    arguments = [
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.preferred_dir={home}",
        f"--LabApp.app_settings_dir={SCRATCH / 'settings'}",
    ]
    shown = laid.notebook or laid.folder
    if shown is not None:
        url = f"/lab/tree/{quote(str(shown.relative_to(root)))}"
        os.environ["JUPYTERHUB_DEFAULT_URL"] = url
        arguments += [f"--ServerApp.default_url={url}", f"--LabApp.default_url={url}"]
    return [*arguments, *given]


def serve(arguments: list[str]) -> None:
    """Run the server in this process: a second interpreter would cost a start its time."""
    if os.environ.get("JUPYTERHUB_SERVICE_URL"):
        from jupyterhub.singleuser import main as run

        sys.argv = ["jupyterhub-singleuser", *arguments]
    else:
        from jupyterlab.labapp import main as run

        sys.argv = ["jupyter-lab", "--ServerApp.ip=0.0.0.0", "--no-browser", *arguments]
    sys.exit(run())
