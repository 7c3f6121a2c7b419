"""The form of a quota: what people type, in GB, and the limits that it means, in MB; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hub_config.errors import BadInput
from hub_config.usage.model import Kind, Limits
from hub_config.usage.rules import changed

_MB_PER_GB = 1024
# What people type of each limit, and by how much it is multiplied.
_FACTORS: Mapping[str, int] = {
    "gpus": 1,
    "cpus": 1,
    "memory_mb": _MB_PER_GB,
    "disk_mb": _MB_PER_GB,
    "minutes": 1,
    "gpu_hours_week": 1,
    "servers": 1,
}
FIELDS = tuple(_FACTORS)
# A comma is a decimal point to some; with three digits after it, it parts thousands to others.
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+")


class BadQuotaForm(BadInput):
    """What was typed is no limit."""

    code = "bad_quota_form"


def kind_of(text: str) -> Kind:
    """Whom it binds; BadQuotaForm."""
    try:
        return Kind(text)
    except ValueError:
        raise BadQuotaForm(
            "A quota is for a group or a person, not for '{kind}'.",
            given=text,
            allowed=[kind.value for kind in Kind],
            do="Choose group or person.",
            kind=text[:40],
        ) from None


def limits_of(form: Mapping[str, str]) -> Limits:
    """The limits that the form's fields mean; empty is no limit. BadQuotaForm, BadLimit."""
    typed: dict[str, Any] = {what: _number(what, form.get(what, "")) for what in FIELDS}
    return changed(Limits(), typed)


def filled(limits: Limits) -> dict[str, str]:
    """The form's fields for `limits`."""
    return {what: _shown(what, getattr(limits, what)) for what in FIELDS}


def _shown(what: str, value: float | None) -> str:
    return "" if value is None else f"{value / _FACTORS[what]:g}"


def _number(what: str, text: str) -> float | None:
    text = text.strip()
    if not text:
        return None
    if _THOUSANDS.fullmatch(text):
        raise BadQuotaForm(
            "'{text}' can be read in two ways.",
            given=text,
            do="Type thousands without a separator and a fraction with a point: 1024 or 1.5.",
            text=text[:40],
        )
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        raise BadQuotaForm(
            "'{text}' is no number.",
            given=text,
            do="Type a number, or leave the field empty for no limit.",
            text=text[:40],
        ) from None
    scaled = number * _FACTORS[what]
    return round(scaled) if _FACTORS[what] > 1 and abs(scaled) < 1e15 else scaled
