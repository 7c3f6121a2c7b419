"""The portal's routes: who may make, see and revoke which code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from hub_config.errors import RadLabError
from hub_config.groups.rules import Person, person_of
from hub_config.groups.store import GroupStore
from hub_config.invites import codes
from hub_config.invites.api import router
from hub_config.invites.store import InviteStore, open_store
from hub_config.settings import Settings

ADMINISTRATOR = {"x-groups": "administrators"}
INSTRUCTOR = {"x-groups": "ct,ct:instructors,instructors"}
STUDENT = {"x-groups": "ct"}


@dataclass
class Services:
    invites: InviteStore


def person(x_groups: str = Header("")) -> Person:
    return person_of("someone", x_groups.split(","))


def address(x_address: str = Header("https://lab.example")) -> str:
    return x_address


@pytest.fixture
def services(engine: Engine, settings: Settings) -> Services:
    for name in ("ct", "mr"):
        GroupStore(engine).create(name, by="ada")
    return Services(open_store(settings, engine))


@pytest.fixture
def client(services: Services) -> TestClient:
    app = FastAPI()
    app.include_router(router(services, person, address))

    @app.exception_handler(RadLabError)
    def refused(_request: Request, error: RadLabError) -> JSONResponse:
        return JSONResponse(error.as_dict(), error.status)

    return TestClient(app)


def test_the_code_is_in_the_answer_that_made_it_and_in_no_other(
    client: TestClient, services: Services
) -> None:
    made = client.post("/api/invites", json={"group": "ct", "uses": 30}, headers=ADMINISTRATOR)
    assert made.status_code == 201
    answer = made.json()
    assert answer["link"] == f"https://lab.example/hub/signup#code={answer['code']}"
    assert answer["invite"]["state"] == "open"
    assert services.invites.redeem(codes.read(answer["code"]), "ana", "hash").group == "ct"
    listed = client.get("/api/invites", headers=ADMINISTRATOR)
    assert listed.json() == [answer["invite"] | {"used": 1}]
    assert answer["code"][6:] not in listed.text


def test_links_lead_to_the_address_that_the_portal_gives(client: TestClient) -> None:
    headers = ADMINISTRATOR | {"x-address": "https://radlab.example.edu"}
    made = client.post("/api/invites", json={"group": "ct", "user": "ana"}, headers=headers)
    assert made.json()["link"].startswith("https://radlab.example.edu/hub/signup#code=")
    assert made.json()["link"].endswith("&user=ana")


@pytest.mark.parametrize(
    ("terms", "who", "status"),
    [
        ({"group": "ct"}, ADMINISTRATOR, 201),
        ({"role": "administrator"}, ADMINISTRATOR, 201),
        ({"group": "ct"}, INSTRUCTOR, 201),
        ({"group": "mr"}, INSTRUCTOR, 403),
        ({"group": "ct", "role": "instructor"}, INSTRUCTOR, 403),
        ({"role": "administrator"}, INSTRUCTOR, 403),
        ({"group": "ct", "user": "ana"}, INSTRUCTOR, 403),
        ({"group": "ct"}, STUDENT, 403),
        ({"group": "nothere"}, ADMINISTRATOR, 404),
        ({"group": "ct", "uses": 0}, ADMINISTRATOR, 422),
        ({"group": "ct", "expires": "soon"}, ADMINISTRATOR, 422),
        ({"group": "ct", "user": "hub"}, ADMINISTRATOR, 422),
        ({"group": "ct", "quota": 3}, ADMINISTRATOR, 422),
    ],
)
def test_each_person_makes_what_they_may(
    client: TestClient, services: Services, terms: Any, who: Any, status: int
) -> None:
    answer = client.post("/api/invites", json=terms, headers=who)
    assert answer.status_code == status
    assert len(services.invites.all()) == (status == 201)


def test_instructors_see_and_revoke_their_students_codes_only(client: TestClient) -> None:
    for terms in ({"group": "ct"}, {"group": "mr"}, {"group": "ct", "role": "instructor"}):
        client.post("/api/invites", json=terms, headers=ADMINISTRATOR)
    seen = client.get("/api/invites", headers=INSTRUCTOR).json()
    assert [(i["group"], i["role"]) for i in seen] == [("ct", "student")]
    everything = client.get("/api/invites", headers=ADMINISTRATOR).json()
    statuses = {
        i["id"]: client.delete(f"/api/invites/{i['id']}", headers=INSTRUCTOR).status_code
        for i in everything
    }
    assert statuses == {i["id"]: 200 if i in seen else 403 for i in everything}
    after = client.get("/api/invites", headers=ADMINISTRATOR).json()
    assert [i["state"] for i in after if i["id"] == seen[0]["id"]] == ["revoked"]
    assert [i["state"] for i in after if i["id"] != seen[0]["id"]] == ["open", "open"]


def test_students_see_and_revoke_nothing(client: TestClient) -> None:
    made = client.post("/api/invites", json={"group": "ct"}, headers=ADMINISTRATOR).json()
    assert client.get("/api/invites", headers=STUDENT).status_code == 403
    path = f"/api/invites/{made['invite']['id']}"
    assert client.delete(path, headers=STUDENT).status_code == 403
    assert client.delete("/api/invites/99", headers=ADMINISTRATOR).status_code == 404


def test_resets_are_made_by_administrators_only(client: TestClient, services: Services) -> None:
    made = client.post("/api/invites", json={"group": "ct"}, headers=ADMINISTRATOR).json()
    services.invites.redeem(codes.read(made["code"]), "ana", "hash")
    for who in (INSTRUCTOR, STUDENT):
        assert client.post("/api/resets", json={"user": "ana"}, headers=who).status_code == 403
    answer = client.post("/api/resets", json={"user": "ana"}, headers=ADMINISTRATOR)
    assert answer.status_code == 201
    assert "/hub/reset#code=" in answer.json()["link"]
    assert services.invites.account_of_reset(codes.read(answer.json()["code"])).name == "ana"
    unknown = client.post("/api/resets", json={"user": "anna"}, headers=ADMINISTRATOR)
    assert unknown.status_code == 404
    assert "Did you mean 'ana'?" in unknown.json()["error"]["message"]
