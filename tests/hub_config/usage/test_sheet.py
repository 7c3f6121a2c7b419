from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hub_config.gpus.model import Ended
from hub_config.usage.model import Record
from hub_config.usage.sheet import COLUMNS, csv_of

RECORD = Record(
    lease_id="1234",
    username="sam",
    group="radiology",
    lender=None,
    device_uuids=("GPU-1", "GPU-2"),
    device_models=("Card, 24 GB", "Card, 24 GB"),
    simulated=True,
    size="large",
    cpus=2.0,
    memory_mb=8192,
    image="radlab/imaging:1",
    image_digest="sha256:12",
    module=None,
    module_version=None,
    datasets=("chest/2",),
    granted_at=datetime(2026, 3, 2, 12, 0, tzinfo=UTC),
    started_at=datetime(2026, 3, 2, 12, 1, tzinfo=UTC),
    ended_at=None,
    minutes=90,
    gpu_hours=1234567.25,
    memory_peak_mb=700,
    gpu_memory_peak_mb=9000,
    gpu_mean=0.51239,
    oom_kills=0,
    why_ended=Ended.TIME_UP,
)


def rows(*records: Record) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_of(records), newline="")))


def test_every_field_of_a_record_is_a_column() -> None:
    [row] = rows(RECORD)
    assert tuple(row) == COLUMNS
    assert row["devices"] == "GPU-1; GPU-2"
    assert row["device_models"] == "Card, 24 GB; Card, 24 GB"
    assert (row["started_at"], row["ended_at"]) == ("2026-03-02T12:01:00Z", "")
    assert (row["gpu_hours"], row["gpu_mean"]) == ("1234567.25", "0.512")
    assert (row["simulated"], row["why_ended"]) == ("yes", "time_up")


def test_without_records_there_is_a_line_of_heads() -> None:
    assert csv_of([]) == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", '=HYPERLINK("http://evil","x")'],
)
def test_no_cell_is_a_formula(name: str) -> None:
    [row] = rows(replace(RECORD, username=name, module=name, datasets=(name,)))
    assert row["username"] == row["module"] == row["datasets"] == f"'{name}"


@pytest.mark.parametrize("name", ["a,b", 'say "hi"', "two\nlines", "王小明"])
def test_a_name_of_any_letters_is_read_back_as_it_was(name: str) -> None:
    assert rows(replace(RECORD, username=name), RECORD)[0]["username"] == name
