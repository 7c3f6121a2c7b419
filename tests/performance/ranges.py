"""Judges figures by `ranges.yaml`: one that is a fifth worse than what is kept there fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

RANGES = Path(__file__).with_name("ranges.yaml")
SLACK = 0.2


def judge(bench: str, found: Mapping[str, Mapping[str, Any]], file: Path = RANGES) -> int:
    """Print what is worse than it may be; 1 where anything is, 0 where nothing is."""
    kept = yaml.safe_load(file.read_text())[bench]
    if kept["cores"] != os.cpu_count():
        print(f"ranges.yaml keeps figures of {kept['cores']} cores; this is {os.cpu_count()}.")
    wrong = [line for arm, figures in found.items() for line in worse(kept.get(arm, {}), figures)]
    for line in wrong:
        print(f"WORSE: {line}", file=sys.stderr)
    if not wrong:
        print("within the ranges")
    return 1 if wrong else 0


def worse(kept: Mapping[str, Mapping[str, Any]], figures: Mapping[str, Any]) -> list[str]:
    """What of `figures` is worse than `kept` allows, as lines."""
    lines = []
    for name, rule in kept.items():
        (way, value), slack = _bound(rule), rule.get("slack", SLACK)
        given = figures.get(name)
        limit = value * (1 + slack) if way == "most" else value * (1 - slack)
        missed = given is None or (given > limit if way == "most" else given < limit)
        if missed:
            lines.append(f"{name} is {given}, and {way} {limit:g} is allowed ({value:g} is kept)")
    return lines


def _bound(rule: Mapping[str, Any]) -> tuple[str, float]:
    return next((way, float(rule[way])) for way in ("most", "least") if way in rule)
