"""What a site may set: read from `settings.yaml` in the state folder, then the environment.

A setting `port` may be given as `RADLAB_PORT`; the environment wins. `./radlab up --port 8080`
writes the file. Every setting is a trait, validated when it is read; an unknown one is refused
with the nearest that exists. Secrets are files of mode 0600 in `secrets/`, never settings.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from traitlets import Bool, Enum, HasTraits, Int, TraitError, Unicode, validate

from hub_config.errors import BadInput, Unready, nearest

DEFAULT_STATE = "/var/lib/radlab"
_FOLDERS = ("secrets", "database", "log", "run", "homes", "datasets", "modules", "offers")


class BadSetting(BadInput):
    """A setting is unknown or has an impossible value."""

    code = "bad_setting"


class StateUnready(Unready):
    """The state folder or a file in it cannot be read."""

    code = "state_unready"


class Settings(HasTraits):
    """All settings of one RadLab, with their defaults."""

    state = Unicode(DEFAULT_STATE, help="Folder that holds all state. Set by RADLAB_STATE.")
    instance = Unicode(
        "radlab",
        help="Name of this RadLab on its machine: prefix of its containers, volumes, networks "
        "and services. A second RadLab on one machine needs another.",
    )
    system_user = Unicode("radlab", help="System user that Hub, proxy and portal run as.")
    listen = Unicode("0.0.0.0", help="Address of the one public port; 127.0.0.1 for this machine.")
    port = Int(8000, min=1, max=65535, help="The one public port.")
    public_url = Unicode(
        "", help="Address that people type, such as https://radlab.example.edu; empty: worked out."
    )
    certificate = Unicode(
        "", help="PEM file with private key and certificate chain; makes the public port HTTPS."
    )
    trusted_proxy = Unicode(
        "",
        help="Address of a front proxy that ends TLS and whose X-Forwarded headers are believed.",
    )
    hub_port = Int(8081, min=1, max=65535, help="Port of the Hub's API on the students' network.")
    portal_port = Int(8091, min=1, max=65535, help="Port of the portal, on loopback.")
    proxy_api_port = Int(8001, min=1, max=65535, help="Port of the proxy's API, on loopback.")
    engine = Unicode("unix:///var/run/docker.sock", help="Address of the Docker Engine.")
    database_url = Unicode(
        "", help="Database of RadLab; empty: SQLite in the state folder. PostgreSQL is taken too."
    )
    hub_database_url = Unicode(
        "", help="Database of JupyterHub; empty: SQLite in the state folder."
    )
    closed_subnet = Unicode("172.29.0.0/20", help="Students' network without internet (IPv4).")
    open_subnet = Unicode("172.29.16.0/20", help="Students' network with internet (IPv4).")
    simulate_gpus = Unicode(
        "", help="Simulated GPUs, such as 4x24 for four of 24 GB, on a machine that has none."
    )
    base_image = Unicode(
        "debootstrap",
        help="Where the base image comes from: `debootstrap` builds it from Debian's packages; "
        "anything else is a reference that a registry of images serves.",
    )
    ca_bundle = Unicode(
        "/etc/ssl/certs/ca-certificates.crt",
        help="Certificate authorities that every build and every container trusts (PEM).",
    )
    pip_index_url = Unicode("", help="Python package index for image builds; empty: pip's default.")
    torch_index_url = Unicode(
        "", help="Package index that has torch for the CPU; empty: pip's own."
    )
    torch = Enum(
        ["", "cpu", "cuda"],
        "",
        help="Build of torch in the images; empty: the catalog's word, and `cuda` where a GPU is "
        "found or the package index has no build for the CPU.",
    )
    debian_mirror = Unicode("", help="Mirror of Debian's packages for images; empty: the host's.")
    warn_minutes = Int(
        10, min=1, max=60, help="Minutes before a session's end to warn the student."
    )
    idle_minutes = Int(
        30,
        min=0,
        max=1440,
        help="Minutes without real use after which a session is told to end; 0: never. An open "
        "tab is no use.",
    )
    idle_grace_minutes = Int(
        10, min=1, max=60, help="Minutes that an idle session still has once its student is told."
    )
    starts_at_once = Int(
        0, min=0, max=256, help="Servers that start at the same time at most; 0: two per core."
    )
    recall_minutes = Int(
        10,
        min=1,
        max=120,
        help="Minutes until a GPU on loan is given back, once its own group waits for it.",
    )
    extend_minutes = Int(
        30, min=5, max=240, help="Minutes that one click adds to a session, where others allow."
    )
    admin_contact = Unicode("", help="How students reach the administrators; shown with errors.")
    plain_http_accepted = Bool(
        False, help="True silences the warning about passwords over plain HTTP."
    )

    @validate("instance", "system_user")
    def _a_short_name(self, proposal: Any) -> str:
        # Bridges are named after the instance, and Linux allows 15 characters for an interface.
        if not re.fullmatch(r"[a-z][a-z0-9]{0,11}", proposal["value"]):
            raise TraitError("1 to 12 lower-case letters and digits, beginning with a letter")
        return str(proposal["value"])

    @validate("closed_subnet", "open_subnet")
    def _a_subnet(self, proposal: Any) -> str:
        try:
            ipaddress.IPv4Network(proposal["value"])
        except ValueError as error:
            raise TraitError(f"an IPv4 network such as 172.29.0.0/20 ({error})") from None
        return str(proposal["value"])

    @validate("simulate_gpus")
    def _count_by_gigabytes(self, proposal: Any) -> str:
        if proposal["value"] and not re.fullmatch(r"[1-9]\d?x[1-9]\d{0,2}", proposal["value"]):
            raise TraitError("COUNTxGIGABYTES, such as 4x24")
        return str(proposal["value"])

    @validate("certificate")
    def _a_file(self, proposal: Any) -> str:
        if proposal["value"] and not Path(proposal["value"]).is_file():
            raise TraitError("a file that exists, with private key and certificate chain")
        return str(proposal["value"])

    def path(self, *parts: str) -> Path:
        """A path inside the state folder."""
        return Path(self.state, *parts)

    @property
    def hub_address(self) -> str:
        """The host's own address on the students' network: where containers find the Hub."""
        return str(next(ipaddress.IPv4Network(self.closed_subnet).hosts()))

    @property
    def hub_api_url(self) -> str:
        """The Hub's API as containers, proxy and portal reach it."""
        return f"http://{self.hub_address}:{self.hub_port}/hub/api"

    @property
    def database_file(self) -> Path:
        """RadLab's own database where it is the embedded one: a file of the system user's."""
        return self.path("database", "radlab.sqlite")

    @property
    def radlab_database_url(self) -> str:
        """The URL of RadLab's own database."""
        return self.database_url or f"sqlite:///{self.database_file}"

    @property
    def jupyterhub_database_url(self) -> str:
        """The URL of JupyterHub's database."""
        return self.hub_database_url or f"sqlite:///{self.path('database', 'jupyterhub.sqlite')}"

    @property
    def address(self) -> str:
        """The address that people open, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        scheme = "https" if self.certificate else "http"
        host = reachable_host() if self.listens_everywhere else self.listen
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def listens_everywhere(self) -> bool:
        """Whether the public port is on every address of this machine."""
        return self.listen in ("", "0.0.0.0", "::")

    def secret(self, name: str) -> str:
        """The secret of that name; StateUnready where it is missing or may not be read."""
        try:
            return self.path("secrets", name).read_text().strip()
        except OSError as error:
            raise StateUnready(
                "The secret {path} cannot be read: {reason}.",
                do="Run this as root or as {user}; `./radlab up` makes missing secrets.",
                path=self.path("secrets", name),
                reason=error.strerror,
                user=self.system_user,
            ) from error

    def make_secret(self, name: str) -> str:
        """The secret of that name, made (256 bits, hexadecimal, mode 0600) where missing."""
        path = self.path("secrets", name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self.secret(name)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        return self.secret(name)

    def make_folders(self) -> None:
        """Create the folders of the state that every part expects."""
        for name in _FOLDERS:
            mode = 0o700 if name == "secrets" else 0o755
            self.path(name).mkdir(mode=mode, parents=True, exist_ok=True)
        self.path("datasets", "visible", "everyone").mkdir(parents=True, exist_ok=True)

    def save(self, changes: Mapping[str, Any]) -> None:
        """Write `changes` into `settings.yaml`, keeping what else it says."""
        path = self.path("settings.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = _read_file(path)
        kept.update(changes)
        draft = path.with_suffix(".tmp")
        # Made anew, never written through a link: the folder is the system user's, this is root.
        draft.unlink(missing_ok=True)
        with draft.open("x") as file:
            os.fchmod(file.fileno(), 0o644)
            yaml.safe_dump(kept, file, sort_keys=True, allow_unicode=True)
        draft.replace(path)


def reachable_host() -> str:
    """The name or IPv4 address by which other machines most likely find this one.

    Its full name where that leads beyond loopback, else the address of its default route, else
    127.0.0.1. A name is looked up the way the machine is set to; nothing else is sent.
    """
    name = socket.getfqdn()
    if "." in name and _leads_beyond_loopback(name):
        return name
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting UDP only picks the route; the address is one that RFC 5737 gives nobody.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _leads_beyond_loopback(name: str) -> bool:
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except (OSError, UnicodeError):
        return False
    return not any(ipaddress.ip_address(one.split("%")[0]).is_loopback for one in found)


def load_settings(
    state: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """The settings of the RadLab whose state lies in `state` (default: RADLAB_STATE)."""
    environ = os.environ if environ is None else environ
    folder = Path(state or environ.get("RADLAB_STATE") or DEFAULT_STATE).absolute()
    known = set(Settings.class_traits()) - {"state"}
    settings = Settings(state=str(folder))
    source = folder / "settings.yaml"
    for name, value in _read_file(source).items():
        if name not in known:
            raise BadSetting(
                "{source}: there is no setting '{name}'.{hint}",
                given=name,
                allowed=sorted(known),
                do="Correct or remove that line.",
                source=source,
                name=name,
                hint=nearest(name, known),
            )
        _set(settings, name, value, str(source))
    for name in sorted(known):
        variable = f"RADLAB_{name.upper()}"
        if variable in environ:
            _set(settings, name, _parsed(settings, name, environ[variable]), variable)
    return settings


def _set(settings: Settings, name: str, value: Any, source: str) -> None:
    try:
        setattr(settings, name, value)
    except TraitError as error:
        raise BadSetting(
            "{source}: the setting '{name}' cannot be {value!r}: it wants {reason}.",
            given=value,
            do="Correct it; its meaning: {help}",
            source=source,
            name=name,
            value=value,
            reason=str(error).rstrip("."),
            help=settings.trait_metadata(name, "help"),
        ) from error


def _parsed(settings: Settings, name: str, text: str) -> Any:
    trait = settings.traits()[name]
    if isinstance(trait, Bool):
        return text.strip().lower() in ("1", "true", "yes", "on")
    if isinstance(trait, Int) and re.fullmatch(r"\d+", text.strip()):
        return int(text)
    return text


def _read_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except PermissionError as error:
        raise StateUnready(
            "{path} may not be read by this user.", do="Run this as root, with sudo.", path=path
        ) from error
    except (OSError, yaml.YAMLError) as error:
        raise StateUnready(
            "{path} cannot be read: {reason}.", do="Correct the file.", path=path, reason=error
        ) from error
    if not isinstance(content, dict):
        raise StateUnready(
            "{path} must be lines of `name: value`.", do="Correct the file.", path=path
        )
    return content
