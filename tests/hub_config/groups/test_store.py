from __future__ import annotations

import pytest
from sqlalchemy import Engine

from hub_config import clock
from hub_config.gpus.model import Device
from hub_config.gpus.store import DeviceStore
from hub_config.groups import rules
from hub_config.groups.store import GroupStore


@pytest.fixture
def groups(engine: Engine) -> GroupStore:
    return GroupStore(engine)


def test_a_group_is_kept_as_it_was_made(groups: GroupStore) -> None:
    before = clock.now()
    made = groups.create("radiology", title=" 放射科 ", by="ada")
    kept = groups.get("radiology")
    assert kept == made
    assert (kept.title, kept.internet, kept.created_by) == ("放射科", False, "ada")
    assert before <= kept.created_at <= clock.now()


def test_groups_come_in_order_of_name(groups: GroupStore) -> None:
    for name in ("zeta", "alpha"):
        groups.create(name, by="ada")
    assert groups.names() == ["alpha", "zeta"]


def test_a_second_group_of_a_name_is_refused_and_the_first_unchanged(groups: GroupStore) -> None:
    groups.create("radiology", title="first", by="ada")
    with pytest.raises(rules.GroupExists):
        groups.create("radiology", title="second", internet=True, by="bob")
    assert groups.get("radiology").title == "first"


def test_an_unknown_group_names_the_nearest(groups: GroupStore) -> None:
    groups.create("radiology", by="ada")
    with pytest.raises(rules.UnknownGroup, match="Did you mean 'radiology'"):
        groups.get("radiolgy")
    with pytest.raises(rules.UnknownGroup, match="Did you mean 'radiology'"):
        groups.set_internet("radiolgy", True, "ada")


def test_the_internet_can_be_allowed_and_forbidden(groups: GroupStore) -> None:
    groups.create("radiology", by="ada")
    assert groups.set_internet("radiology", True, "ada").internet
    assert groups.get("radiology").internet
    assert not groups.set_internet("radiology", False, "ada").internet


def test_lending_and_borrowing_change_apart(groups: GroupStore) -> None:
    made = groups.create("radiology", by="ada")
    assert (made.lends, made.borrows) == (False, False)
    lending = groups.set_lending("radiology", True, None, "ada")
    assert (lending.lends, lending.borrows) == (True, False)
    both = groups.set_lending("radiology", None, True, "ada")
    assert (both.lends, both.borrows) == (True, True)
    assert groups.get("radiology") == both
    with pytest.raises(rules.UnknownGroup, match="Did you mean 'radiology'"):
        groups.set_lending("radiolgy", True, True, "ada")


def test_an_unused_group_can_be_removed(groups: GroupStore) -> None:
    groups.create("typo", by="ada")
    groups.remove("typo", "ada")
    assert groups.all() == []


def test_a_group_with_a_gpu_stays(groups: GroupStore) -> None:
    groups.create("radiology", by="ada")
    devices = DeviceStore(groups.engine)
    devices.record([Device("GPU-1", 0, "Card", 24576)], clock.now())
    devices.assign("GPU-1", "radiology", "ada")
    with pytest.raises(rules.GroupInUse):
        groups.remove("radiology", "ada")
    assert groups.names() == ["radiology"]
    assert devices.all()[0].group == "radiology"
