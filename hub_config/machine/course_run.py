"""A course module run where its students will run it: in its image, hardened, without a network.

`prove` lays the desk and runs `course_kit.prove` in a container of the module's image, with the
cores and the memory that the module asks for; course_grading.py fences its containers in as well.
`here` runs it in this Python instead, for authors whose machine has the packages. A container of
ours never outlives the call.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.types import LogConfig

from hub_config.errors import Unready
from hub_config.machine import checkout
from hub_config.offers.images import load_images
from hub_config.offers.modules import Module
from hub_config.offers.proving import (
    Ask,
    ModuleUnproved,
    Report,
    lay_desk,
    read_back,
    read_report,
)
from hub_config.settings import Settings

LABEL = "radlab.course-run"
STUDENT = "10001:10001"
GRACE_SECONDS = 120
_TRIES = 20
# As a session has it: nothing but home, /tmp and the desk can be written.
PREPARED = """
cp -r /opt/venv/share/radlab/matplotlib /tmp/matplotlib
export OMP_WAIT_POLICY=PASSIVE MPLCONFIGDIR=/tmp/matplotlib
export JUPYTER_RUNTIME_DIR=/tmp/runtime IPYTHONDIR=/tmp/ipython
"""
COMMAND = PREPARED + "exec python -m course_kit.prove /desk\n"


def prove(
    source: Path, settings: Settings, ask: Ask, *, here: bool = False, keep: Path | None = None
) -> tuple[Module, Report]:
    """Run the proof of the module in `source`; ModuleUnproved only where it ends without a word.

    `keep` is a folder that gets the executed notebook and the report.
    """
    with stopped_by_signals(), desk_folder() as desk:
        module = lay_desk(source, desk, ask)
        if here:
            _run_here(module, desk, settings)
        else:
            _run_in_image(module, desk, settings, ask)
        report = read_report(desk)
        if keep is not None:
            _keep(desk, keep)
    return module, report


def _keep(desk: Path, keep: Path) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    for name in ("run.ipynb", "report.json"):
        # Where only the checks are proved, no notebook was executed.
        if os.path.lexists(desk / name):
            (keep / name).write_bytes(read_back(desk / name))


@contextlib.contextmanager
def desk_folder() -> Iterator[Path]:
    """An empty folder that the container's user may write, and nobody else of this machine.

    It lies in TMPDIR: the keeper names one there that the engine sees, too, because its own /tmp is
    private. The outer folder is closed; the engine, which is root, passes it.
    """
    outer = Path(tempfile.mkdtemp(prefix="radlab-course-"))
    folder = outer / "desk"
    try:
        folder.mkdir()
        folder.chmod(0o777)
        yield folder
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _run_here(module: Module, desk: Path, settings: Settings) -> None:
    status, said = in_this_python("course_kit.prove", module, desk, settings)
    if not (desk / "report.json").exists():
        last = (said.strip().splitlines() or ["it said nothing"])[-1]
        raise _ended(module, f"status {status}: {last}")


def in_this_python(program: str, module: Module, desk: Path, settings: Settings) -> tuple[int, str]:
    """Run `python -m program desk` with the checkout's kit and datasets; its status and output."""
    root = checkout.root()
    parts = ("datasets/client", "datasets/synthetic", "courses/kit")
    _mount_module(module, desk)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(root / part) for part in parts),
        "RADLAB_DATASETS": os.environ.get("RADLAB_DATASETS", str(_datasets(settings))),
        "RADLAB_MODULES": str(desk / "modules"),
        "HOME": str(desk),
    }
    command = [sys.executable, "-m", program, str(desk)]
    done = subprocess.run(
        command,
        env=environment,
        cwd=desk,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def _mount_module(module: Module, desk: Path) -> None:
    (desk / "modules" / module.id).mkdir(parents=True)
    (desk / "modules" / module.folder).symlink_to(desk / "module")


def _datasets(settings: Settings) -> Path:
    return settings.path("datasets") / "visible" / "everyone"


def _run_in_image(module: Module, desk: Path, settings: Settings, ask: Ask) -> None:
    with contextlib.closing(docker_client()) as client:
        limits = fence(module, settings, ask.language)
        limits["volumes"] |= {
            str(desk): {"bind": "/desk", "mode": "rw"},
            str(desk / "module"): {"bind": f"/modules/{module.folder}", "mode": "ro"},
        }
        longest = module.budgets[ask.profile].seconds * ask.patience + GRACE_SECONDS
        with running(client, module, settings, COMMAND, limits) as container:
            status = container.wait(timeout=longest)
            if not os.path.lexists(desk / "report.json"):
                raise silent(module, container, int(status["StatusCode"]))


@contextlib.contextmanager
def running(
    client: docker.DockerClient,
    module: Module,
    settings: Settings,
    command: str,
    limits: dict[str, Any],
) -> Iterator[Container]:
    """A container of the module's image; removed at the end, whatever happened."""
    tag = load_images(settings.path("offers", "images.yaml")).image(module.image).tag
    name = f"radlab-course-{uuid.uuid4().hex[:12]}"
    tries = 1
    try:
        yield client.containers.run(tag, ["sh", "-c", command], name=name, **limits)
    except KeyboardInterrupt:
        # The engine may be making it still, while we no longer wait for its answer.
        tries = _TRIES
        raise
    except (APIError, DockerException, OSError) as error:
        raise ModuleUnproved(
            "{id} could not be run: {reason}.",
            do="Look at `./radlab doctor`, and at what the module does.",
            id=module.id,
            reason=str(error).rstrip("."),
        ) from error
    finally:
        _remove(client, name, tries)


def _remove(client: docker.DockerClient, name: str, tries: int) -> None:
    """Remove a container; one that is not there is looked for again until the tries are over."""
    for _ in range(tries):
        try:
            client.api.remove_container(name, force=True, v=True)
        except NotFound:
            time.sleep(0.25)
        except APIError:
            return  # it is being removed already
        else:
            return


def fence(module: Module, settings: Settings, language: str) -> dict[str, Any]:
    """What the container may use: as a session of this module, without a network."""
    cores, memory = module.cpus or 2, round((module.memory_gb or 3) * 2**30)
    return {
        "labels": {LABEL: module.id},
        "detach": True,
        "user": STUDENT,
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": memory,
        "memswap_limit": memory,
        "cpu_period": 100_000,
        "cpu_quota": round(cores * 100_000),
        "pids_limit": 512,
        "oom_score_adj": 500,
        "shm_size": "1g",
        "log_config": LogConfig(type="json-file", config={"max-size": "8m", "max-file": "1"}),
        "tmpfs": {"/tmp": "mode=1777,size=1g,exec", "/home/student": "uid=10001,mode=700"},
        "environment": {"RADLAB_LANGUAGE": language, "RADLAB_GPUS_SIMULATED": "1"},
        "volumes": {str(_datasets(settings)): {"bind": "/datasets", "mode": "ro"}},
    }


def docker_client() -> docker.DockerClient:
    """The engine; Unready where it does not answer."""
    try:
        return docker.from_env(timeout=60)
    except DockerException as error:
        raise Unready(
            "Docker does not answer, and a module runs in a container of its image.",
            do="Start it (`./radlab up`), or use --here where the packages are installed.",
        ) from error


def silent(module: Module, container: Container, status: int) -> ModuleUnproved:
    """Why a container ended without saying what it was asked for."""
    container.reload()
    last = container.logs(tail=5).decode(errors="replace").strip()
    killed = container.attrs["State"].get("OOMKilled")
    return _ended(module, "it was killed for memory" if killed else f"status {status}: {last}")


def _ended(module: Module, reason: str) -> ModuleUnproved:
    return ModuleUnproved(
        "{id} ended without a report: {reason}.",
        do="Give it more `memory_gb`, or let it need less.",
        id=module.id,
        reason=reason.rstrip("."),
    )


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that the container is removed."""

    def unwind(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, unwind)
    except ValueError:
        # Not the main thread: whoever runs us there answers for signals.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
