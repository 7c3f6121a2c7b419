"""The walls, for real: built with iptables, read back, and vouched for in a heartbeat.

The keeper, which is root, verifies and repairs them every few seconds and writes
`run/walls.json`; whoever starts a container calls `require_walls`, which only reads that file.
Silence is no consent: an old heartbeat counts as no walls.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hub_config import clock
from hub_config.errors import Unready
from hub_config.network import rules, surroundings
from hub_config.settings import Settings

STALE_SECONDS = 30
_COMMANDS = {rules.IPV4: "iptables", rules.IPV6: "ip6tables"}
_BRIDGED = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables")
_SYSCTL = Path("/proc/sys/net/bridge")


class WallsDown(Unready):
    """The firewall rules around the students' networks do not stand, or nobody vouches for it."""

    code = "walls_down"


class NoFirewall(Unready):
    """iptables is missing or refuses."""

    code = "no_firewall"


def require_walls(settings: Settings) -> None:
    """Return where the walls stood when last looked at, at most 30 s ago; else WallsDown."""
    heartbeat = read_heartbeat(settings)
    if not heartbeat:
        raise WallsDown(
            "No container can be started: nobody watches the firewall rules of the students' "
            "networks.",
            do="Start the keeper with `./radlab up`.",
        )
    age = abs((clock.now() - clock.from_iso(heartbeat["checked_at"])).total_seconds())
    if age > STALE_SECONDS:
        raise WallsDown(
            "No container can be started: the firewall rules of the students' networks were last "
            "verified {age:.0f} seconds ago.",
            do="Look at `./radlab status` and `./radlab logs keeper`.",
            age=age,
        )
    if not heartbeat["ok"]:
        raise WallsDown(
            "No container can be started: {reason}.",
            do="Look at `./radlab doctor` and `./radlab logs keeper`.",
            reason=heartbeat["reason"],
        )


def read_heartbeat(settings: Settings) -> dict[str, Any]:
    """What the keeper last wrote; empty where there is nothing that can be read."""
    try:
        heartbeat = json.loads(_heartbeat(settings).read_text())
        return dict(heartbeat) if {"ok", "reason", "checked_at"} <= heartbeat.keys() else {}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def report(settings: Settings, problems: Sequence[str]) -> None:
    """Write the heartbeat: the walls stand where there is no problem."""
    content = {
        "ok": not problems,
        "reason": "; ".join(problems),
        "checked_at": clock.to_iso(clock.now()),
    }
    path = _heartbeat(settings)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(content))
    draft.chmod(0o644)
    draft.replace(path)


def _heartbeat(settings: Settings) -> Path:
    return settings.path("run", "walls.json")


def current_plan(settings: Settings) -> rules.Plan:
    """The rules' plan for these settings on this machine as it is connected now."""
    return rules.plan(settings, surroundings.name_servers(), surroundings.local_networks())


def inspect_walls(settings: Settings) -> list[str]:
    """What is wrong with the walls, really read back; empty where they stand."""
    wanted = current_plan(settings)
    wrong = _bridged_frames_unseen()
    for family in _families():
        wrong += rules.problems(wanted, _listing(family), family)
    return wrong


def build_walls(settings: Settings) -> list[str]:
    """Repair what is wrong and return what was, empty where all stood; NoFirewall if it cannot."""
    wrong = inspect_walls(settings)
    if not wrong:
        return []
    wanted = current_plan(settings)
    _show_bridged_frames()
    for family in _families():
        found = _listing(family)
        if rules.problems(wanted, found, family):
            _restore(family, rules.repair(wanted, found, family))
    left = inspect_walls(settings)
    if left:
        raise NoFirewall(
            "The firewall rules of the students' networks do not hold: {left}.",
            do="Another tool may be changing them; compare `iptables -S` a few seconds apart.",
            left="; ".join(left),
        )
    return wrong


def tear_down_walls(settings: Settings) -> None:
    """Take our chains away; only where no container of ours is left."""
    wanted = current_plan(settings)
    for family in _families():
        change = rules.removal(wanted, _listing(family), family)
        if change:
            _restore(family, change)


def _families() -> list[int]:
    # A kernel without IPv6 has no ip6tables either, and nothing to wall in.
    return [rules.IPV4, rules.IPV6] if Path("/proc/net/if_inet6").exists() else [rules.IPV4]


def _listing(family: int) -> rules.Found:
    return rules.read(_run([_COMMANDS[family], "-w", "10", "-S"]))


def _restore(family: int, change: str) -> None:
    _run([f"{_COMMANDS[family]}-restore", "-w", "10", "--noflush"], change)


def _run(command: list[str], given: str | None = None) -> str:
    if shutil.which(command[0]) is None:
        raise NoFirewall(
            "{name} is not installed.", do="Install it: apt-get install iptables", name=command[0]
        )
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise NoFirewall(
            "`{command}` failed: {reason}.",
            do="Run this as root; `./radlab doctor` looks further.",
            command=" ".join(command),
            reason=done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason",
        )
    return done.stdout


def _bridged_frames_unseen() -> list[str]:
    wrong = []
    for name in _BRIDGED:
        path = _SYSCTL / name
        if not path.exists():
            return ["the kernel's module br_netfilter is not loaded"]
        if path.read_text().strip() != "1":
            wrong.append(f"net.bridge.{name} is 0, so neighbours reach each other")
    return wrong


def _show_bridged_frames() -> None:
    if not _SYSCTL.exists() and shutil.which("modprobe"):
        subprocess.run(["modprobe", "br_netfilter"], capture_output=True, timeout=60)
    for name in _BRIDGED:
        path = _SYSCTL / name
        if path.exists() and path.read_text().strip() != "1":
            path.write_text("1")
