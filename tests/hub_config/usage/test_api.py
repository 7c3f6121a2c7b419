from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from hub_config import clock
from hub_config.errors import RadLabError
from hub_config.gpus.model import Lease
from hub_config.groups.rules import Person, person_of
from hub_config.usage.api import router
from hub_config.usage.model import HomeUse, Kind, Limits
from hub_config.usage.store import AuditStore, QuotaStore, UsageStore

Run = Callable[..., Lease]
ADMINISTRATOR = {"x-name": "ada", "x-groups": "administrators"}
INSTRUCTOR = {"x-name": "ida", "x-groups": "radiology,radiology:instructors,instructors"}
STUDENT = {"x-name": "sam", "x-groups": "radiology"}
PLACES = {"place-of-sam": {"radiology", "oncology"}, "place-of-kim": {"oncology"}}


@dataclass
class Services:
    quotas: QuotaStore
    usage: UsageStore
    audit: AuditStore
    queue: Line


class Line:
    """A queue that knows two places, over both."""

    def of_groups(self, place_ids: Collection[str], groups: Collection[str]) -> set[str]:
        return {place for place in place_ids if PLACES.get(place, set()) & set(groups)}


def person(x_name: str = Header(), x_groups: str = Header()) -> Person:
    return person_of(x_name, x_groups.split(","))


def students(x_name: str = Header()) -> frozenset[str]:
    """Whom somebody teaches, as the portal asks the Hub."""
    return frozenset({"sam", "eve"} if x_name == INSTRUCTOR["x-name"] else ())


@pytest.fixture
def client(
    quotas: QuotaStore,
    usage: UsageStore,
    audit: AuditStore,
    noon: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> TestClient:
    """The routes at two o'clock, two hours after the leases of `run` begin."""
    monkeypatch.setattr(clock, "now", lambda: noon + timedelta(hours=2))
    app = FastAPI()
    services = Services(quotas, usage, audit, Line())
    app.include_router(router(services, person, students))

    @app.exception_handler(RadLabError)
    def refused(_request: Request, error: RadLabError) -> JSONResponse:
        return JSONResponse(error.as_dict(), error.status)

    return TestClient(app)


@pytest.fixture
def used(run: Run) -> list[Lease]:
    """Sam and Eve of radiology, Kim of oncology."""
    return [run(end=30), run("eve", start=40), run("kim", "oncology", start=50)]


def names(client: TestClient, who: dict[str, str], query: str = "") -> list[str]:
    return [row["username"] for row in client.get(f"/api/usage{query}", headers=who).json()]


@pytest.mark.parametrize(
    ("who", "seen"), [(ADMINISTRATOR, ["sam", "eve", "kim"]), (INSTRUCTOR, ["sam", "eve"])]
)
def test_staff_see_the_records_of_their_groups(
    client: TestClient, used: list[Lease], who: dict[str, str], seen: list[str]
) -> None:
    assert names(client, who) == seen
    sheet = client.get("/api/usage.csv", headers=who)
    assert sheet.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in sheet.headers["content-disposition"]
    assert sheet.content.startswith("\ufefflease_id,username".encode())
    assert [line.split(",")[1] for line in sheet.text.splitlines()[1:]] == seen


@pytest.mark.parametrize("path", ["/api/usage", "/api/usage.csv", "/api/audit"])
def test_a_student_sees_no_records_of_others(
    client: TestClient, used: list[Lease], path: str
) -> None:
    answer = client.get(path, headers=STUDENT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "staff_only")


def test_records_are_asked_for_by_person_group_and_time(
    client: TestClient, used: list[Lease]
) -> None:
    assert names(client, ADMINISTRATOR, "?user=kim") == ["kim"]
    assert names(client, ADMINISTRATOR, "?group=radiology") == ["sam", "eve"]
    assert names(client, ADMINISTRATOR, "?since=1h") == ["eve", "kim"]
    assert names(client, ADMINISTRATOR, "?until=2026-03-04T12:45Z") == ["sam", "eve"]
    assert names(client, ADMINISTRATOR, "?since=week&until=2026-03-04") == []


def test_an_instructor_who_asks_for_another_group_gets_nothing(
    client: TestClient, used: list[Lease]
) -> None:
    assert names(client, INSTRUCTOR, "?group=oncology") == []
    assert names(client, INSTRUCTOR, "?user=kim") == []


def test_a_time_that_cannot_be_read_is_refused(client: TestClient) -> None:
    answer = client.get("/api/usage?since=yesterday", headers=ADMINISTRATOR)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_moment")


def test_a_record_has_device_times_peaks_and_why_it_ended(
    client: TestClient, used: list[Lease], noon: datetime
) -> None:
    record = client.get("/api/usage?user=sam", headers=ADMINISTRATOR).json()[0]
    assert record["devices"] == list(used[0].device_uuids)
    assert datetime.fromisoformat(record["started_at"]) == noon
    assert (record["minutes"], record["gpu_hours"], record["why_ended"]) == (30, 0.5, "stopped")


def test_everybody_sees_what_they_hold_may_hold_and_used(
    client: TestClient, used: list[Lease], quotas: QuotaStore, usage: UsageStore, noon: datetime
) -> None:
    quotas.change(Kind.PERSON, "sam", {"gpu_hours_week": 5}, "ada")
    quotas.change(Kind.GROUP, "radiology", {"gpus": 2, "disk_mb": 4000}, "ada")
    usage.homes([HomeUse(username="sam", used_mb=3300, measured_at=noon)])
    mine = client.get("/api/usage/mine", headers=STUDENT).json()
    assert [record["username"] for record in mine["records"]] == ["sam"]
    assert mine["limits"]["gpu_hours_week"] == 5
    assert (mine["held"]["gpus"], mine["held"]["gpu_hours_week"]) == (0, 0.5)
    [group] = mine["groups"]
    assert (group["group"], group["limits"]["gpus"], group["held"]["gpus"]) == ("radiology", 2, 1)
    assert (mine["home_used_mb"], mine["home_limit_mb"]) == (3300, 4000)
    assert "eve" not in str(mine)


def test_somebody_who_used_nothing_is_told_so(client: TestClient) -> None:
    mine = client.get("/api/usage/mine", headers={"x-name": "new", "x-groups": ""}).json()
    assert (mine["records"], mine["groups"], mine["home_used_mb"]) == ([], [], None)


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        (ADMINISTRATOR, ["oncology", "radiology", "kim", "sam"]),
        (INSTRUCTOR, ["radiology", "sam"]),
        (STUDENT, ["radiology", "sam"]),
    ],
)
def test_everybody_sees_the_quotas_that_are_theirs_to_see(
    client: TestClient, quotas: QuotaStore, who: dict[str, str], seen: list[str]
) -> None:
    for group in ("oncology", "radiology"):
        quotas.change(Kind.GROUP, group, {"gpus": 2}, "ada")
    for name in ("kim", "sam"):
        quotas.change(Kind.PERSON, name, {"gpus": 1}, "ada")
    assert [quota["name"] for quota in client.get("/api/quotas", headers=who).json()] == seen


@pytest.mark.parametrize(
    ("who", "seen"),
    [(ADMINISTRATOR, ["eve", "sam"]), (INSTRUCTOR, ["eve", "sam"]), (STUDENT, ["sam"])],
)
def test_whose_home_is_over_a_groups_limit_only_its_staff_see(
    client: TestClient,
    used: list[Lease],
    quotas: QuotaStore,
    usage: UsageStore,
    noon: datetime,
    who: dict[str, str],
    seen: list[str],
) -> None:
    quotas.change(Kind.GROUP, "radiology", {"disk_mb": 4000}, "ada")
    usage.homes([HomeUse(username=n, used_mb=5000, measured_at=noon) for n in ("sam", "eve")])
    [quota] = client.get("/api/quotas", headers=who).json()
    assert sorted(over["username"] for over in quota["over"]) == seen


def test_an_administrator_sets_all_limits_and_lifts_them(
    client: TestClient, quotas: QuotaStore, audit: AuditStore
) -> None:
    path = "/api/quotas/group/radiology"
    client.put(path, json={"servers": 9}, headers=ADMINISTRATOR)
    body = {"gpus": 4, "gpu_hours_week": 2.5, "reason": "the term begins"}
    answer = client.put(path, json=body, headers=ADMINISTRATOR).json()
    assert (answer["limits"]["gpus"], answer["limits"]["servers"]) == (4, None)
    assert quotas.get(Kind.GROUP, "radiology").limits == Limits(gpus=4, gpu_hours_week=2.5)
    assert audit.recent(1)[0].reason == "the term begins"
    assert client.delete(path, headers=ADMINISTRATOR).status_code == 204
    again = client.delete(path, headers=ADMINISTRATOR)
    assert (again.status_code, again.json()["error"]["code"]) == (404, "no_quota")


def test_a_limit_below_what_is_in_use_is_accepted_and_the_answer_says_what_is_over(
    client: TestClient, used: list[Lease]
) -> None:
    path = "/api/quotas/group/radiology"
    answer = client.put(path, json={"gpus": 0}, headers=ADMINISTRATOR)
    assert answer.status_code == 200
    assert answer.json()["over"] == [{"what": "gpus", "limit": 0, "used": 1, "username": None}]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("group/radiology", {"gpus": -1}, 422),
        ("group/radiology", {"gpus": 5, "minutes": 10**9}, 422),
        ("group/radiology", {"gpus": True}, 422),
        ("group/radiology", {"gpus": "4"}, 422),
        ("group/radiology", {"gpu": 4}, 422),
        ("group/radiolgy", {"gpus": 4}, 404),
        ("team/radiology", {"gpus": 4}, 422),
        ("person/%20", {"gpus": 4}, 422),
    ],
)
def test_a_wrong_quota_is_refused_and_nothing_changes(
    client: TestClient, quotas: QuotaStore, path: str, body: dict[str, Any], status: int
) -> None:
    before = quotas.change(Kind.GROUP, "radiology", {"servers": 9}, "ada").quota
    answer = client.put(f"/api/quotas/{path}", json=body, headers=ADMINISTRATOR)
    assert answer.status_code == status
    assert quotas.all() == [before]


@pytest.mark.parametrize("who", [INSTRUCTOR, STUDENT])
def test_nobody_else_sets_quotas(
    client: TestClient, quotas: QuotaStore, who: dict[str, str]
) -> None:
    quotas.change(Kind.GROUP, "radiology", {"gpus": 1}, "ada")
    path = "/api/quotas/group/radiology"
    assert client.put(path, json={"gpus": 9}, headers=who).status_code == 403
    assert client.delete(path, headers=who).status_code == 403
    assert quotas.get(Kind.GROUP, "radiology").limits == Limits(gpus=1)


@pytest.mark.parametrize(
    ("who", "seen"), [(ADMINISTRATOR, ["kim", "kim", "sam"]), (INSTRUCTOR, ["kim", "sam"])]
)
def test_staff_see_their_part_of_the_audit(
    client: TestClient,
    audit: AuditStore,
    used: list[Lease],
    who: dict[str, str],
    seen: list[str],
) -> None:
    sam, _eve, kim = used
    audit.note("ada", "stop", "broken", username="sam", lease_id=sam.id)
    audit.note("ida", "move up", "ill", username="kim", place_id="p")
    audit.note("ada", "stop", "broken", username="kim", lease_id=kim.id)
    entries = client.get("/api/audit", headers=who).json()
    assert [entry["username"] for entry in entries] == seen
    assert all(entry["reason"] for entry in entries)
    assert len(client.get("/api/audit?limit=1", headers=who).json()) == 1


def test_an_instructor_sees_what_was_done_to_places_of_their_groups_before_any_lease(
    client: TestClient, audit: AuditStore
) -> None:
    audit.note("ada", "move_up", "ill", username="kim", place_id="place-of-kim")
    audit.note("ada", "move_up", "ill", username="sam", place_id="place-of-sam")
    audit.note("ada", "start", "ill", username="eve")
    entries = client.get("/api/audit", headers=INSTRUCTOR).json()
    assert [entry["username"] for entry in entries] == ["sam"]
