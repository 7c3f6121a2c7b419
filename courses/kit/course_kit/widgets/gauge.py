"""The desk as four rings that move: processor, memory, folder, time left.

A thread reads the control group once a second, so the rings move while a cell computes. It ends
after `seconds`, or when another gauge is shown. Where no widget is shown, the rings stand still.
"""

from __future__ import annotations

import html
import math
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ipywidgets as widgets
from course_kit.desk import GROUPS, allowed_cores, allowed_memory_gb, used_memory_gb
from course_kit.texts import say

_GIB = 2**30
_RADIUS = 40.0
_ROUND = 2 * math.pi * _RADIUS
_CALM, _FULL, _OVER = "#2563eb", "#d97706", "#dc2626"
_FULL_FROM, _OVER_FROM = 0.75, 0.92


@dataclass(frozen=True)
class Level:
    """One ring: its title, what stands in its middle, of how much; `share` 0..1 is filled.

    A full processor is no reason to worry, so its ring does not warn.
    """

    title: str
    value: str
    of: str
    share: float
    warns: bool = True


def cpu_seconds(groups: Path = GROUPS) -> float:
    """Processor seconds that this container has used; this process's own where no group counts."""
    try:
        rows = dict(line.split() for line in (groups / "cpu.stat").read_text().splitlines())
        return int(rows["usage_usec"]) / 1e6
    except (OSError, ValueError, KeyError):
        pass
    for name in ("cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage"):
        try:
            return int((groups / name).read_text()) / 1e9
        except (OSError, ValueError):
            continue
    return time.process_time()


def session_minutes(now: datetime, environ: Mapping[str, str] = os.environ) -> float | None:
    """Minutes to the end of the session as it was given out; None where it has no end."""
    try:
        ends = datetime.fromisoformat(environ["RADLAB_SESSION_ENDS"])
    except (KeyError, ValueError):
        return None
    ends = ends if ends.tzinfo else ends.replace(tzinfo=UTC)
    return max(0.0, (ends - now).total_seconds() / 60)


def folder_gb(home: Path) -> tuple[float, float]:
    """GB used and GB in all of the file system that `home` is in."""
    found = os.statvfs(home)
    total = found.f_blocks * found.f_frsize / _GIB
    return total - found.f_bfree * found.f_frsize / _GIB, total


def levels(
    busy_cores: float,
    *,
    groups: Path = GROUPS,
    home: Path | None = None,
    minutes: float | None = None,
    whole: float = 60.0,
) -> list[Level]:
    """The rings as they are now; `whole` minutes of the session fill the ring of time."""
    cores, memory = allowed_cores(groups), allowed_memory_gb(groups)
    used = used_memory_gb(groups)
    found = [
        Level(
            say("gauge_cores"), f"{busy_cores:.1f}", _of(f"{cores:g}"), busy_cores / cores, False
        ),
        Level(say("gauge_memory"), f"{used:.1f} GB", _of(f"{memory:.1f} GB"), used / memory),
    ]
    kept, room = folder_gb(home or Path.home())
    share = kept / room if room else 0.0
    found.append(Level(say("gauge_folder"), f"{kept:.0f} GB", _of(f"{room:.0f} GB"), share))
    if minutes is None:
        found.append(Level(say("gauge_time"), "∞", say("gauge_no_end"), 0.0))
    else:
        gone = 1 - min(1.0, minutes / whole)
        found.append(Level(say("gauge_time"), f"{minutes:.0f} min", say("gauge_left"), gone))
    return found


def rings(shown: list[Level]) -> str:
    """The levels as a row of rings, in HTML with inline styles."""
    tiles = "".join(_tile(level) for level in shown)
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:12px;margin:6px 0;max-width:760px">'
        f"{tiles}</div>"
    )


class Gauge(widgets.HTML):  # type: ignore[misc]
    """Four rings that follow the container; `most_cores` and `most_memory_gb` are its peaks."""

    _shown: Gauge | None = None

    def __init__(self, seconds: float = 900.0, *, groups: Path = GROUPS) -> None:
        super().__init__()
        self._groups = groups
        self._whole = max(1.0, session_minutes(datetime.now(UTC)) or 60.0)
        self._cpu, self._at = cpu_seconds(groups), time.monotonic()
        self.most_cores = 0.0
        self.most_memory_gb = 0.0
        self._ended = threading.Event()
        self.look()
        if Gauge._shown is not None:
            Gauge._shown.stop()
        Gauge._shown = self
        threading.Thread(target=self._follow, args=(seconds,), daemon=True).start()

    def look(self) -> None:
        """Read the container once, and draw it."""
        cpu, at = cpu_seconds(self._groups), time.monotonic()
        passed = at - self._at
        cores = allowed_cores(self._groups)
        busy = min(cores, max(0.0, cpu - self._cpu) / passed) if passed > 0.05 else 0.0
        self._cpu, self._at = cpu, at
        self.most_cores = max(self.most_cores, busy)
        self.most_memory_gb = max(self.most_memory_gb, used_memory_gb(self._groups))
        minutes = session_minutes(datetime.now(UTC))
        self.value = rings(levels(busy, groups=self._groups, minutes=minutes, whole=self._whole))

    def stop(self) -> None:
        """Let the rings stand still."""
        self._ended.set()

    def _follow(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._ended.wait(1.0):
            try:
                self.look()
            except (OSError, RuntimeError):  # the kernel is ending, or the folder is away
                return

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = self.value
        return bundle


def _of(amount: str) -> str:
    return say("gauge_of", amount=amount)


def _tile(level: Level) -> str:
    share = min(1.0, max(0.0, level.share))
    colour = _CALM
    if level.warns and share >= _FULL_FROM:
        colour = _OVER if share >= _OVER_FROM else _FULL
    ring = (
        f'<circle cx="60" cy="60" r="{_RADIUS:g}" fill="none" stroke="{{}}" stroke-width="9" '
        'stroke-linecap="round" transform="rotate(-90 60 60)" {}/>'
    )
    filled = f'stroke-dasharray="{share * _ROUND:.1f} {_ROUND:.1f}"'
    arcs = ring.format("#e2e8f0", "") + (ring.format(colour, filled) if share > 0.004 else "")
    middle = (
        '<text x="60" y="65" text-anchor="middle" font-size="15" font-weight="600" '
        f'fill="#1e293b">{html.escape(level.value)}</text>'
    )
    picture = (
        f'<svg width="112" height="112" viewBox="0 0 120 120" role="img" '
        f'style="font-family:inherit">{arcs}{middle}</svg>'
    )
    tile = (
        "flex:1 1 120px;max-width:176px;background:#f8fafc;border:1px solid #e2e8f0;"
        "border-radius:10px;padding:8px 4px 10px;text-align:center;line-height:1.35"
    )
    return (
        f'<div style="{tile}">{picture}'
        f'<div style="font-weight:600;color:#1e293b">{html.escape(level.title)}</div>'
        f'<div style="color:#64748b;font-size:13px">{html.escape(level.of)}</div></div>'
    )
