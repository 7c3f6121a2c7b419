"""The judge of figures: what is a fifth worse fails, and what is missing fails."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))  # measurements are scripts, and so are their parts

import ranges
import storm_report

KEPT: dict[str, dict[str, Any]] = {
    "last_s": {"most": 40},
    "ready": {"least": 60, "slack": 0},
    "answers_429": {"most": 0},
}
MEASURED = {
    "server": {"ready_s", "cpu_s", "memory_mb"},
    "train": {"seconds_to_dice", "epochs", "epoch_s", "epoch_cpu_s", "dice", "times_as_fast"},
    "read": {"preadv_to_catalog", "pydicom_to_catalog", "simpleitk_to_catalog", "catalog_ms"},
}
GOOD = {"last_s": 40.0, "ready": 60, "answers_429": 0}


@pytest.mark.parametrize(("figures", "worse"), [
    ({}, 0),
    ({"last_s": 20.0}, 0),
    ({"last_s": 48.0}, 0),
    ({"last_s": 48.1}, 1),
    ({"ready": 59}, 1),
    ({"ready": 61}, 0),
    ({"answers_429": 1}, 1),
    ({"last_s": None}, 1),
    ({"last_s": 90.0, "ready": 0}, 2),
])  # fmt: skip
def test_a_figure_is_worse_beyond_its_slack(figures: dict[str, Any], worse: int) -> None:
    lines = ranges.worse(KEPT, GOOD | figures)
    assert len(lines) == worse
    assert all(any(name in line for name in figures) for line in lines)


def test_a_run_with_a_worse_figure_fails_and_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ranges.yaml"
    file.write_text(yaml.safe_dump({"storm": {"cores": os.cpu_count(), "radlab": KEPT}}))
    assert ranges.judge("storm", {"radlab": GOOD}, file) == 0
    assert ranges.judge("storm", {"radlab": GOOD | {"ready": 58}}, file) == 1
    assert "ready is 58" in capsys.readouterr().err


def test_every_range_that_is_kept_is_a_figure_that_is_measured() -> None:
    kept = yaml.safe_load(ranges.RANGES.read_text())
    assert {"storm-60", "storm-light-270", "server"} <= kept.keys()
    for bench, arms in kept.items():
        storm = bench.startswith("storm")
        measured = set(storm_report.ROWS) if storm else MEASURED[bench]
        for arm, rules in arms.items():
            if arm != "cores":
                assert rules.keys() <= measured, (bench, arm)


@pytest.mark.parametrize(("percent", "expected"), [(50, 51.0), (95, 96.0), (100, 100.0)])
def test_a_percentile_is_one_of_the_values(percent: int, expected: float) -> None:
    assert storm_report.percentile([float(n) for n in range(1, 101)], percent) == expected
    assert storm_report.percentile([], percent) is None
