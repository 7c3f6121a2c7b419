"""What a storm comes to in figures, and how they are printed."""

from __future__ import annotations

import json
import os
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crowd import Storm

Figures = dict[str, Any]


def figures_of(storm: Storm, stalls: Path) -> Figures:
    """The figures of one arm; seconds, and None where there is nothing to measure."""
    waits = storm.waits
    ready = sorted(wait.ready_s for wait in waits if wait.ready_s is not None)
    places = sorted(wait.place_s for wait in waits if wait.place_s is not None)
    errors = [
        abs(wait.expected_s - wait.ready_s) / wait.ready_s
        for wait in waits
        if wait.expected_s is not None and wait.ready_s is not None
    ]
    statuses = sum((wait.statuses for wait in waits), storm.api_statuses)
    late, busy = _stalls(stalls, storm.begun_at)
    return {
        "students": len(waits),
        "ready": len(ready),
        "failed": len(waits) - len(ready),
        "first_s": _rounded(ready[0] if ready else None),
        "median_s": _rounded(statistics.median(ready) if ready else None),
        "last_s": _rounded(ready[-1] if ready else None),
        "place_last_s": _rounded(places[-1] if len(places) == len(waits) else None),
        "places_shown": len(places),
        "expected_error": _rounded(statistics.median(errors) if errors else None),
        "sign_in_s": _rounded(storm.sign_in_s),
        "api_p95_s": _rounded(percentile(storm.api_s, 95), 3),
        "api_requests": len(storm.api_s),
        "stall_s": _rounded(late, 3),
        "stall_busy_s": _rounded(busy, 3),
        "answers_429": statuses[429],
        "answers_5xx": sum(count for status, count in statuses.items() if status >= 500),
        "load": [round(storm.load_before, 2), round(storm.load_after, 2)],
        "why_failed": dict(Counter(wait.failed for wait in waits if wait.failed).most_common(3)),
    }


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The value that `percent` of all do not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _stalls(file: Path, since: float) -> tuple[float, float]:
    """How late the loop came at most, and how long it was at work itself at most."""
    late, busy = 0.0, 0.0
    for line in file.read_text().splitlines():
        moment, one_late, one_busy = map(float, line.split())
        if moment >= since:
            late, busy = max(late, one_late), max(busy, one_busy)
    return late, busy


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)


ROWS = {
    "ready": "ready",
    "failed": "failed",
    "first_s": "first ready, s",
    "median_s": "median ready, s",
    "last_s": "last ready, s",
    "place_last_s": "place shown to all, s",
    "expected_error": "expected time off by (median)",
    "sign_in_s": "all signed in, s",
    "api_p95_s": "API p95, s",
    "stall_s": "event loop late at most, s",
    "stall_busy_s": "  of its own work, s",
    "answers_429": "answers 429",
    "answers_5xx": "answers 5xx",
    "out_of_order": "served out of order",
    "load": "load average before, after",
}


def table(arms: Mapping[str, str], found: Mapping[str, Figures], *, as_json: bool) -> str:
    """All arms beside each other; `arms` says what they are."""
    if as_json:
        machine = {"cores": os.cpu_count()}
        return json.dumps({"bench": "storm", "arms": arms, "figures": found} | machine, indent=1)
    lines = [f"a class starts at once, {os.cpu_count()} cores"]
    lines += [f"  {name}: {what}" for name, what in arms.items()]
    lines += ["", " " * 32 + "".join(f"{arm:>16}" for arm in found)]
    for row, name in ROWS.items():
        if any(row in figures for figures in found.values()):
            cells = (_cell(figures.get(row)) for figures in found.values())
            lines.append(f"{name:<32}" + "".join(f"{cell:>16}" for cell in cells))
    for arm, figures in found.items():
        lines += [f"{arm}: {count} x {why}" for why, count in figures["why_failed"].items()]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return "/".join(map(str, value)) if isinstance(value, list) else f"{value:g}"
