"""What a student's container and the Hub's pages are told about a session; pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hub_config import clock
from hub_config.gpus.rules import Lease, gpu_label
from hub_config.spawning.rules import Order

_LOCALES = {"en": "en_US.UTF-8", "zh_CN": "zh_CN.UTF-8"}


def session_environment(
    order: Order, lease: Lease, ends_at: datetime, warn_minutes: int
) -> dict[str, str]:
    """The variables `RADLAB_*` and `LANG` of one session; all values are texts."""
    module = order.module
    return {
        "RADLAB_LEASE": lease.id,
        "RADLAB_MODULE": module.id if module else "",
        "RADLAB_MODULE_VERSION": module.version if module else "",
        "RADLAB_LANGUAGE": order.language,
        "LANG": _LOCALES[order.language],
        "RADLAB_SESSION_ENDS": clock.to_iso(ends_at),
        "RADLAB_WARN_MINUTES": str(warn_minutes),
        "RADLAB_GPUS": ",".join(lease.device_uuids),
        "RADLAB_GPUS_SIMULATED": "1" if lease.simulated else "0",
        "RADLAB_DATASETS": "/datasets",
    }


def session_facts(order: Order, lease: Lease) -> dict[str, Any]:
    """What the Hub's pages show of a running session; JSON, kept in the Hub's database."""
    module = order.module
    return {
        "module": module.id if module else None,
        "title": dict(module.title) if module else None,
        "image": order.image.id,
        "image_title": order.image.title.model_dump(),
        "gpus": [gpu_label(gpu.model, gpu.memory_mb) for gpu in lease.devices],
        "simulated": lease.simulated,
        "cpus": order.cpus,
        "memory_gb": round(order.memory_mb / 1024, 1),
        "ends_at": clock.to_iso(lease.ends_at),
    }
