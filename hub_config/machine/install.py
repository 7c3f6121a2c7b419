"""The steps of `./radlab up`, in order; each finds out what is so already and does the rest."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from hub_config import clock
from hub_config.db import migrate, open_database
from hub_config.errors import Conflict, Unready
from hub_config.gpus.inventory import find_devices
from hub_config.gpus.model import Device
from hub_config.gpus.store import DeviceStore
from hub_config.machine import apt, checkout, engine, packages, ports, state
from hub_config.machine.checks import BEFORE, Check, run_checks
from hub_config.machine.image_build import ensure_images
from hub_config.machine.progress import Progress, Say, tail
from hub_config.machine.running import manager, start_service, stop_services, wait_ready
from hub_config.machine.services import NAMES
from hub_config.network.bridges import ensure_networks
from hub_config.offers.lessons import publish_modules
from hub_config.settings import Settings, load_settings


class NotReadyForUp(Unready):
    """A check says that the machine cannot take RadLab as it is."""

    code = "not_ready_for_up"


class UpIsRunning(Conflict):
    """Another `./radlab up` or `down` works on this state."""

    code = "up_is_running"


def wanted_settings(changes: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """The settings after `changes`, validated; nothing is written yet."""
    overlay = {f"RADLAB_{name.upper()}": str(value) for name, value in changes.items()}
    return load_settings(environ.get("RADLAB_STATE"), {**environ, **overlay})


def save_settings(settings: Settings) -> bool:
    """Write what differs from the file into it: services see the file, not this shell."""
    path = settings.path("settings.yaml")
    written = yaml.safe_load(path.read_text()) if path.exists() else {}
    defaults = Settings().trait_values()
    changes = {
        name: value
        for name, value in settings.trait_values().items()
        if name != "state" and value != (written or {}).get(name, defaults[name])
    }
    if changes:
        settings.save(changes)
    return bool(changes)


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """UpIsRunning where another command changes this RadLab now."""
    settings.path("run").mkdir(parents=True, exist_ok=True)
    with settings.path("run", "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UpIsRunning(
                "Another `./radlab up` or `./radlab down` is at work on {state}.",
                do="Wait until it has ended.",
                state=settings.state,
            ) from None
        yield


def check_first(settings: Settings, show: Callable[[Check], None]) -> None:
    """NotReadyForUp with all that is wrong and cannot be installed; nothing is changed here."""
    found = run_checks(settings, BEFORE)
    for one in found:
        if one.verdict != "ok":
            show(one)
    find_devices(settings)  # refuses simulated GPUs beside real ones before they are saved
    # Missing programs are what `up` is for.
    wrong = [one for one in found if not one.ok and one.name != "programs"]
    if wrong:
        raise NotReadyForUp(
            "RadLab cannot be installed as things are: {reasons}.",
            do="{remedies}",
            reasons="; ".join(one.finding.rstrip(".") for one in wrong),
            remedies=" ".join(one.do for one in wrong),
        )


def install(settings: Settings, progress: Progress) -> None:
    """Everything after the first checks, to running services that answer."""
    root = checkout.root()
    with progress.step("Packages of the system") as say:
        apt.install(apt.missing_for_up(), say)
    with progress.step("Docker Engine") as say:
        engine.ensure_running(settings, say)
    with progress.step("System user and state folder") as say:
        _prepare_state(settings, say)
    with progress.step("Students' networks") as say:
        for name in ensure_networks(engine.connect(settings), settings):
            say(f"made the network {name}")
        _check_hub_port(settings)
    with progress.step("Images, sample datasets, course modules and programs") as say:
        _together(
            lambda: _images(settings, say),
            lambda: _samples(settings, root, say),
            lambda: _programs(settings, root, say),
        )
    with progress.step("Database and GPUs") as say:
        _database(settings, say)
    with progress.step("Services", "all run and answer") as say:
        start(settings, say)


def _check_hub_port(settings: Settings) -> None:
    """The Hub's own address is there only now that its network is."""
    if not manager(settings).running("hub"):
        flag = "RADLAB_HUB_PORT=N ./radlab up"
        ports.require_free(settings.hub_address, settings.hub_port, flag)


def _prepare_state(settings: Settings, say: Say) -> None:
    user = state.ensure_user(settings, say)
    if save_settings(settings):
        say(f"wrote {settings.path('settings.yaml')}")
    settings.make_folders()
    if state.misplaced_databases(settings):
        say("moving the databases of an earlier version into a folder of their own")
        stop_services(settings, say)
        state.move_databases(settings)
    state.ensure_folders(settings, user)
    state.copy_certificate(settings, user)


def _images(settings: Settings, say: Say) -> None:
    if not settings.torch and any(not device.simulated for device in find_devices(settings)):
        say("a GPU is here: the images get torch for CUDA (setting `torch`)")
        settings.torch = "cuda"
        settings.save({"torch": "cuda"})
    ensure_images(settings, progress=say)


def _programs(settings: Settings, root: Path, say: Say) -> None:
    packages.install_packages(root, say)
    packages.install_proxy(settings, say)
    for one in publish_modules(settings, root / "courses"):
        if one.changed:
            say(f"published the module {one.module.id} {one.module.version}")


def _samples(settings: Settings, root: Path, say: Say) -> None:
    """Generate the sample datasets that are not there in the version of their card."""
    for card in sorted((root / "datasets" / "cards").glob("*.yaml")):
        version = str(yaml.safe_load(card.read_text(encoding="utf-8"))["version"])
        # A withdrawn version leaves its folder where groups saw it: it stays away. Of a draft
        # that was withdrawn only its own folder says so.
        place = settings.path("datasets", "versions", card.stem, version)
        seen = any(settings.path("datasets", "visible").glob(f"*/{card.stem}/{version}"))
        if not seen and not (place / "withdrawn.json").is_file():
            _sample(settings, card.stem, say)


def _sample(settings: Settings, name: str, say: Say) -> None:
    """Generate one sample dataset in a process of its own: it keeps all cores busy."""
    say(f"generating the sample dataset {name}")
    command = [sys.executable, "-P", "-m", "hub_config.cli", "dataset", "generate", name]
    done = subprocess.run(
        [*command, "--json"],
        env={**os.environ, "RADLAB_STATE": settings.state},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise Unready(
            "The sample dataset {name} could not be generated: {reason}",
            do="Try it by hand: ./radlab dataset generate {name}",
            reason=_refusal(done.stdout) or tail(done.stderr, 3),
            name=name,
        )
    say(f"generated {name}")


def _refusal(output: str) -> str:
    try:
        error = json.loads(output)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f"{error['message']} {error['do'] or ''}".strip()


def _together(*tasks: Callable[[], None]) -> None:
    """Do them at once; the first refusal is raised after all have ended."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        ends = [pool.submit(task) for task in tasks]
    for end in ends:
        end.result()


def _database(settings: Settings, say: Say) -> None:
    database = open_database(settings.radlab_database_url)
    migrate(database)
    devices = find_devices(settings)
    DeviceStore(database).record(devices, clock.now())
    say(_counted(devices))
    database.dispose()
    # The services' user must own what root has just made.
    state.ensure_folders(settings, state.ensure_user(settings, say))


def _counted(devices: Sequence[Device]) -> str:
    if not devices:
        return "no GPU: students get CPUs"
    kind = "simulated GPU" if devices[0].simulated else "GPU"
    return f"{len(devices)} {kind}{'s' if len(devices) > 1 else ''}"


def start(settings: Settings, say: Say) -> None:
    """Start what does not run as it should, and wait until each service answers."""
    supervise = manager(settings)
    changed = supervise.prepare()
    if changed:
        say("wrote the units of systemd")
    for name in NAMES:
        start_service(settings, supervise, name, say, again=changed)
    for name in NAMES:
        wait_ready(settings, supervise, name)
