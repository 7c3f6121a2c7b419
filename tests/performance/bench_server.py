"""`./radlab bench server`: what a student's server costs to start, alone on the machine.

    radlab-start           as this platform starts it
    jupyterhub-singleuser  as DockerSpawner starts it, in the same image

Each run is a new, hardened container with an empty home, in front of a Hub that answers at once.
`ready` is from the container's start to the server's first answer, `cpu` the processor time that
the container had used by then, `memory` what it holds two seconds later. The arms take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median

import docker
import httpx
from docker.models.containers import Container
from hubs import parts
from ranges import judge

ARMS = ("radlab-start", "jupyterhub-singleuser")
PORT = 8888
PATIENCE_S = 60.0
_SETTLED_S = 2.0
_NANOSECONDS = 1e9
Cost = dict[str, float]


class FakeHub(BaseHTTPRequestHandler):
    """As much of the Hub as a server asks for when it starts."""

    def do_GET(self) -> None:
        """Answer at once."""
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def fake_hub(client: docker.DockerClient) -> Iterator[str]:
    """The address of such a Hub, as containers reach it."""
    subnet = client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"]
    host = str(next(ipaddress.ip_network(subnet).hosts()))
    server = ThreadingHTTPServer((host, 0), FakeHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{host}:{server.server_address[1]}/hub/api"
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def student(client: docker.DockerClient, image: str, command: str, hub: str) -> Iterator[Container]:
    """A container that is made and not started, with an empty home; both are gone afterwards."""
    volume = client.volumes.create(f"radlab-bench-{uuid.uuid4().hex[:8]}")
    environment = {
        "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:{PORT}/user/ada/",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
        "JUPYTERHUB_API_URL": hub,
        "JUPYTERHUB_ACTIVITY_URL": f"{hub}/users/ada/activity",
        "JUPYTERHUB_API_TOKEN": "not-a-secret",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-ada",
        "JUPYTERHUB_USER": "ada",
    }
    made = client.containers.create(
        image,
        [command],
        environment=environment,
        read_only=True,
        tmpfs={"/tmp": "mode=1777", "/run": ""},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        volumes={volume.name: {"bind": "/home/student", "mode": "rw"}},
    )
    try:
        yield made
    finally:
        made.remove(force=True)
        volume.remove()


def cost(container: Container) -> Cost:
    """Start it, and what that took."""
    container.start()
    begun = time.perf_counter()
    container.reload()
    address = f"http://{container.attrs['NetworkSettings']['IPAddress']}:{PORT}/user/ada/api"
    while time.perf_counter() - begun < PATIENCE_S:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(address, trust_env=False).status_code == 200:
                break
        time.sleep(0.01)
    else:
        raise TimeoutError(container.logs().decode()[-3000:])
    ready, used = time.perf_counter() - begun, _statistics(container)["cpu_stats"]
    time.sleep(_SETTLED_S)
    memory = _statistics(container)["memory_stats"]["stats"]
    return {
        "ready_s": ready,
        "cpu_s": used["cpu_usage"]["total_usage"] / _NANOSECONDS,
        # Version 1 of control groups calls it rss, version 2 anon.
        "memory_mb": memory.get("rss", memory.get("anon", 0)) / 1e6,
    }


def _statistics(container: Container) -> dict[str, dict[str, dict[str, float]]]:
    return dict(container.client.api.stats(container.id, stream=False, one_shot=True))


def measure(runs: int) -> dict[str, Cost]:
    """The medians of each arm."""
    found: dict[str, list[Cost]] = {arm: [] for arm in ARMS}
    with parts(proxy=False) as given:
        client = docker.DockerClient(given.engine)
        with fake_hub(client) as hub:
            for _ in range(runs):
                for arm in ARMS:
                    with student(client, given.image, arm, hub) as container:
                        found[arm].append(cost(container))
        client.close()
    return {
        arm: {name: round(median(one[name] for one in of), 3) for name in of[0]}
        for arm, of in found.items()
    }


def main() -> int:
    """Measure, print, and judge where that is asked for."""
    parser = argparse.ArgumentParser(
        prog="radlab bench server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=5, help="starts of each arm")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--check", action="store_true", help="fail where ranges.yaml is not kept")
    given = parser.parse_args()
    found = measure(given.runs)
    if given.json:
        print(json.dumps({"bench": "server", "runs": given.runs, "figures": found}, indent=1))
    else:
        print(f"{'median of ' + str(given.runs):<24}{'ready s':>9}{'cpu s':>9}{'memory MB':>11}")
        for arm, of in found.items():
            print(f"{arm:<24}{of['ready_s']:>9.2f}{of['cpu_s']:>9.2f}{of['memory_mb']:>11.0f}")
    return judge("server", found) if given.check else 0


if __name__ == "__main__":
    sys.exit(main())
