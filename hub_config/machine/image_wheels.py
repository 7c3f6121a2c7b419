"""The Python packages of a build: fetched by pip on the host, served to the build on loopback.

pip runs on the host because only there does it know the site's own configuration (indexes, folders
of wheels, certificate authorities); what it finds is what the build gets. Builds share the host's
network, so a server on 127.0.0.1 reaches them, and no layer of an image has to hold a wheel.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

from hub_config.errors import Unready
from hub_config.settings import Settings

PYTHON = "3.11"
# The same address each time, where it is free: the engine's build cache compares it too.
PREFERRED_PORT = 8299
_MANYLINUX = [f"manylinux_2_{minor}" for minor in range(36, 16, -1)] + ["manylinux2014"]


class WheelsUnavailable(Unready):
    """pip could not fetch the packages of an image."""

    code = "wheels_unavailable"


class TorchForCuda(Unready):
    """The catalog asks for torch for the CPU and pip finds only a build for CUDA."""

    code = "torch_for_cuda"


def fetch(
    locks: Sequence[Path], cache: Path, settings: Settings, architecture: str, log: IO[bytes]
) -> list[Path]:
    """The wheels that the lock files pin, fetched where the cache has not all of a lock's.

    The cache has a folder a lock, named after its content; it may be removed at any time. One pip
    a lock, all at once: most of the time each waits for its index. Raises WheelsUnavailable.
    """
    folders = {lock: cached(lock, cache) for lock in locks}
    missing = {lock: folder for lock, folder in folders.items() if not folder.is_dir()}
    drafts = {lock: folder.with_suffix(".draft") for lock, folder in missing.items()}
    pip = _pip("download", settings, architecture)
    running = {
        lock: subprocess.Popen([*pip, "-d", str(draft), "-r", str(lock)], stdout=log, stderr=log)
        for lock, draft in drafts.items()
    }
    failed = [lock for lock, process in running.items() if process.wait() != 0]
    for lock in set(missing) - set(failed):
        _keep(drafts[lock], folders[lock])
    if failed:
        raise _unavailable(f"pip stopped at {failed[0]}", Path(log.name))
    return sorted(wheel for folder in folders.values() for wheel in folder.iterdir())


def cached(lock: Path, cache: Path) -> Path:
    """Where the cache keeps the wheels of this lock, if it has them."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    return cache / f"{lock.parent.name}-{lock.stem}-{digest}"


def _keep(draft: Path, folder: Path) -> None:
    """Put a whole folder of wheels in its place, and older ones of the same lock away."""
    for older in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
        if older.is_dir() and older != draft:
            shutil.rmtree(older)
    draft.rename(folder)


def check_torch(lock: Path, settings: Settings, architecture: str, log: IO[bytes]) -> None:
    """Refuse a torch for CUDA where the CPU's is asked for, before gigabytes are fetched."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [*_pip("install", settings, architecture), "--dry-run", "--ignore-installed"]
        command += ["--target", folder, "--report", str(report), "-r", str(lock)]
        if subprocess.run(command, stdout=log, stderr=log).returncode != 0:
            raise _unavailable("pip finds no torch", Path(log.name))
        found = json.loads(report.read_text())["install"]
    for package in found:
        _refuse_cuda(package["metadata"])


def _refuse_cuda(metadata: dict[str, Any]) -> None:
    needed = metadata.get("requires_dist", [])
    if any(name.startswith(("nvidia-", "cuda-toolkit", "cuda-bindings")) for name in needed):
        raise TorchForCuda(
            "The image 'imaging' asks for torch for the CPU, and torch {version}, which pip finds, "
            "is the build for CUDA: with NVIDIA's libraries it takes some 3 GB more.",
            given="torch: cpu",
            allowed=["torch: cpu", "torch: cuda"],
            do="To have the CPU's, name a package index that has it, with "
            "RADLAB_TORCH_INDEX_URL=ADDRESS or `torch_index_url` in settings.yaml, or put its "
            "wheel in a folder and run `pip config set global.find-links FOLDER`. The build for "
            "CUDA runs without a GPU too: `torch: cuda` in settings.yaml.",
            version=metadata.get("version"),
        )


def _pip(verb: str, settings: Settings, architecture: str) -> list[str]:
    command = [sys.executable, "-m", "pip", verb, "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", PYTHON, "--implementation", "cp"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    command += [f"--platform={name}_{architecture}" for name in _MANYLINUX]
    if Path(settings.ca_bundle).is_file():
        command += ["--cert", settings.ca_bundle]
    if settings.pip_index_url:
        command += ["--index-url", settings.pip_index_url]
    if settings.torch_index_url:
        command += ["--extra-index-url", settings.torch_index_url]
    return command


def _unavailable(reason: str, log: Path) -> WheelsUnavailable:
    lines = log.read_text(errors="replace").splitlines()
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return WheelsUnavailable(
        "The Python packages of the images could not be fetched: {reason}.",
        given=reason,
        do="Check the network. A package mirror is one setting, pip_index_url; a network with "
        "certificate authorities of its own another, ca_bundle. pip's words are in {log}.",
        reason=(errors[-1] if errors else reason).rstrip("."),
        log=log,
    )


class _Quiet(SimpleHTTPRequestHandler):
    """Lists and sends the files of one folder, and logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the build's own log names each package."""


@contextlib.contextmanager
def served(wheels: Sequence[Path]) -> Iterator[str]:
    """The address on loopback at which one page links these wheels, until the end."""
    with tempfile.TemporaryDirectory() as folder:
        # Two locks may pin the same package; one of the two equal wheels is enough.
        for name, wheel in {wheel.name: wheel for wheel in wheels}.items():
            Path(folder, name).symlink_to(wheel.absolute())
        server = _server(functools.partial(_Quiet, directory=folder))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _server(handler: Callable[..., SimpleHTTPRequestHandler]) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer(("127.0.0.1", PREFERRED_PORT), handler)
    except OSError:
        return ThreadingHTTPServer(("127.0.0.1", 0), handler)
