from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from hub_config.db import migrate, open_database
from hub_config.errors import RadLabError
from hub_config.groups.api import router
from hub_config.groups.rules import Person, person_of
from hub_config.groups.store import GroupStore

ADMINISTRATOR = {"x-groups": "administrators"}
INSTRUCTOR = {"x-groups": "radiology,radiology:instructors,instructors"}
STUDENT = {"x-groups": "cardiology"}


@dataclass
class Services:
    groups: GroupStore


def person(x_groups: str = Header("")) -> Person:
    return person_of("someone", x_groups.split(","))


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    engine = open_database(f"sqlite:///{tmp_path / 'radlab.sqlite'}")
    migrate(engine)
    app = FastAPI()
    app.include_router(router(Services(GroupStore(engine)), person))

    @app.exception_handler(RadLabError)
    def refused(_request: Request, error: RadLabError) -> JSONResponse:
        return JSONResponse(error.as_dict(), error.status)

    found = TestClient(app)
    for name in ("radiology", "cardiology"):
        made = found.post("/api/groups", json={"name": name}, headers=ADMINISTRATOR)
        assert made.status_code == 201
    return found


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        (ADMINISTRATOR, ["cardiology", "radiology"]),
        (INSTRUCTOR, ["radiology"]),
        (STUDENT, ["cardiology"]),
        ({}, []),
    ],
)
def test_everybody_sees_their_own_groups(
    client: TestClient, who: dict[str, str], seen: list[str]
) -> None:
    assert [g["name"] for g in client.get("/api/groups", headers=who).json()] == seen


def test_the_answer_says_what_a_person_teaches(client: TestClient) -> None:
    [group] = client.get("/api/groups", headers=INSTRUCTOR).json()
    assert group["taught"] is True
    assert group["created_by"] == "someone"


@pytest.mark.parametrize("who", [INSTRUCTOR, STUDENT, {}])
def test_only_an_administrator_makes_or_changes_groups(
    client: TestClient, who: dict[str, str]
) -> None:
    made = client.post("/api/groups", json={"name": "mine"}, headers=who)
    body = {"internet": True, "lends": True}
    changed = client.patch("/api/groups/radiology", json=body, headers=who)
    assert (made.status_code, changed.status_code) == (403, 403)
    kept = client.get("/api/groups", headers=ADMINISTRATOR).json()
    assert [(g["name"], g["internet"], g["lends"]) for g in kept] == [
        ("cardiology", False, False),
        ("radiology", False, False),
    ]


def test_the_internet_of_a_group_can_be_allowed(client: TestClient) -> None:
    changed = client.patch("/api/groups/radiology", json={"internet": True}, headers=ADMINISTRATOR)
    assert changed.json()["internet"] is True


def test_a_group_may_lend_and_borrow_and_what_is_left_out_stays(client: TestClient) -> None:
    path = "/api/groups/radiology"
    lending = client.patch(path, json={"lends": True, "internet": True}, headers=ADMINISTRATOR)
    assert lending.json()["lends"] is True
    borrowing = client.patch(path, json={"borrows": True}, headers=ADMINISTRATOR).json()
    assert (borrowing["lends"], borrowing["borrows"], borrowing["internet"]) == (True, True, True)


def test_a_wrong_group_is_not_found_and_names_the_nearest(client: TestClient) -> None:
    answer = client.patch("/api/groups/radiolgy", json={"internet": True}, headers=ADMINISTRATOR)
    assert answer.status_code == 404
    assert "'radiology'" in answer.json()["error"]["message"]


def test_an_unknown_field_is_refused(client: TestClient) -> None:
    body = {"name": "other", "internt": True}
    assert client.post("/api/groups", json=body, headers=ADMINISTRATOR).status_code == 422
