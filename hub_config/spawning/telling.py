"""What somebody in line is told, as JSON in a reader's language; pure.

A sentence that names a moment is told in parts, so that the browser shows it on its own clock:

    ["All 4 GPUs of radiology are in use; the next is free at about ", {"time": "...Z"}, "."]
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from hub_config import clock
from hub_config.language import Gettext
from hub_config.queueing.model import Place, Standing
from hub_config.queueing.texts import template as reason_template
from hub_config.spawning.rules import MB_PER_GB, Order

Part = str | dict[str, str]
OrderOf = Callable[[Mapping[str, Any]], Order | None]


def told(standing: Standing, language: str, gettext: Gettext, order_of: OrderOf) -> dict[str, Any]:
    """How a place stands: what it is for, its position, when, why, and what could start now.

    `order_of` says what user options ask for; what it does not know is not offered.
    """
    place, outlook = standing.place, standing.outlook
    wanted = order_of(place.options)
    said = parts(gettext(reason_template(outlook)), outlook.reason_values)
    return {
        **told_of(place),
        "title": title(wanted, language, gettext) if wanted is not None else "",
        "position": outlook.position,
        "waiting": outlook.waiting,
        "expected_at": clock.to_iso(outlook.expected_at) if outlook.expected_at else None,
        "reason": {"code": outlook.reason.value, "text": as_text(said), "parts": said},
        "alternatives": [
            {"options": dict(options), "title": title(order, language, gettext)}
            for options in outlook.alternatives
            if (order := order_of(options)) is not None
        ],
    }


def told_of(place: Place) -> dict[str, Any]:
    """A place by itself."""
    return {
        "id": place.id,
        "state": place.state.value,
        "options": dict(place.options),
        "entered_at": clock.to_iso(place.entered_at),
    }


def parts(template: str, values: Mapping[str, Any]) -> list[Part]:
    """The sentence that `template` makes of `values`, each moment a part of its own."""
    made: list[Part] = [""]
    for text, field, spec, _ in string.Formatter().parse(template):
        made[-1] = f"{made[-1]}{text}"
        if field is None:
            continue
        value = values.get(field)
        if isinstance(value, datetime):
            made += [{"time": clock.to_iso(value)}, ""]
        elif value is not None:
            made[-1] = f"{made[-1]}{format(value, spec or '')}"
    return [part for part in made if part]


def as_text(said: Iterable[Part]) -> str:
    """The same as one text, in UTC, for those who have no browser."""
    return "".join(
        part if isinstance(part, str) else clock.from_iso(part["time"]).strftime("%H:%M UTC")
        for part in said
    )


def title(order: Order, language: str, gettext: Gettext) -> str:
    """What an order would start, in a line: its module or image, its GPUs, its size."""
    name = order.image.title.in_language(language)
    if order.module is not None:
        name = order.module.title_in(language)
    if order.gpus == 0:
        gpus = gettext("without a GPU")
    elif order.gpus == 1:
        gpus = gettext("1 GPU")
    else:
        gpus = gettext("{count} GPUs").format(count=order.gpus)
    size = gettext("{cores} cores, {memory} GB memory").format(
        cores=f"{order.cpus:g}", memory=f"{order.memory_mb / MB_PER_GB:.3g}"
    )
    return f"{name} · {gpus} · {size}"
