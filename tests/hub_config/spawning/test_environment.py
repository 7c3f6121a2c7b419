"""A container and the Hub's pages are told the same about a session."""

from __future__ import annotations

from spawning_support import MODULE, image

from hub_config import clock
from hub_config.gpus.model import Device, Lease
from hub_config.offers.modules import Module
from hub_config.spawning import rules
from hub_config.spawning.environment import session_environment, session_facts


def lease(order: rules.Order, *devices: Device) -> Lease:
    now = clock.from_iso("2026-03-01T09:00:00Z")
    return Lease(
        id="abc", server="local", username="mei", server_name="", task="lab", group="g",
        module=None, module_version=None, image="tiny", cpus=1, memory_mb=256,
        gpu_count=len(devices), minutes=45, granted_at=now, started_at=None,
        ends_at=clock.from_iso("2026-03-01T09:45:00Z"), released_at=None, why_ended=None,
        container_id=None, devices=devices,
    )  # fmt: skip


def test_a_container_is_told_its_session():
    choice = rules.Choice(module="05_classification", gpu=True, language="zh_CN")
    order = rules.order_module(choice, Module.model_validate(MODULE), image("t"))
    held = lease(order, Device("SIM-x-0", 0, "Simulated", 24576, simulated=True))
    told = session_environment(order, held, held.ends_at, 10)
    assert told == {
        "RADLAB_LEASE": "abc",
        "RADLAB_MODULE": "05_classification",
        "RADLAB_MODULE_VERSION": "1.0.0",
        "RADLAB_LANGUAGE": "zh_CN",
        "LANG": "zh_CN.UTF-8",
        "RADLAB_SESSION_ENDS": "2026-03-01T09:45:00Z",
        "RADLAB_WARN_MINUTES": "10",
        "RADLAB_GPUS": "SIM-x-0",
        "RADLAB_GPUS_SIMULATED": "1",
        "RADLAB_DATASETS": "/datasets",
    }


def test_pages_are_told_of_simulated_gpus():
    order = rules.order_image(rules.Choice(image="tiny", gpu=True), image("t"))
    facts = session_facts(order, lease(order, Device("SIM-x-0", 0, "S", 24576, simulated=True)))
    assert facts["simulated"] is True
    assert facts["gpus"] == ["S, 24 GB"]
    assert facts["module"] is None
