"""What of a container follows from its lease: internet, datasets, and what nobody may ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from spawning_support import image

from hub_config import clock
from hub_config.containers.model import StartOrder
from hub_config.gpus.model import Device, Lease
from hub_config.keeper.plan import (
    container_for,
    reaches_internet,
    visible_folder,
    visible_versions,
)
from hub_config.offers.images import ImageNotBuilt
from hub_config.settings import Settings

NOW = clock.from_iso("2026-03-01T09:00:00Z")
GPU = Device("GPU-1", 0, "NVIDIA L4", 23034)
LEASE = Lease(
    id="abc", server="local", username="mei", server_name="", task="lab", group="open",
    module=None, module_version=None, image="tiny", cpus=1.5, memory_mb=256, gpu_count=1,
    minutes=45, granted_at=NOW, started_at=None, ends_at=NOW, released_at=None, why_ended=None,
    container_id=None, devices=(GPU,),
)  # fmt: skip
CPU_ONLY = replace(LEASE, devices=(), gpu_count=0)
POLICIES = {"open": True, "closed": False, "theirs": True}


@pytest.mark.parametrize(
    ("lease", "groups", "allowed"),
    [
        (LEASE, ("open", "closed"), True),
        (replace(LEASE, group="closed"), ("open", "closed"), False),
        (replace(LEASE, group="closed", lender="open"), ("closed",), False),
        (replace(CPU_ONLY, group="closed"), ("open", "closed"), True),
        (replace(CPU_ONLY, group="closed"), ("closed",), False),
        (replace(CPU_ONLY, group="closed"), (), False),
        (replace(CPU_ONLY, group=None), (), False),
        (replace(CPU_ONLY, group=None), ("gone",), False),
    ],
)
def test_the_internet_follows_the_groups_policy(
    lease: Lease, groups: tuple[str, ...], allowed: bool
) -> None:
    assert reaches_internet(lease, groups, POLICIES) is allowed


def planned(lease: Lease, internet: bool = False, **environment: str):
    settings = Settings(state="/state")
    order = StartOrder(environment=environment)
    return container_for(settings, lease, image("tiny:1"), order, "home", internet)


def test_real_devices_are_asked_for_and_simulated_ones_are_not() -> None:
    assert planned(LEASE).device_uuids == ("GPU-1",)
    simulated = replace(LEASE, devices=(replace(GPU, simulated=True),))
    made = planned(simulated)
    assert made.device_uuids == ()
    assert made.environment["RADLAB_GPUS_SIMULATED"] == "1"


def test_what_the_lease_knows_better_is_not_taken_from_the_order() -> None:
    made = planned(LEASE, RADLAB_LEASE="other", RADLAB_GPUS="GPU-9", RADLAB_MODULE="05")
    assert made.environment["RADLAB_LEASE"] == "abc"
    assert made.environment["RADLAB_GPUS"] == "GPU-1"
    assert made.environment["RADLAB_MODULE"] == "05"


def test_each_network_has_its_name_server() -> None:
    closed, open_ = planned(LEASE), planned(LEASE, internet=True)
    assert (closed.network, closed.dns) == ("radlab0", ["172.29.0.1"])
    assert (open_.network, open_.dns) == ("radlab1", [])


def test_an_image_that_was_not_built_starts_nothing() -> None:
    order = StartOrder(environment={})
    with pytest.raises(ImageNotBuilt):
        container_for(Settings(state="/state"), LEASE, image(None), order, "home", False)


def test_a_group_with_a_folder_of_its_own_sees_that_one(tmp_path: Path) -> None:
    settings = Settings(state=str(tmp_path))
    settings.make_folders()
    own = settings.path("datasets", "visible", "open")
    everyone = settings.path("datasets", "visible", "everyone")
    assert visible_folder(settings, "open") == everyone
    (own / "chest" / "1.0.0").mkdir(parents=True)
    (own / "chest" / "1.1.0").mkdir()
    (own / "README").touch()
    assert visible_folder(settings, "open") == own
    assert visible_folder(settings, None) == everyone
    assert visible_versions(own) == ["chest@1.0.0", "chest@1.1.0"]
    (own / "chest" / "1.1.0" / "withdrawn.json").touch()
    assert visible_versions(own) == ["chest@1.0.0"]
    assert visible_versions(tmp_path / "gone") == []


@pytest.mark.parametrize("group", ["..", "../..", "/", "/etc", "everyone/..", "."])
def test_a_group_in_the_ledger_that_is_no_name_opens_no_other_folder(
    tmp_path: Path, group: str
) -> None:
    settings = Settings(state=str(tmp_path))
    everyone = settings.path("datasets", "visible", "everyone")
    everyone.mkdir(parents=True)
    assert visible_folder(settings, group) == everyone
