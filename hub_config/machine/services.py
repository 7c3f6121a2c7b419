"""The four processes of the platform, each defined once for systemd and for our own supervisor.

All start as `python -m hub_config.machine.serve NAME`, which reads the settings and secrets and
becomes the program; so units hold no setting, and no secret stands on a command line.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

import hub_config
from hub_config.containers.door import SOCKET
from hub_config.errors import RadLabError
from hub_config.machine import packages
from hub_config.machine.state import CERTIFICATE
from hub_config.network.walls import require_walls
from hub_config.settings import Settings


@dataclass(frozen=True)
class Service:
    """One process: who runs it, and what it is for."""

    name: str
    purpose: str
    as_root: bool = False


KEEPER = Service("keeper", "walls of the students' networks; ledger against Docker", as_root=True)
PROXY = Service("proxy", "the public door")
HUB = Service("hub", "people and their servers")
PORTAL = Service("portal", "pages of administrators and instructors")
# In the order in which they start; they stop in the other.
SERVICES = (KEEPER, PROXY, HUB, PORTAL)
NAMES = tuple(service.name for service in SERVICES)


@dataclass(frozen=True)
class Program:
    """What a service runs: words and added environment."""

    words: list[str]
    environment: dict[str, str]


def program(settings: Settings, name: str) -> Program:
    """What the service of that name runs; StateUnready where a secret is missing."""
    return {"keeper": _keeper, "proxy": _proxy, "hub": _hub, "portal": _portal}[name](settings)


def _python(*words: str) -> list[str]:
    return [sys.executable, "-P", "-m", *words]


def _keeper(settings: Settings) -> Program:
    return Program(_python("hub_config.keeper"), {})


def proxy_program(settings: Settings) -> list[str]:
    """The words that begin the proxy: node and its script."""
    return [str(packages.node()), str(packages.proxy_script(settings))]


def _proxy(settings: Settings) -> Program:
    hub = f"http://{settings.hub_address}:{settings.hub_port}"
    words = [*proxy_program(settings), "--ip", settings.listen, "--port", str(settings.port)]
    words += ["--api-ip", "127.0.0.1", "--api-port", str(settings.proxy_api_port)]
    words += ["--default-target", hub, "--error-target", f"{hub}/hub/error"]
    if settings.certificate:
        pem = str(settings.path(*CERTIFICATE))
        words += ["--ssl-key", pem, "--ssl-cert", pem]
    return Program(words, {"CONFIGPROXY_AUTH_TOKEN": settings.secret("proxy_token")})


def _hub(settings: Settings) -> Program:
    source = Path(hub_config.__file__).with_name("jupyterhub_config.py")
    return Program(_python("jupyterhub", "-f", str(source)), {})


def _portal(settings: Settings) -> Program:
    environment = {
        "JUPYTERHUB_API_TOKEN": settings.secret("portal_token"),
        "JUPYTERHUB_API_URL": settings.hub_api_url,
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_SERVICE_NAME": "radlab",
        "JUPYTERHUB_SERVICE_PREFIX": "/services/radlab/",
    }
    return Program(_python("hub_config.portal"), environment)


def stamp(settings: Settings, name: str) -> str:
    """A hash of all that a running service depends on; it is restarted when this changes."""
    made = program(settings, name)
    parts = [*made.words, json.dumps(made.environment, sort_keys=True), sys.executable]
    if name == "proxy":
        # Not our packages: a new Hub is no reason to drop the connections of all students.
        certificate = settings.path(*CERTIFICATE)
        parts.append(certificate.read_text() if settings.certificate else "")
        parts.append((settings.path("proxy", "stamp")).read_text())
    else:
        parts.append(packages.installed_stamp())
        parts += [f"{k}={v}" for k, v in sorted(settings.trait_values().items())]
    if name == "hub":
        for path in site_files(settings):
            parts += [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def site_files(settings: Settings) -> list[Path]:
    """The site's own files of JupyterHub's configuration, in the order in which they are read."""
    return sorted(settings.path("config.d").glob("*.py"))


def clean_environment(settings: Settings) -> dict[str, str]:
    """The environment that services begin with: no checkout, no shell's leftovers."""
    kept = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
    made = {name: os.environ[name] for name in kept if name in os.environ}
    made.setdefault("LANG", "C.UTF-8")
    made.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return {**made, "RADLAB_STATE": settings.state, "HOME": settings.state}


def health_url(settings: Settings, name: str) -> str:
    """Where a service answers when it is ready; the keeper does so on its socket."""
    return {
        "keeper": "http://keeper/v1/health",
        "proxy": f"http://127.0.0.1:{settings.proxy_api_port}/api/routes",
        "hub": f"http://{settings.hub_address}:{settings.hub_port}/hub/health",
        "portal": f"http://127.0.0.1:{settings.portal_port}/services/radlab/health",
    }[name]


def trouble(settings: Settings, name: str) -> str:
    """Why the service is not ready, as half a sentence; empty where it is."""
    try:
        if name == "keeper":
            require_walls(settings)
        headers = {}
        if name == "proxy":
            headers["Authorization"] = f"token {settings.secret('proxy_token')}"
        # Never by way of an outgoing proxy of the environment: these are our own addresses.
        with httpx.Client(
            trust_env=False, timeout=5, transport=_transport(settings, name)
        ) as client:
            answer = client.get(health_url(settings, name), headers=headers)
    except RadLabError as error:
        return error.message.rstrip(".")
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return "" if answer.status_code == 200 else f"it answers {answer.status_code}"


def _transport(settings: Settings, name: str) -> httpx.HTTPTransport | None:
    return httpx.HTTPTransport(uds=str(settings.path(*SOCKET))) if name == "keeper" else None
