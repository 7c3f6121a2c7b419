"""Every route × role × way of asking. A route without a row here fails.

A row gives, for a student of another group, an instructor and an administrator, the status of a
request that is asked for properly. What nobody signed in gets follows from the kind of route, and
every change must be refused in each of the improper ways, before anything happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import inspect, text

from hub_config.groups.rules import SCOPES
from hub_config.portal import PREFIX
from hub_config.portal.gate import SESSION_COOKIE
from hub_config.portal.services import Services
from hub_config.usage.model import Kind, Limits

HOST = "http://radlab.test"
ROLES = ("oda", "ines", "ana")  # a student of oncology, the instructor of radiology, administrator


@dataclass(frozen=True)
class Row:
    """What a route answers to each role, and an example of it: path, form or JSON."""

    student: int
    instructor: int
    administrator: int
    path: str = ""
    form: dict[str, str] | None = None
    json: dict[str, Any] | None = None
    public: bool = False

    def expected(self, role: str) -> int:
        return dict(zip(ROLES, (self.student, self.instructor, self.administrator), strict=True))[
            role
        ]


def everybody(status: int, **more: Any) -> Row:
    return Row(status, status, status, **more)


WHY = {"reason": "the exam begins"}
NEW_CODE = {"role": "student", "group": "radiology", "uses": "3", "expires": "7d"}
NEW_MODULE = {"source": "https://git.example.edu/course.git#05_mine", "groups": "radiology"}
ROWS = {
    ("GET", "/health"): everybody(200, public=True),
    ("GET", "/oauth_callback"): everybody(403, public=True),
    ("GET", "/api/openapi.json"): everybody(200, public=True),
    ("GET", ""): everybody(307),
    ("GET", "/"): everybody(200),
    ("GET", "/groups"): Row(403, 403, 200),
    ("POST", "/groups"): Row(403, 403, 303, form={"name": "cardiology"}),
    ("POST", "/groups/{name}/internet"): Row(
        403, 403, 303, "/groups/radiology/internet", form={"allowed": "1"}
    ),
    ("POST", "/groups/{name}/lending"): Row(
        403, 403, 303, "/groups/radiology/lending", form={"lends": "1"}
    ),
    ("GET", "/groups/{name}/remove"): Row(403, 403, 200, "/groups/typo/remove"),
    ("POST", "/groups/{name}/remove"): Row(403, 403, 303, "/groups/typo/remove", form={}),
    ("GET", "/gpus"): Row(403, 403, 200),
    ("POST", "/gpus/{uuid}/group"): Row(
        403, 403, 303, "/gpus/SIM-radlab-2/group", form={"group": "oncology"}
    ),
    ("POST", "/gpus/{uuid}/draining"): Row(
        403, 403, 303, "/gpus/SIM-radlab-2/draining", form={"on": "1"}
    ),
    ("GET", "/invites"): Row(403, 200, 200),
    ("POST", "/invites"): Row(403, 201, 201, form=NEW_CODE),
    ("GET", "/invites/{invite_id}/revoke"): Row(403, 200, 200, "/invites/1/revoke"),
    ("POST", "/invites/{invite_id}/revoke"): Row(403, 303, 303, "/invites/1/revoke", form={}),
    ("GET", "/people"): Row(403, 403, 200),
    ("GET", "/people/{name}/reset"): Row(403, 403, 200, "/people/sue/reset"),
    ("POST", "/people/{name}/reset"): Row(403, 403, 201, "/people/sue/reset", form={}),
    ("GET", "/people/{name}/groups"): Row(403, 403, 200, "/people/sam/groups"),
    ("POST", "/people/{name}/groups"): Row(
        403, 403, 303, "/people/sam/groups", form={"group": "oncology", "role": "student"}
    ),
    ("POST", "/people/{name}/groups/{group}/remove"): Row(
        403, 403, 303, "/people/sam/groups/radiology/remove", form={}
    ),
    ("GET", "/servers/{username}/stop"): Row(403, 200, 200, "/servers/sam/stop"),
    ("POST", "/servers/{username}/stop"): Row(403, 303, 303, "/servers/sam/stop", form=WHY),
    ("GET", "/servers"): Row(403, 200, 200),
    ("GET", "/servers/{username}/extend"): Row(403, 200, 200, "/servers/sam/extend"),
    ("POST", "/servers/{username}/extend"): Row(
        403, 303, 303, "/servers/sam/extend", form={**WHY, "minutes": "10"}
    ),
    ("GET", "/queue"): everybody(200),
    ("POST", "/queue/start"): Row(
        403, 303, 303, form={**WHY, "username": "rhea", "what": '{"image": "base", "gpus": 0}'}
    ),
    ("GET", "/queue/{place_id}/move-up"): Row(403, 200, 200, "/queue/place1/move-up"),
    ("POST", "/queue/{place_id}/move-up"): Row(403, 303, 303, "/queue/place1/move-up", form=WHY),
    ("GET", "/queue/{place_id}/leave"): Row(403, 200, 200, "/queue/place1/leave"),
    ("POST", "/queue/{place_id}/leave"): Row(403, 303, 303, "/queue/place1/leave", form=WHY),
    ("GET", "/quotas"): Row(403, 200, 200),
    ("POST", "/quotas"): Row(
        403, 403, 303, form={"kind": "person", "name": "sam", "gpus": "1", "memory_mb": "8"}
    ),
    ("POST", "/quotas/{kind}/{name}/remove"): Row(
        403, 403, 303, "/quotas/group/radiology/remove", form={}
    ),
    ("GET", "/usage"): everybody(200),
    ("GET", "/usage/mine"): everybody(200),
    ("GET", "/courses"): everybody(200),
    ("POST", "/courses/publications"): Row(403, 303, 303, form=NEW_MODULE),
    ("GET", "/courses/publications/{id}"): Row(403, 200, 200, "/courses/publications/asked1"),
    ("GET", "/courses/progress"): Row(403, 200, 200),
    ("GET", "/courses/{id}/audience"): Row(403, 200, 200, "/courses/05_classification/audience"),
    ("POST", "/courses/{id}/audience"): Row(
        403, 303, 303, "/courses/05_classification/audience", form={"groups": "radiology"}
    ),
    ("GET", "/audit"): Row(403, 200, 200),
    ("GET", "/metrics"): Row(403, 403, 200),
    ("GET", "/api/me"): everybody(200),
    ("GET", "/api/servers"): everybody(200),
    ("POST", "/api/servers"): Row(
        403, 202, 202, json={**WHY, "username": "rhea", "options": {"image": "base", "gpus": 0}}
    ),
    ("DELETE", "/api/servers/{username}"): Row(403, 202, 202, "/api/servers/sam?reason=exam"),
    ("POST", "/api/servers/{username}/extend"): Row(
        403, 200, 200, "/api/servers/sam/extend", json={**WHY, "minutes": 10}
    ),
    ("GET", "/api/queue"): everybody(200),
    ("POST", "/api/queue/{place_id}/move-up"): Row(
        403, 200, 200, "/api/queue/place1/move-up", json=WHY
    ),
    ("DELETE", "/api/queue/{place_id}"): Row(403, 200, 200, "/api/queue/place1?reason=exam"),
    ("GET", "/api/quotas"): everybody(200),
    ("PUT", "/api/quotas/{kind}/{name}"): Row(
        403, 403, 200, "/api/quotas/group/oncology", json={"gpus": 1}
    ),
    ("DELETE", "/api/quotas/{kind}/{name}"): Row(403, 403, 204, "/api/quotas/group/radiology"),
    ("GET", "/api/courses"): everybody(200),
    ("PUT", "/api/courses/{id}/audience"): Row(
        403, 200, 200, "/api/courses/05_classification/audience", json={"groups": ["radiology"]}
    ),
    ("GET", "/api/courses/progress"): Row(403, 200, 200),
    ("GET", "/api/courses/progress/mine"): everybody(200),
    ("GET", "/api/courses/publications"): Row(403, 200, 200),
    ("POST", "/api/courses/publications"): Row(
        403, 202, 202, json={**NEW_MODULE, "groups": ["radiology"]}
    ),
    ("GET", "/api/courses/publications/{id}"): Row(
        403, 200, 200, "/api/courses/publications/asked1"
    ),
    ("GET", "/api/usage"): Row(403, 200, 200),
    ("GET", "/api/usage.csv"): Row(403, 200, 200),
    ("GET", "/api/usage/mine"): everybody(200),
    ("GET", "/api/audit"): Row(403, 200, 200),
    ("GET", "/api/groups"): everybody(200),
    ("POST", "/api/groups"): Row(403, 403, 201, json={"name": "cardiology"}),
    ("PATCH", "/api/groups/{name}"): Row(
        403, 403, 200, "/api/groups/radiology", json={"internet": True}
    ),
    ("PUT", "/api/people/{name}/groups/{group}"): Row(
        403, 403, 200, "/api/people/sam/groups/oncology", json={"role": "instructor"}
    ),
    ("DELETE", "/api/people/{name}/groups/{group}"): Row(
        403, 403, 200, "/api/people/sam/groups/radiology"
    ),
    ("GET", "/api/gpus"): Row(403, 200, 200),
    ("PUT", "/api/gpus/{uuid}/group"): Row(
        403, 403, 200, "/api/gpus/SIM-radlab-2/group", json={"group": "oncology"}
    ),
    ("PUT", "/api/gpus/{uuid}/draining"): Row(
        403, 403, 200, "/api/gpus/SIM-radlab-2/draining", json={"draining": True}
    ),
    ("GET", "/api/leases"): everybody(200),
    ("GET", "/api/invites"): Row(403, 200, 200),
    ("POST", "/api/invites"): Row(
        403,
        201,
        201,
        json={"role": "student", "group": "radiology", "uses": 3, "expires": "7d"},
    ),
    ("DELETE", "/api/invites/{invite_id}"): Row(403, 200, 200, "/api/invites/1"),
    ("POST", "/api/resets"): Row(403, 403, 201, json={"user": "sue"}),
}
CHANGES = {key: row for key, row in ROWS.items() if key[0] != "GET"}


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of every route, however deep it is included; a mount has the method MOUNT."""
    for route in iter_route_contexts(app.routes):
        for method in (route.methods or {"MOUNT"}) - {"HEAD"}:
            yield method, str(route.path).removeprefix(PREFIX)


@pytest.fixture
def site(school: Any, services: Services, the_hub: Any) -> Any:
    """A site in use: an account for `sue`, an empty group, a quota, a place in line, a module."""
    services.groups.create("typo", by="ana")
    issued = services.invites.create(
        role="student", by="ana", group="radiology", user="sue", expires_at=school.invite.expires_at
    )
    services.invites.redeem(issued.code, "sue", "hash")
    services.quotas.set(Kind.GROUP, "radiology", Limits(gpus=4), "ana")
    the_hub.groups["rhea"] = the_hub.groups["theo"] = ["radiology"]
    place = school.wait("theo")
    school.publish("05_classification", "1.0.0")
    services.offers.offer("05_classification", ["radiology"], "ana")
    services.publications.ask("https://git.example.edu/a.git", ("radiology",), "ines")
    with services.engine.begin() as connection:
        connection.execute(text("UPDATE publications SET id = 'asked1'"))
        connection.execute(text("UPDATE places SET id = 'place1' WHERE id = :id"), {"id": place.id})
    return school


def arguments(row: Row) -> dict[str, Any]:
    if row.form is not None:
        return {"data": row.form}
    return {"json": row.json} if row.json is not None else {}


def state_of(services: Services, hub: Any) -> dict[str, Any]:
    with services.engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        rows = {t: connection.execute(text(f'SELECT * FROM "{t}"')).all() for t in tables}
    groups = {name: sorted(groups) for name, groups in hub.groups.items()}
    return {"rows": rows, "stopped": list(hub.stopped), "groups": groups}


def test_every_route_has_a_row_and_every_row_a_route(app: FastAPI) -> None:
    assert sorted(routes_of(app)) == sorted([*ROWS, ("MOUNT", "/assets")])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("key", ROWS, ids=" ".join)
async def test_each_role_gets_what_its_row_says(
    browser: Callable[..., Any], site: Any, key: tuple[str, str], role: str
) -> None:
    row = ROWS[key]
    person = browser(role)
    headers = {
        "Origin": HOST,
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Mode": "navigate",
        "X-XSRFToken": person.xsrf,
    }
    answer = await person.client.request(
        key[0], PREFIX + (row.path or key[1]), headers=headers, **arguments(row)
    )
    assert answer.status_code == row.expected(role), answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("key", ROWS, ids=" ".join)
async def test_nobody_gets_anything_private(
    browser: Callable[..., Any], site: Any, services: Services, the_hub: Any, key: tuple[str, str]
) -> None:
    row, before = ROWS[key], state_of(services, the_hub)
    answer = await browser(None).client.request(
        key[0], PREFIX + (row.path or key[1]), **arguments(row)
    )
    if row.public:
        assert answer.status_code == row.student
    elif key[0] == "GET" and not key[1].startswith(("/api/", "/metrics")):
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/hub/api/oauth2/authorize?")
    else:
        assert answer.status_code == 401
    assert state_of(services, the_hub) == before


def improper(own: str, others: str) -> dict[str, dict[str, str]]:
    """Ways to ask for a change that a browser can be made to use; headers by name."""
    good = {"Origin": HOST, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
    return {
        "no token": good,
        "empty token": {**good, "X-XSRFToken": ""},
        "wrong token": {**good, "X-XSRFToken": "0" * 64},
        "another person's token": {**good, "X-XSRFToken": others},
        "not ASCII": {**good, "X-XSRFToken": "\xe9" * 64},
        "foreign origin": {**good, "X-XSRFToken": own, "Origin": "http://evil.example"},
        "null origin": {**good, "X-XSRFToken": own, "Origin": "null"},
        "cross-site": {**good, "X-XSRFToken": own, "Sec-Fetch-Site": "cross-site"},
        "same-site": {**good, "X-XSRFToken": own, "Sec-Fetch-Site": "same-site"},
        "no-cors": {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-origin"},
        "no-cors, old browser": {"Sec-Fetch-Mode": "no-cors", "X-XSRFToken": own},
        "nothing said of where from": {"X-XSRFToken": own},
    }


@pytest.mark.parametrize("how", improper("", ""))
@pytest.mark.parametrize("role", ROLES)
async def test_no_change_is_made_that_was_not_asked_for_properly(
    browser: Callable[..., Any],
    site: Any,
    services: Services,
    the_hub: Any,
    role: str,
    how: str,
) -> None:
    person, other = browser(role), browser("sam")
    headers = improper(person.xsrf, other.xsrf)[how]
    before = state_of(services, the_hub)
    for (method, pattern), row in CHANGES.items():
        answer = await person.client.request(
            method,
            PREFIX + (row.path or pattern),
            headers={key.encode(): value.encode("latin-1") for key, value in headers.items()},
            **arguments(row),
        )
        assert answer.status_code == 403, f"{method} {pattern}"
    assert state_of(services, the_hub) == before


@pytest.mark.parametrize("role", ROLES)
async def test_scripts_and_frames_read_nothing_without_the_token(
    browser: Callable[..., Any], site: Any, role: str
) -> None:
    person = browser(role)
    for (method, pattern), row in ROWS.items():
        if method != "GET" or row.public:
            continue
        for mode, dest in (("cors", "empty"), ("no-cors", "image"), ("navigate", "iframe")):
            headers = {"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
            answer = await person.client.get(PREFIX + (row.path or pattern), headers=headers)
            assert answer.status_code == 403, f"{pattern} {mode}"
        allowed = {"Sec-Fetch-Mode": "cors", "X-XSRFToken": person.xsrf}
        answer = await person.client.get(PREFIX + (row.path or pattern), headers=allowed)
        assert answer.status_code == row.expected(role), pattern


@pytest.mark.parametrize("role", ROLES)
async def test_an_api_token_changes_nothing_without_its_scope(
    browser: Callable[..., Any], site: Any, services: Services, the_hub: Any, role: str
) -> None:
    client = browser(None).client
    token = the_hub.session_of(role)
    before = state_of(services, the_hub)
    for (method, pattern), row in CHANGES.items():
        answer = await client.request(
            method,
            PREFIX + (row.path or pattern),
            headers={"Authorization": f"token {token}"},
            **arguments(row),
        )
        assert answer.status_code == 403, f"{method} {pattern}"
        # A cookie beside the header does not help either.
        client.cookies.set(SESSION_COOKIE, token, domain="radlab.test")
    assert state_of(services, the_hub) == before


@pytest.mark.parametrize("key", [k for k in CHANGES if k[1].startswith("/api/")], ids=" ".join)
async def test_an_api_token_with_its_scope_needs_no_xsrf_token(
    browser: Callable[..., Any], site: Any, the_hub: Any, key: tuple[str, str]
) -> None:
    row = ROWS[key]
    token = the_hub.session_of("ana", ("access:services!service=radlab", *SCOPES))
    answer = await browser(None).client.request(
        key[0],
        PREFIX + (row.path or key[1]),
        headers={"Authorization": f"token {token}"},
        **arguments(row),
    )
    assert answer.status_code == row.administrator, answer.text
