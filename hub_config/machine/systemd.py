"""Services under systemd: one unit each and a target that holds them.

From `up` to `down` the target is enabled: a reboot brings RadLab back, and does not after `down`.

What a unit may do is as little as its service needs; `systemd-analyze security` scores it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hub_config.errors import Unready
from hub_config.machine.progress import tail
from hub_config.machine.services import NAMES, SERVICES, Service
from hub_config.settings import Settings

UNITS = Path("/etc/systemd/system")
_TARGET = """\
[Unit]
Description=RadLab ({instance})
Wants={units}

[Install]
WantedBy=multi-user.target
"""
_UNIT = """\
[Unit]
Description=RadLab {name}: {purpose} ({instance})
Wants=network-online.target
After=network-online.target docker.service {before}
PartOf={instance}.target
StartLimitIntervalSec=0

[Service]
Type=exec
{user}
WorkingDirectory={state}
Environment="RADLAB_STATE={state}" "LANG=C.UTF-8" "HOME={state}"{certificates}
ExecStart="{python}" -P -m hub_config.machine.serve {name}
Restart=always
RestartSec=2
TimeoutStopSec=20
UMask=0022
{hardening}

[Install]
WantedBy={instance}.target
"""
_FOR_ALL = (
    "NoNewPrivileges=yes",
    "PrivateTmp=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectSystem=strict",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
)
_FOR_USERS = (
    # Not for the keeper, whose capabilities leave it no clock to set: before systemd 253 this shuts
    # out every device that is not named, NVIDIA's and the kernel's log too (systemd issue 18142).
    "ProtectClock=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "PrivateDevices=yes",
    "ProtectProc=invisible",
)
# The keeper sets firewall rules, writes net.bridge.*, loads br_netfilter and asks the NVIDIA
# driver, so tunables, modules and devices stay open to it. It reads in the kernel's log what was
# killed for memory, and sets quotas of homes (quotactl(2) wants CAP_SYS_ADMIN, and to mark files of
# students as a home's CAP_FOWNER). It has the Docker Engine's socket in any case, and with that the
# machine.
_KEEPER_CAPABILITIES = (
    "CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_MODULE CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER CAP_SYSLOG "
    "CAP_SYS_ADMIN"
)


def unit_name(settings: Settings, name: str) -> str:
    """The unit of a service, such as `radlab-hub.service`."""
    return f"{settings.instance}-{name}.service"


def target_name(settings: Settings) -> str:
    """The target that holds all units."""
    return f"{settings.instance}.target"


def units(settings: Settings, python: str = sys.executable) -> dict[str, str]:
    """The text of each unit file, by its name."""
    made = {unit_name(settings, one.name): _unit(settings, one, python) for one in SERVICES}
    names = " ".join(made)
    return {**made, target_name(settings): _TARGET.format(instance=settings.instance, units=names)}


def _unit(settings: Settings, service: Service, python: str) -> str:
    earlier = NAMES[: NAMES.index(service.name)]
    user = f"User={settings.system_user}\nGroup={settings.system_user}"
    return _UNIT.format(
        name=service.name,
        purpose=service.purpose,
        instance=settings.instance,
        before=" ".join(unit_name(settings, name) for name in earlier),
        user="User=root" if service.as_root else user,
        state=_escaped(settings.state),
        python=_escaped(python),
        certificates=_certificates(),
        hardening="\n".join(_hardening(settings, service)),
    )


def _hardening(settings: Settings, service: Service) -> list[str]:
    lines = [*_FOR_ALL, f'ReadWritePaths="{_escaped(settings.state)}"']
    if not settings.state.startswith(("/home/", "/root/")):
        lines.append("ProtectHome=yes")
    if service.as_root:
        # iptables keeps its lock in /run.
        lines += [f"CapabilityBoundingSet={_KEEPER_CAPABILITIES}", "ReadWritePaths=/run"]
        return lines
    lines += _FOR_USERS
    if service.name == "proxy" and settings.port < 1024:
        bind = "CAP_NET_BIND_SERVICE"
        return [*lines, f"CapabilityBoundingSet={bind}", f"AmbientCapabilities={bind}"]
    return [*lines, "CapabilityBoundingSet="]


def _certificates() -> str:
    # Certificate authorities of the site, where the shell that ran `up` names them.
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    return "".join(f' "{n}={_escaped(os.environ[n])}"' for n in names if n in os.environ)


def _escaped(text: str) -> str:
    # systemd.syntax(7), systemd.unit(5): in quotes, and % begins a specifier.
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


class Systemd:
    """Starts, stops and looks at services through systemctl."""

    def __init__(self, settings: Settings, folder: Path = UNITS) -> None:
        self.settings = settings
        self.folder = folder

    def prepare(self) -> bool:
        """Write the units and enable them; False where their texts were as they are."""
        changed = False
        for name, text in units(self.settings).items():
            path = self.folder / name
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
                changed = True
        if changed:
            _systemctl("daemon-reload")
        # In any case: `down` has disabled the target, and changed no text.
        _systemctl("enable", *units(self.settings))
        return changed

    def retire(self) -> None:
        """Disable the target and stop it; a reboot finds no network of ours to start upon."""
        if (self.folder / target_name(self.settings)).exists():
            _systemctl("disable", "--now", target_name(self.settings))

    def running(self, name: str) -> bool:
        """Whether systemd has the service active."""
        unit = unit_name(self.settings, name)
        command = ["systemctl", "is-active", "--quiet", unit]
        return subprocess.run(command).returncode == 0

    def start(self, name: str) -> None:
        """Start the service, and with it the target that a reboot starts."""
        _systemctl("start", unit_name(self.settings, name), target_name(self.settings))

    def stop(self, name: str) -> None:
        """Stop the service; the target still wants it."""
        if (self.folder / unit_name(self.settings, name)).exists():
            _systemctl("stop", unit_name(self.settings, name))

    def log(self, name: str, follow: bool, lines: int) -> list[str]:
        """The words that show the service's journal."""
        follows = ["--follow"] if follow else []
        unit = unit_name(self.settings, name)
        return ["journalctl", "--no-pager", "-n", str(lines), "-u", unit, *follows]


def _systemctl(*words: str) -> None:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True)
    if done.returncode:
        raise Unready(
            "`systemctl {words}` failed: {reason}.",
            do="`systemctl status` and `journalctl -xe` say more.",
            words=" ".join(words),
            reason=tail(done.stderr, 3).rstrip("."),
        )
