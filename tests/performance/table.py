"""How every measurement is printed: arms named, medians, ratios; or the figures as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any


def summary(seconds: Sequence[float]) -> dict[str, Any]:
    """Median, least and most of one row, in seconds."""
    return {
        "runs": len(seconds),
        "median_s": round(median(seconds), 3),
        "least_s": round(min(seconds), 3),
        "most_s": round(max(seconds), 3),
    }


def report(
    title: str,
    arms: Mapping[str, str],
    rows: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    as_json: bool,
) -> str:
    """The figures of `rows[row][arm]` (seconds); ratios are first arm over each other arm."""
    figures = {
        row: {arm: summary(values) for arm, values in of.items()} for row, of in rows.items()
    }
    ratios = {
        row: {
            arm: round(next(iter(of.values()))["median_s"] / of[arm]["median_s"], 3)
            for arm in list(of)[1:]
        }
        for row, of in figures.items()
    }
    if as_json:
        content = {"bench": title, "arms": dict(arms), "figures": figures, "ratios": ratios}
        return json.dumps(content | {"machine": platform.machine()}, indent=1)
    return "\n".join([title, *_arm_lines(arms), "", *_table_lines(figures, ratios)])


def _arm_lines(arms: Mapping[str, str]) -> list[str]:
    return [f"  {name}: {what}" for name, what in arms.items()]


def _table_lines(
    figures: Mapping[str, Mapping[str, Mapping[str, Any]]],
    ratios: Mapping[str, Mapping[str, float]],
) -> list[str]:
    form = "{:<10} {:<10} {:>5} {:>9} {:>9} {:>9} {:>7}"
    lines = [form.format("", "arm", "runs", "median s", "least s", "most s", "ratio")]
    for row, arms in figures.items():
        for arm, of in arms.items():
            ratio = ratios[row].get(arm)
            numbers = (f"{of[key]:.2f}" for key in ("median_s", "least_s", "most_s"))
            shown = f"{ratio:.2f}" if ratio is not None else ""
            lines.append(form.format(row, arm, of["runs"], *numbers, shown))
    return lines
