"""Records as CSV, for a spreadsheet: one line a lease, times in ISO 8601 and UTC.

A cell that begins like a formula is run as one by Excel and LibreOffice, and a student chooses some
of what stands here (their name). Such a cell gets an apostrophe before it, as OWASP advises for CSV
injection.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any

from hub_config import clock
from hub_config.usage.model import Record

_FIELDS = tuple(field.name for field in fields(Record))
# The names of the API.
COLUMNS = tuple("devices" if name == "device_uuids" else name for name in _FIELDS)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_of(records: Iterable[Record]) -> str:
    """`records` with a line of heads; lines end with CR LF (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(getattr(record, name)) for name in _FIELDS] for record in records)
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return clock.to_iso(value)
    if isinstance(value, tuple):
        return _safe("; ".join(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(round(value, 3)) if isinstance(value, float) else _safe(str(value))


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
