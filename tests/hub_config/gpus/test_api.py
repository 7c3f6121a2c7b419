from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from hub_config.errors import RadLabError
from hub_config.gpus.api import router
from hub_config.gpus.ledger import Ledger
from hub_config.gpus.model import Ended, LeaseRequest
from hub_config.gpus.store import DeviceStore
from hub_config.groups.rules import Person, person_of

Ask = Callable[..., LeaseRequest]
ADMINISTRATOR = {"x-name": "ada", "x-groups": "administrators"}
INSTRUCTOR = {"x-name": "ida", "x-groups": "radiology,radiology:instructors,instructors"}
STUDENT = {"x-name": "sam", "x-groups": "radiology"}


@dataclass
class Services:
    devices: DeviceStore
    ledger: Ledger


def person(x_name: str = Header(), x_groups: str = Header()) -> Person:
    return person_of(x_name, x_groups.split(","))


@pytest.fixture
def client(devices: DeviceStore, ledger: Ledger) -> TestClient:
    app = FastAPI()
    app.include_router(router(Services(devices, ledger), person))

    @app.exception_handler(RadLabError)
    def refused(_request: Request, error: RadLabError) -> JSONResponse:
        return JSONResponse(error.as_dict(), error.status)

    return TestClient(app)


def test_an_administrator_sees_all_gpus_and_who_holds_them_until_when(
    client: TestClient, ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(), noon)
    ledger.started(lease.id, "c0ffee", noon)
    gpus = client.get("/api/gpus", headers=ADMINISTRATOR).json()
    assert [gpu["group"] for gpu in gpus] == ["radiology"] * 3 + ["cardiology"]
    [held] = [gpu for gpu in gpus if gpu["in_use"]]
    assert held["uuid"] == lease.device_uuids[0]
    assert held["lease"]["username"] == "sam"
    assert datetime.fromisoformat(held["lease"]["started_at"]) == noon
    assert datetime.fromisoformat(held["free_at"]) == noon + timedelta(minutes=60)


def test_an_instructor_sees_the_gpus_of_their_groups_alone(client: TestClient) -> None:
    gpus = client.get("/api/gpus", headers=INSTRUCTOR).json()
    assert {gpu["group"] for gpu in gpus} == {"radiology"}
    assert len(gpus) == 3


def test_an_instructor_sees_until_when_but_not_by_whom_another_group_holds_a_gpu(
    client: TestClient, ledger: Ledger, devices: DeviceStore, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for("kim", groups=("cardiology",)), noon)
    devices.assign(lease.device_uuids[0], "radiology", "ada")
    [held] = [g for g in client.get("/api/gpus", headers=INSTRUCTOR).json() if g["in_use"]]
    assert held["free_at"]
    assert held["lease"] is None
    assert "kim" not in client.get("/api/leases", headers=INSTRUCTOR).text


def test_a_student_may_not_list_gpus(client: TestClient) -> None:
    answer = client.get("/api/gpus", headers=STUDENT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "staff_only")


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        (ADMINISTRATOR, {"sam", "eve", "kim"}),
        (INSTRUCTOR, {"sam", "eve"}),
        (STUDENT, {"sam"}),
        ({"x-name": "new", "x-groups": "radiology"}, set()),
    ],
)
def test_everybody_sees_the_leases_that_are_theirs_to_see(
    client: TestClient,
    ledger: Ledger,
    request_for: Ask,
    noon: datetime,
    who: dict[str, str],
    seen: set[str],
) -> None:
    ledger.grant(request_for("sam"), noon)
    ledger.grant(request_for("eve", gpu_count=0), noon)
    ledger.grant(request_for("kim", groups=("cardiology",)), noon)
    leases = client.get("/api/leases", headers=who).json()
    assert {lease["username"] for lease in leases} == seen


def test_an_administrator_gives_a_gpu_to_a_group_and_takes_it_away(
    client: TestClient, devices: DeviceStore
) -> None:
    for group in ("empty", None):
        answer = client.put(
            "/api/gpus/GPU-cccc-3/group", json={"group": group}, headers=ADMINISTRATOR
        )
        assert answer.json()["group"] == group
        assert devices.all()[3].group == group


@pytest.mark.parametrize("who", [INSTRUCTOR, STUDENT])
def test_nobody_else_assigns_gpus(
    client: TestClient, devices: DeviceStore, who: dict[str, str]
) -> None:
    answer = client.put("/api/gpus/GPU-cccc-3/group", json={"group": "radiology"}, headers=who)
    assert answer.status_code == 403
    assert devices.all()[3].group == "cardiology"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("GPU-zzzz", {"group": "radiology"}, 404, "unknown_device"),
        ("GPU-cccc-3", {"group": "radiolgy"}, 404, "unknown_group"),
        ("GPU-aa", {"group": "radiology"}, 422, "ambiguous_device"),
        ("GPU-cccc-3", {"grp": "radiology"}, 422, None),
        ("GPU-cccc-3", {}, 422, None),
    ],
)
def test_a_wrong_assignment_is_refused_and_nothing_changes(
    client: TestClient,
    devices: DeviceStore,
    path: str,
    body: dict[str, str],
    status: int,
    code: str | None,
) -> None:
    answer = client.put(f"/api/gpus/{path}/group", json=body, headers=ADMINISTRATOR)
    assert answer.status_code == status
    assert code is None or answer.json()["error"]["code"] == code
    assert [row.group for row in devices.all()] == ["radiology"] * 3 + ["cardiology"]


def test_an_administrator_puts_a_gpu_into_the_pool(
    client: TestClient, devices: DeviceStore
) -> None:
    path, pool = "/api/gpus/GPU-cccc-3/group", {"group": None, "pool": True}
    answer = client.put(path, json=pool, headers=ADMINISTRATOR).json()
    assert (answer["group"], answer["pool"]) == (None, True)
    assert devices.all()[3].pool
    seen = client.get("/api/gpus", headers=INSTRUCTOR).json()
    assert [gpu["uuid"] for gpu in seen if gpu["pool"]] == ["GPU-cccc-3"]
    both = client.put(path, json={"group": "empty", "pool": True}, headers=ADMINISTRATOR)
    assert (both.status_code, both.json()["error"]["code"]) == (422, "group_or_pool")
    assert devices.all()[3].pool


def test_an_administrator_drains_a_gpu_and_takes_that_back(
    client: TestClient, devices: DeviceStore
) -> None:
    for draining in (True, False):
        body = {"draining": draining}
        answer = client.put("/api/gpus/GPU-cccc/draining", json=body, headers=ADMINISTRATOR)
        assert answer.json()["draining"] is draining
        assert devices.all()[3].draining is draining


@pytest.mark.parametrize("who", [INSTRUCTOR, STUDENT])
def test_nobody_else_drains_gpus(
    client: TestClient, devices: DeviceStore, who: dict[str, str]
) -> None:
    answer = client.put("/api/gpus/GPU-cccc-3/draining", json={"draining": True}, headers=who)
    assert answer.status_code == 403
    assert not devices.all()[3].draining


def test_a_lease_says_when_and_why_it_will_end(
    client: TestClient, ledger: Ledger, request_for: Ask, noon: datetime
) -> None:
    lease = ledger.grant(request_for(), noon)
    ledger.stop_early(lease.id, noon + timedelta(minutes=5), Ended.IDLE)
    [shown] = client.get("/api/leases", headers=STUDENT).json()
    assert datetime.fromisoformat(shown["until"]) == noon + timedelta(minutes=5)
    assert shown["until_why"] == "idle"
    [held] = [g for g in client.get("/api/gpus", headers=ADMINISTRATOR).json() if g["in_use"]]
    assert held["free_at"] == shown["until"]
