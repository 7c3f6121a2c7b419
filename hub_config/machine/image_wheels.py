"""The Python packages of a build: fetched by pip on the host, served to the build on loopback.

pip runs on the host because only there does it know the site's own configuration (indexes, folders
of wheels, certificate authorities); what it finds is what the build gets. Builds share the host's
network, so a server on 127.0.0.1 reaches them, and no layer of an image has to hold a wheel.
"""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
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
    locks: Sequence[Path], folder: Path, settings: Settings, architecture: str, log: IO[bytes]
) -> None:
    """Fetch the wheels that the lock files pin into `folder`; WheelsUnavailable with pip's reason.

    One pip a lock, all at once: most of the time each waits for its index.
    """
    commands = [
        [*_pip("download", settings, architecture), "--dest", str(folder), "-r", str(lock)]
        for lock in locks
    ]
    running = [subprocess.Popen(command, stdout=log, stderr=log) for command in commands]
    failed = [lock for lock, process in zip(locks, running, strict=True) if process.wait() != 0]
    if failed:
        raise _unavailable(f"pip stopped at {failed[0]}", Path(log.name))


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
            do="Either name a package index that has the CPU build, with "
            "RADLAB_TORCH_INDEX_URL=ADDRESS or `torch_index_url` in settings.yaml; or put its "
            "wheel in a folder and run `pip config set global.find-links FOLDER`; or write "
            "`torch: cuda` in images/catalog.yaml, which runs without a GPU too.",
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
def served(folder: Path) -> Iterator[str]:
    """The address on loopback at which the files of `folder` are served until the end."""
    handler = functools.partial(_Quiet, directory=str(folder))
    try:
        server = ThreadingHTTPServer(("127.0.0.1", PREFERRED_PORT), handler)
    except OSError:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
