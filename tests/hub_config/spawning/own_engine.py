"""A Docker Engine of the tests' own: in its own network namespace, with its own everything.

A second daemon on the machine's namespace would strip the first one's firewall rules.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import docker

# What Docker hands to NVIDIA's hook is the container's state on standard input; the devices stand
# in the container's configuration, where the real hook reads them too.
_HOOK = """#!/bin/sh
bundle=$(sed 's/.*"bundle":"\\([^"]*\\)".*/\\1/')
name=$(sed 's/.*"RADLAB_LEASE=\\([^"]*\\)".*/\\1/' "$bundle/config.json")
seen=$(grep -o 'NVIDIA_VISIBLE_DEVICES=[^"]*' "$bundle/config.json" | tail -n 1)
echo "$name $seen" >> {log}
"""


class OwnEngine:
    """A running dockerd whose PATH has a stand-in for NVIDIA's hook; `stop` takes all away."""

    def __init__(self, folder: Path) -> None:
        # A Unix socket's path must be short, and pytest's folders are long.
        self.folder = folder
        self.namespace = f"radlab{uuid.uuid4().hex[:6]}"
        self.run = Path(f"/run/{self.namespace}")
        self.socket = f"unix://{self.run}/docker.sock"
        self.client: docker.DockerClient | None = None
        self.hook_log = folder / "hook.log"
        # Not `ip netns exec`: that mounts /sys anew, without the control groups.
        self.enter = ("nsenter", f"--net=/run/netns/{self.namespace}")

    def start(self) -> None:
        self.run.mkdir()
        programs = self.folder / "bin"
        programs.mkdir()
        hook = programs / "nvidia-container-runtime-hook"
        hook.write_text(_HOOK.format(log=self.hook_log))
        hook.chmod(0o755)
        subprocess.run(["ip", "netns", "add", self.namespace], check=True)
        self.inside("ip", "link", "set", "lo", "up")
        self.path = f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin"
        self.log = (self.folder / "dockerd.log").open("w")
        self.start_again()

    def start_again(self) -> None:
        """Start the daemon over what `end` left of it."""
        (self.run / "pid").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [
                *self.enter,
                *("dockerd", "--host", self.socket),
                *("--data-root", str(self.folder / "data"), "--exec-root", str(self.run / "exec")),
                *("--pidfile", str(self.run / "pid"), "--bridge", "none"),
                *("--containerd-namespace", self.namespace),
                *("--containerd-plugins-namespace", f"{self.namespace}-plugins"),
            ],
            env={**os.environ, "PATH": self.path},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.client = self._connected()

    def end(self) -> None:
        """End the daemon, and its containers with it; `start_again` finds what they were."""
        self.process.terminate()
        self.process.wait(60)

    def inside(self, *command: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a command in the engine's network namespace."""
        return subprocess.run([*self.enter, *command], check=True, text=True, **options)

    def stop(self) -> None:
        if self.client is not None:
            self.client.close()
        self.process.terminate()
        self.process.wait(60)
        self.log.close()
        subprocess.run(["ip", "netns", "delete", self.namespace], check=True)
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def _connected(self) -> docker.DockerClient:
        for _ in range(300):
            try:
                return docker.DockerClient(self.socket, version="auto")
            except docker.errors.DockerException:
                if self.process.poll() is not None:
                    break
                time.sleep(0.2)
        said = Path(self.log.name).read_text()[-2000:]
        self.stop()
        raise RuntimeError(said)
