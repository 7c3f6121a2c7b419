"""Who may see and stop what, and which requests a cookie may carry."""

from __future__ import annotations

import pytest

from hub_config.groups.rules import SCOPES, Person, person_of
from hub_config.portal.rules import (
    Membership,
    NotFromHere,
    NotYourServer,
    ScopeMissing,
    groups_after_joining,
    groups_after_leaving,
    may_see,
    may_stop,
    needs_token_to_read,
    require_may_stop,
    require_same_origin,
    require_scope,
)

ANA = person_of("ana", ["administrators"])
INES = person_of("ines", ["radiology", "radiology:instructors", "instructors"])
SAM = person_of("sam", ["radiology"])
HOSTS = ("radlab.test", "public.example")


@pytest.mark.parametrize(
    ("person", "username", "groups", "sees", "stops"),
    [
        (ANA, "sam", ["radiology"], True, True),
        (ANA, "ines", ["radiology", "radiology:instructors"], True, True),
        (INES, "sam", ["radiology"], True, True),
        (INES, "oda", ["oncology"], False, False),
        (INES, "ines", INES.groups, True, True),
        (INES, "ivo", ["radiology", "radiology:instructors"], True, False),
        (INES, "ana", ["radiology", "administrators"], True, False),
        (SAM, "sam", ["radiology"], True, True),
        (SAM, "sue", ["radiology"], False, False),
    ],
)
def test_people_see_and_stop_what_they_teach_or_own(
    person: Person, username: str, groups: list[str], sees: bool, stops: bool
) -> None:
    assert may_see(person, username, groups) is sees
    assert may_stop(person, username, groups) is stops


def test_a_refused_stop_reads_the_same_whether_or_not_the_user_exists() -> None:
    with pytest.raises(NotYourServer) as existing:
        require_may_stop(SAM, "sue", ["radiology"])
    with pytest.raises(NotYourServer) as unknown:
        require_may_stop(SAM, "sue", [])
    assert existing.value.as_dict() == unknown.value.as_dict()


TEACHER_OF_TWO = ["ct", "ct:instructors", "mr", "mr:instructors", "instructors"]


@pytest.mark.parametrize(
    ("before", "role", "after"),
    [
        ([], "student", {"ct"}),
        (["mr"], "student", {"ct", "mr"}),
        (["ct"], "student", {"ct"}),
        ([], "instructor", {"ct", "ct:instructors", "instructors"}),
        (["ct"], "instructor", {"ct", "ct:instructors", "instructors"}),
        (["ct", "ct:instructors", "instructors"], "student", {"ct"}),
        (TEACHER_OF_TWO, "student", {"ct", "mr", "mr:instructors", "instructors"}),
        (["administrators"], "student", {"administrators", "ct"}),
    ],
)
def test_joining_sets_what_somebody_is_in_that_group_and_in_no_other(
    before: list[str], role: Membership, after: set[str]
) -> None:
    assert groups_after_joining(before, "ct", role) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["ct"], set()),
        (["ct", "mr"], {"mr"}),
        (["ct", "ct:instructors", "instructors"], set()),
        (TEACHER_OF_TWO, {"mr", "mr:instructors", "instructors"}),
        (["administrators", "ct", "ct:instructors", "instructors"], {"administrators"}),
    ],
)
def test_who_leaves_the_last_group_that_they_teach_is_no_instructor(
    before: list[str], after: set[str]
) -> None:
    assert groups_after_leaving(before, "ct") == after


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://radlab.test", "sec-fetch-site": "same-origin"},
        {"origin": "https://RadLab.test"},
        {"origin": "https://public.example"},
        {"sec-fetch-site": "same-origin"},
    ],
)
def test_a_change_from_our_own_pages_is_let_through(headers: dict[str, str]) -> None:
    require_same_origin(headers, HOSTS)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://radlab.test.evil.example"},
        {"origin": "http://radlab.test:8443"},
        {"origin": "http://radlab.test", "sec-fetch-site": "cross-site"},
        {"origin": "http://radlab.test", "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-mode": "no-cors"},
        {"sec-fetch-mode": "no-cors", "sec-fetch-site": "cross-site"},
    ],
)
def test_a_change_from_elsewhere_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(NotFromHere):
        require_same_origin(headers, HOSTS)


@pytest.mark.parametrize(
    ("headers", "needed"),
    [
        ({}, False),
        ({"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, False),
        ({"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, True),
        ({"sec-fetch-mode": "cors"}, True),
        ({"sec-fetch-mode": "same-origin"}, True),
        ({"sec-fetch-mode": "no-cors"}, True),
    ],
)
def test_scripts_and_frames_need_the_token_to_read(headers: dict[str, str], needed: bool) -> None:
    assert needs_token_to_read(headers) is needed


@pytest.mark.parametrize("resource", ["groups", "gpus", "invites", "people", "servers"])
def test_a_token_needs_the_scope_of_what_it_changes(resource: str) -> None:
    for path in (f"/api/{resource}/x", f"/{resource}"):
        require_scope("POST", path, [f"custom:{resource}:write"])
        require_scope("GET", path, [])
        others = set(SCOPES) - {f"custom:{resource}:write"}
        with pytest.raises(ScopeMissing):
            require_scope("DELETE", path, others)


def test_a_part_without_a_scope_is_closed_to_tokens() -> None:
    for path in ("/api/unheard-of", "/api/", "/"):
        with pytest.raises(ScopeMissing):
            require_scope("POST", path, SCOPES)
