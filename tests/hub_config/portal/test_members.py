"""Stories of memberships: who is put into a class group, changes their role, and is taken out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hub_config.portal.services import Services


async def test_an_administrator_moves_a_student_to_another_class(
    browser: Callable[..., Any], school: Any, the_hub: Any
) -> None:
    ana = browser("ana")
    assert 'href="/services/radlab/people/sam/groups"' in (await ana.open("/people")).text
    page = (await ana.open("/people/sam/groups")).text
    assert "A change counts from the next start of their server" in page
    put = await ana.send("/people/sam/groups", follow=False, group="oncology", role="student")
    assert (put.status_code, put.headers["location"]) == (
        303,
        "/services/radlab/people/sam/groups",
    )
    assert "sam studies in oncology now." in (await ana.open("/people/sam/groups")).text
    out = await ana.send("/people/sam/groups/radiology/remove")
    assert "sam is out of radiology." in out.text
    assert the_hub.groups["sam"] == ["oncology"]


async def test_a_student_becomes_instructor_and_student_again(
    browser: Callable[..., Any], school: Any, the_hub: Any
) -> None:
    ana = browser("ana")
    made = await ana.send("/people/sam/groups", group="oncology", role="instructor")
    assert "sam teaches oncology now." in made.text
    own = ["instructors", "oncology", "oncology:instructors", "radiology"]
    assert sorted(the_hub.groups["sam"]) == own
    await ana.send("/people/sam/groups", group="oncology", role="student")
    assert sorted(the_hub.groups["sam"]) == ["oncology", "radiology"]


async def test_the_last_class_taught_ends_being_an_instructor_and_an_earlier_one_does_not(
    browser: Callable[..., Any], school: Any, the_hub: Any
) -> None:
    ana = browser("ana")
    await ana.send("/people/ines/groups", group="oncology", role="instructor")
    await ana.send("/people/ines/groups/radiology/remove")
    own = ["instructors", "oncology", "oncology:instructors"]
    assert sorted(the_hub.groups["ines"]) == own
    await ana.send("/people/ines/groups/oncology/remove")
    assert the_hub.groups["ines"] == []


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"group": "oncolgy", "role": "student"}, 404, "Did you mean &#39;oncology&#39;?"),
        ({"group": "administrators", "role": "student"}, 403, "is the group of a role"),
        ({"group": "oncology", "role": "administrator"}, 422, "Nobody can be"),
        ({}, 422, "Nobody can be"),
    ],
)
async def test_what_cannot_be_is_refused_at_the_form(
    browser: Callable[..., Any],
    school: Any,
    the_hub: Any,
    fields: dict[str, str],
    status: int,
    says: str,
) -> None:
    answer = await browser("ana").send("/people/sam/groups", **fields)
    assert answer.status_code == status
    assert 'id="form-error"' in answer.text
    assert says in answer.text
    assert the_hub.groups["sam"] == ["radiology"]


async def test_administrators_are_neither_made_nor_unmade_here(
    browser: Callable[..., Any], school: Any, the_hub: Any
) -> None:
    ana = browser("ana")
    refused = await ana.send("/people/ana/groups/administrators/remove")
    assert refused.status_code == 403
    await ana.send("/people/ana/groups", group="radiology", role="instructor")
    await ana.send("/people/ana/groups/radiology/remove")
    assert the_hub.groups["ana"] == ["administrators"]


async def test_an_unknown_person_names_the_nearest(browser: Callable[..., Any]) -> None:
    answer = await browser("ana").open("/people/inse/groups")
    assert answer.status_code == 404
    assert "Did you mean &#39;ines&#39;?" in answer.text


async def test_who_never_signed_in_begins_in_the_groups_of_their_code(
    browser: Callable[..., Any], school: Any, services: Services
) -> None:
    issued = services.invites.create(
        role="student", by="ana", group="radiology", expires_at=school.invite.expires_at
    )
    services.invites.redeem(issued.code, "sue", "hash")
    ana = browser("ana")
    assert "/people/sue/groups" not in (await ana.open("/people")).text
    answer = await ana.call("PUT", "/api/people/sue/groups/oncology", json={})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "never_signed_in"


async def test_two_edits_at_once_leave_an_instructor_one(
    browser: Callable[..., Any], school: Any, the_hub: Any
) -> None:
    ana = browser("ana")
    path = "/api/people/ines/groups"
    the_hub.seconds_to_answer = 0.02
    await asyncio.gather(
        ana.call("DELETE", f"{path}/radiology"),
        ana.call("PUT", f"{path}/oncology", json={"role": "instructor"}),
    )
    own = ["instructors", "oncology", "oncology:instructors"]
    assert sorted(the_hub.groups["ines"]) == own


@pytest.mark.parametrize("changes", [1, 2])
async def test_what_a_hub_that_goes_away_leaves_half_done_the_same_call_completes(
    browser: Callable[..., Any], school: Any, the_hub: Any, changes: int
) -> None:
    ana = browser("ana")
    path = "/api/people/ines/groups/radiology"
    the_hub.changes_until_down = changes
    assert (await ana.call("DELETE", path)).status_code == 503
    assert len(the_hub.groups["ines"]) == 3 - changes
    the_hub.down = False
    assert (await ana.call("DELETE", path)).status_code == 200
    assert the_hub.groups["ines"] == []


async def test_a_group_with_members_is_not_removed(
    browser: Callable[..., Any], school: Any, services: Services, the_hub: Any
) -> None:
    answer = await browser("ana").send("/groups/oncology/remove")
    assert answer.status_code == 409
    assert "it has members (1)" in answer.text
    assert "oncology" in services.groups.names()
