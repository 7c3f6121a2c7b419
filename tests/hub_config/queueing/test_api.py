from __future__ import annotations

from dataclasses import dataclass

import pytest
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from hub_config.errors import RadLabError
from hub_config.gpus.ledger import Ledger
from hub_config.groups.rules import Person, person_of
from hub_config.queueing.api import router
from hub_config.queueing.store import QueueStore
from hub_config.usage.store import AuditStore
from tests.hub_config.queueing.story import Site

ADMINISTRATOR = {"x-name": "ada", "x-groups": "administrators"}
INSTRUCTOR = {"x-name": "ira", "x-groups": "aa,aa:instructors,instructors"}
BOB = {"x-name": "bob", "x-groups": "aa"}
WHY = {"reason": "an examination"}


@dataclass
class Services:
    queue: QueueStore
    ledger: Ledger
    audit: AuditStore


def person(x_name: str = Header(), x_groups: str = Header()) -> Person:
    return person_of(x_name, x_groups.split(","))


@pytest.fixture
def client(site: Site) -> TestClient:
    """Ann runs on the one card of aa; bob and cat of aa wait for it, dan of bb for a start."""
    site.cards("aa", "bb")
    site.run("ann")
    site.enter("dan", groups=("bb",))
    site.enter("bob")
    site.enter("cat")
    app = FastAPI()
    services = Services(site.queue, site.ledger, AuditStore(site.engine))
    # Whether the owner is staff themselves only the portal's Hub knows: see its tests.
    app.include_router(router(services, person, allowed=lambda: None))

    @app.exception_handler(RadLabError)
    def refused(_request: Request, error: RadLabError) -> JSONResponse:
        return JSONResponse(error.as_dict(), error.status)

    return TestClient(app)


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        (ADMINISTRATOR, ["ann", "dan", "bob", "cat"]),
        (INSTRUCTOR, ["ann", "bob", "cat"]),
        (BOB, ["bob"]),
        ({"x-name": "eve", "x-groups": "bb"}, []),
    ],
)
def test_everybody_sees_the_counts_and_only_the_lines_that_they_may(
    client: TestClient, who: dict[str, str], seen: list[str]
) -> None:
    answer = client.get("/api/queue", headers=who).json()
    assert [line["username"] for line in answer["lines"]] == seen
    assert (answer["running"], answer["starting"], answer["waiting"]) == (1, 0, 3)


def test_a_line_says_state_order_and_why(client: TestClient) -> None:
    lines = client.get("/api/queue", headers=ADMINISTRATOR).json()["lines"]
    running, _, bob, _ = lines
    assert (running["state"], running["order"], running["why"]) == ("running", 1, None)
    assert running["until"] is not None
    assert (bob["state"], bob["position"], bob["order"]) == ("waiting", 2, 3)
    assert bob["reason"] == "busy"
    assert bob["why"].startswith("The GPU of group aa is in use; it is free at about 2026-")


def test_no_answer_to_a_student_names_another(client: TestClient) -> None:
    text = client.get("/api/queue", headers=BOB).text
    assert not [name for name in ("ann", "cat", "dan") if name in text]


def test_moving_up_wants_staff_and_a_reason_that_is_kept(client: TestClient, site: Site) -> None:
    url = f"/api/queue/{site.place('cat').id}/move-up"
    assert client.post(url, json=WHY, headers=BOB).json()["error"]["code"] == "staff_only"
    unsaid = client.post(url, json={}, headers=INSTRUCTOR)
    assert unsaid.json()["error"]["code"] == "no_reason"
    assert site.waiting() == ["dan", "bob", "cat"]
    assert client.post(url, json=WHY, headers=INSTRUCTOR).status_code == 200
    assert site.waiting() == ["dan", "cat", "bob"]
    [entry] = AuditStore(site.engine).recent()
    assert (entry.by, entry.action, entry.username, entry.reason) == (
        "ira", "move_up", "cat", "an examination",
    )  # fmt: skip
    assert client.post(url, json=WHY, headers=ADMINISTRATOR).status_code == 200
    assert site.waiting() == ["cat", "dan", "bob"]


def test_an_instructor_moves_nobody_of_another_group(client: TestClient, site: Site) -> None:
    url = f"/api/queue/{site.place('dan').id}"
    for answer in (
        client.post(f"{url}/move-up", json=WHY, headers=INSTRUCTOR),
        client.delete(url, params=WHY, headers=INSTRUCTOR),
    ):
        assert answer.json()["error"]["code"] == "not_your_place"


def test_a_place_of_two_groups_is_seen_and_moved_by_the_teacher_of_either(
    client: TestClient, site: Site
) -> None:
    teacher = {"x-name": "ivo", "x-groups": "bb:instructors,instructors"}
    url = f"/api/queue/{site.enter('fay', groups=('aa', 'bb')).id}"
    seen = client.get("/api/queue", headers=teacher).json()["lines"]
    assert [line["username"] for line in seen] == ["dan", "fay"]
    assert seen[1]["groups"] == ["aa", "bb"]
    assert client.post(f"{url}/move-up", json=WHY, headers=teacher).status_code == 200
    # Past those of the group that they teach; those of the other one have lost nothing.
    assert site.waiting() == ["fay", "bob", "cat", "dan"]
    assert client.delete(url, params=WHY, headers=teacher).status_code == 200


def test_an_instructor_who_studies_elsewhere_does_not_move_themselves_up(
    client: TestClient, site: Site
) -> None:
    url = f"/api/queue/{site.enter('ira', groups=('bb',)).id}/move-up"
    answer = client.post(url, json=WHY, headers=INSTRUCTOR)
    assert answer.json()["error"]["code"] == "not_your_place"
    assert site.waiting() == ["dan", "bob", "cat", "ira"]


def test_ones_own_place_is_left_without_a_reason(client: TestClient, site: Site) -> None:
    url = f"/api/queue/{site.place('bob').id}"
    assert client.delete(url, headers=BOB).json()["state"] == "left"
    assert site.waiting() == ["dan", "cat"]
    assert AuditStore(site.engine).recent() == []


def test_somebody_elses_place_is_left_with_a_reason_only(client: TestClient, site: Site) -> None:
    url = f"/api/queue/{site.place('cat').id}"
    assert client.delete(url, headers=BOB).json()["error"]["code"] == "not_your_place"
    assert client.delete(url, headers=INSTRUCTOR).json()["error"]["code"] == "no_reason"
    assert client.delete(url, params=WHY, headers=INSTRUCTOR).json()["state"] == "left"
    assert [entry.action for entry in AuditStore(site.engine).recent()] == ["leave"]
