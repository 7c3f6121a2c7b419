from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_config.groups import rules


@pytest.mark.parametrize("name", ["ra", "radiology", "class-2026", "a" * 40, "x1"])
def test_a_plain_name_is_taken(name: str) -> None:
    assert rules.check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a", "a" * 41, "Radiology", "2026", "-a", "a_b", "a b", "a/b", "a\n", "放射科", "a:b",
     "radiology:instructors", "instructors", "administrators"],
)  # fmt: skip
def test_an_impossible_name_is_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(rules.BadGroupName) as refused:
        rules.check_name(name)
    assert refused.value.given == name
    assert refused.value.do


@given(st.text(max_size=50))
def test_no_accepted_name_can_be_taken_for_a_role(name: str) -> None:
    try:
        rules.check_name(name)
    except rules.BadGroupName:
        return
    assert not rules.groups_taught([name])
    assert not rules.is_administrator([name])


def test_instructors_teach_the_groups_whose_instructors_they_are() -> None:
    person = rules.person_of("ida", ["radiology", "radiology:instructors", "instructors", "cardio"])
    assert person.taught == {"radiology"}
    assert person.is_instructor
    assert not person.is_administrator


def test_the_group_instructors_alone_teaches_nothing() -> None:
    assert rules.groups_taught(["instructors", ":instructors"]) == set()


def test_class_groups_are_those_that_are_known_in_order() -> None:
    mine = ["z", "a", "instructors", "a:instructors", "administrators"]
    assert rules.class_groups(mine, known=["a", "b", "z"]) == ["a", "z"]


def test_only_an_administrator_passes_for_one() -> None:
    rules.require_administrator(rules.person_of("ada", ["administrators"]))
    with pytest.raises(rules.AdministratorsOnly):
        rules.require_administrator(rules.person_of("ida", ["a:instructors", "instructors"]))


def test_a_student_is_not_staff() -> None:
    rules.require_staff(rules.person_of("ida", [rules.instructors_of("a")]))
    rules.require_staff(rules.person_of("ada", ["administrators"]))
    with pytest.raises(rules.StaffOnly):
        rules.require_staff(rules.person_of("sam", ["a", "instructors"]))
