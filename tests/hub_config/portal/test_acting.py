"""Acting for somebody: stop, extend, start, move up, take out; with a reason, and in the audit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub_config import clock
from hub_config.db import writing
from hub_config.gpus.model import Ended, Lease
from hub_config.gpus.tables import LeaseTable
from hub_config.portal.services import Services
from hub_config.queueing.model import State
from hub_config.usage.model import Kind, Limits

WHY = "her training needs the hour"


@pytest.fixture
def class_(school: Any, the_hub: Any) -> Any:
    """Sam runs; tea, uma and vic are of the same group and run nothing."""
    for name in ("tea", "uma", "vic"):
        the_hub.groups[name] = ["radiology"]
    return school


async def test_an_instructor_extends_a_students_session_and_says_why(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    ines, before = browser("ines"), class_.sam
    answer = await ines.call(
        "POST", "/api/servers/sam/extend", json={"minutes": 30, "reason": f"  {WHY} "}
    )
    assert answer.status_code == 200
    lease = services.ledger.get(before.id)
    assert lease.until == before.until + timedelta(minutes=30)
    (entry,) = services.audit.recent()
    assert (entry.by, entry.action, entry.username) == ("ines", "extend", "sam")
    assert (entry.lease_id, entry.reason, entry.detail) == (before.id, WHY, "30 min")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/api/servers/sam?reason=%20", None),
        ("POST", "/api/servers/sam/extend", {"minutes": 30, "reason": " "}),
        ("POST", "/api/servers", {"username": "tea", "options": {"image": "x"}, "reason": ""}),
    ],
)
async def test_nothing_is_done_for_somebody_else_without_a_reason(
    browser: Callable[..., Any],
    class_: Any,
    services: Services,
    the_hub: Any,
    method: str,
    path: str,
    body: Any,
) -> None:
    answer = await browser("ines").call(method, path, **({"json": body} if body else {}))
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "no_reason"
    assert services.ledger.get(class_.sam.id) == class_.sam
    assert (the_hub.stopped, the_hub.started) == ([], [])
    assert services.audit.recent() == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", f"/api/servers/sam?reason={'x' * 501}", None),
        ("POST", "/api/servers/sam/extend", {"minutes": 30, "reason": "x" * 501}),
        ("POST", "/api/servers/sam/extend", {"minutes": 30, "reason": "x" * 60_000}),
        ("POST", "/api/servers", {"username": "tea", "options": {"a": 1}, "reason": "x" * 501}),
    ],
)
async def test_a_reason_is_a_sentence_and_not_a_book(
    browser: Callable[..., Any],
    class_: Any,
    services: Services,
    the_hub: Any,
    method: str,
    path: str,
    body: Any,
) -> None:
    answer = await browser("ines").call(method, path, **({"json": body} if body else {}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "long_reason")
    assert services.ledger.get(class_.sam.id) == class_.sam
    assert (the_hub.stopped, the_hub.started, services.audit.recent()) == ([], [], [])


async def test_students_extend_their_own_session_while_nobody_waits_for_its_gpu(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    end_in(services, class_.sam, minutes=8)
    sam = browser("sam")
    offered = await sam.open("/servers/sam/extend")
    assert 'max="' in offered.text and "At most 0" not in offered.text
    first = await sam.send("/servers/sam/extend", minutes="15")
    assert "The session of sam has 15 minutes more." in first.text
    class_.start("ines")  # the last GPU of the group
    class_.wait("tea")
    end_in(services, class_.sam, minutes=8)
    refused = await sam.send("/servers/sam/extend", minutes="15")
    assert refused.status_code == 409
    assert "Somebody waits for this GPU" in refused.text
    assert services.ledger.get(class_.sam.id).extended_minutes == 15
    assert services.audit.recent() == []


async def test_students_pile_no_minutes_up(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    sam = browser("sam")
    page = (await sam.open("/servers/sam/extend")).text
    assert "in its last 12 minutes" in page
    assert 'name="minutes"' not in page, "there is nothing to fill in"
    refused = await sam.send("/servers/sam/extend", minutes="15")
    assert refused.status_code == 409
    assert services.ledger.get(class_.sam.id) == class_.sam


@pytest.mark.parametrize("name", ["sam", "ines", "ana"])
async def test_an_idle_session_that_is_extended_runs_on(
    browser: Callable[..., Any], class_: Any, services: Services, name: str
) -> None:
    now = clock.now()
    services.ledger.stop_early(class_.sam.id, now + timedelta(minutes=5), Ended.IDLE)
    answer = await browser(name).send("/servers/sam/extend", minutes="15", reason=WHY)
    assert "The session of sam has 15 minutes more." in answer.text
    lease = services.ledger.get(class_.sam.id)
    assert lease.until == class_.sam.ends_at + timedelta(minutes=15)
    busy_at = services.usage.of([lease.id])[lease.id].busy_at
    assert busy_at is not None and busy_at >= now, "the next round would tell it to end again"


async def test_staff_extend_over_the_queue_and_not_over_the_quota(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    class_.start("ines")
    class_.wait("tea")
    services.quotas.set(Kind.GROUP, "radiology", Limits(minutes=120), "ana")
    ana = browser("ana")
    assert "At most 30." in (await ana.open("/servers/sam/extend")).text
    over = await ana.send("/servers/sam/extend", minutes="31", reason=WHY)
    assert over.status_code == 409
    assert 'value="31"' in over.text
    assert WHY in over.text
    within = await ana.send("/servers/sam/extend", minutes="30", reason=WHY)
    assert "has 30 minutes more" in within.text
    assert [entry.action for entry in services.audit.recent(10) if entry.username == "sam"] == [
        "extend"
    ]


@pytest.mark.parametrize("minutes", ["0", "-5", "1441", "ten", "1.5", ""])
async def test_minutes_that_cannot_be_are_refused_at_the_form(
    browser: Callable[..., Any], class_: Any, services: Services, minutes: str
) -> None:
    answer = await browser("ana").send("/servers/sam/extend", minutes=minutes, reason=WHY)
    assert answer.status_code == 422
    assert "is no number of minutes" in answer.text
    assert services.ledger.get(class_.sam.id) == class_.sam


async def test_who_waits_has_nothing_to_extend(browser: Callable[..., Any], class_: Any) -> None:
    class_.wait("tea")
    answer = await browser("ines").call(
        "POST", "/api/servers/tea/extend", json={"minutes": 5, "reason": WHY}
    )
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "nothing_to_extend"


async def test_instructors_act_on_their_own_students_alone(
    browser: Callable[..., Any], class_: Any, services: Services, the_hub: Any
) -> None:
    services.devices.assign("SIM-radlab-2", "oncology", "ana")
    class_.start("oda", group="oncology")
    ines = browser("ines")
    options = {"image": "base", "gpus": 0}
    answers = [
        await ines.call("POST", "/api/servers/oda/extend", json={"minutes": 5, "reason": WHY}),
        await ines.call("DELETE", f"/api/servers/oda?reason={WHY}"),
        await ines.call(
            "POST", "/api/servers", json={"username": "oda", "options": options, "reason": WHY}
        ),
        await ines.call(
            "POST", "/api/servers", json={"username": "nobody", "options": options, "reason": WHY}
        ),
    ]
    for answer in answers:
        assert answer.status_code == 403, answer.text
        assert answer.json()["error"]["code"] == "not_your_server"
    assert (the_hub.stopped, the_hub.started, services.audit.recent()) == ([], [], [])


async def test_stopping_who_waits_leaves_the_place_before_the_spawn_ends(
    browser: Callable[..., Any], class_: Any, services: Services, the_hub: Any
) -> None:
    place = class_.wait("tea")
    the_hub.start("tea")
    the_hub.servers["tea"].pending = "spawn"
    ines = browser("ines")
    assert "in line" in (await ines.open("/servers")).text
    await ines.send("/servers/tea/stop", reason="absent today")
    closed = services.queue.get(place.id)
    assert (closed.state, closed.why) == (State.LEFT, "ines")
    assert the_hub.stopped == ["tea"]
    (entry,) = services.audit.recent()
    assert (entry.action, entry.username, entry.place_id) == ("stop", "tea", place.id)


async def test_stopping_for_somebody_is_kept_as_the_reason_of_the_end(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    await browser("ana").send("/servers/sam/stop", reason="exam")
    ended = services.ledger.release(class_.sam.id, Ended.STOPPED, clock.now())
    assert ended.why_ended is Ended.ADMINISTRATOR


async def test_a_server_is_started_for_a_student_through_the_hub(
    browser: Callable[..., Any], class_: Any, services: Services, the_hub: Any
) -> None:
    answer = await browser("ines").send(
        "/queue/start", username=" tea ", what='{"image": "base", "gpus": 0}', reason="no laptop"
    )
    assert "The server of tea waits in line." in answer.text
    assert the_hub.started == [("tea", {"image": "base", "gpus": 0})]
    (entry,) = services.audit.recent()
    assert (entry.by, entry.action, entry.username) == ("ines", "start", "tea")
    assert (entry.reason, entry.detail) == ("no laptop", "gpus 0, image base")
    assert entry.place_id == services.queue.of("tea", "").id


async def test_a_size_says_itself_whether_there_are_gpus(
    browser: Callable[..., Any], class_: Any, the_hub: Any
) -> None:
    what = '{"module": "05_classification", "gpu": true, "language": "en"}'
    await browser("ines").send(
        "/queue/start", username="tea", what=what, size="small", reason="no laptop"
    )
    wanted = {"module": "05_classification", "language": "en", "size": "small"}
    assert the_hub.started == [("tea", wanted)]


async def test_a_start_that_the_spawner_refuses_later_is_no_success(
    browser: Callable[..., Any], class_: Any, services: Services, the_hub: Any
) -> None:
    the_hub.spawner = lambda name, options: False
    answer = await browser("ines").call(
        "POST",
        "/api/servers",
        json={"username": "tea", "options": {"image": "bose"}, "reason": "no laptop"},
    )
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "not_started"
    assert services.audit.recent() == []


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"username": "sam"}, 409, "has a server already"),
        ({"username": "vic"}, 409, "has a server already, or waits"),
        ({"username": "teaa"}, 404, "There is no person"),
        ({"username": "tea", "what": "module/x"}, 422, "Nothing was chosen"),
        ({"username": "tea", "what": "{}"}, 422, "Nothing was chosen"),
        ({"username": "tea", "what": "[1]"}, 422, "Nothing was chosen"),
    ],
)
async def test_what_cannot_be_started_is_refused_at_the_form(
    browser: Callable[..., Any],
    class_: Any,
    services: Services,
    the_hub: Any,
    fields: dict[str, str],
    status: int,
    says: str,
) -> None:
    catalog = Path(__file__).parents[3] / "images" / "catalog.yaml"
    services.settings.path("offers").mkdir(parents=True, exist_ok=True)
    shutil.copy(catalog, services.settings.path("offers", "images.yaml"))
    class_.wait("vic")
    given = {"what": '{"image": "base", "gpus": 0}', "reason": "no laptop", **fields}
    answer = await browser("ana").send("/queue/start", **given)
    assert answer.status_code == status
    assert says in answer.text
    assert 'value="no laptop"' in answer.text
    assert (the_hub.started, services.audit.recent()) == ([], [])


async def test_what_the_spawner_refuses_is_said_in_its_own_words(
    browser: Callable[..., Any], class_: Any, services: Services, the_hub: Any
) -> None:
    the_hub.refuses_starts = (422, "There is no image 'bose'.")
    answer = await browser("ana").send(
        "/queue/start", username="tea", what='{"image": "bose"}', reason="no laptop"
    )
    assert answer.status_code == 409
    assert "There is no image &#39;bose&#39;." in answer.text
    assert services.audit.recent() == []


async def test_a_place_moves_up_with_a_reason(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    for name in ("tea", "uma", "vic"):
        place = class_.wait(name)
    ines = browser("ines")
    question = await ines.open(f"/queue/{place.id}/move-up")
    assert "Let vic go first?" in question.text
    refused = await ines.send(f"/queue/{place.id}/move-up", reason=" ")
    assert refused.status_code == 422
    assert [each.username for each in services.queue.open()] == ["tea", "uma", "vic"]
    moved = await ines.send(f"/queue/{place.id}/move-up", reason="leaves at noon")
    assert "vic has moved up." in moved.text
    assert [each.username for each in services.queue.open()] == ["vic", "tea", "uma"]
    (entry,) = services.audit.recent()
    assert (entry.username, entry.reason, entry.place_id) == ("vic", "leaves at noon", place.id)
    audit = (await browser("ana").open("/audit?q=NOON")).text
    assert "moved up in the queue" in audit
    assert "Nothing matches" in (await browser("ana").open("/audit?q=nobody")).text


@pytest.mark.parametrize("groups", [["instructors", "radiology:instructors"], ["administrators"]])
async def test_an_instructor_neither_moves_nor_takes_out_the_place_of_other_staff(
    browser: Callable[..., Any],
    class_: Any,
    services: Services,
    the_hub: Any,
    groups: list[str],
) -> None:
    class_.wait("tea")
    place = class_.wait("uma")
    the_hub.groups["uma"] = ["radiology", *groups]
    ines = browser("ines")
    page = (await ines.open("/queue")).text
    assert "<strong>uma</strong>" in page and place.id not in page
    answers = [
        await ines.call("POST", f"/api/queue/{place.id}/move-up", json={"reason": WHY}),
        await ines.call("DELETE", f"/api/queue/{place.id}", params={"reason": WHY}),
        await ines.send(f"/queue/{place.id}/move-up", reason=WHY),
        await ines.send(f"/queue/{place.id}/leave", reason=WHY),
        await ines.open(f"/queue/{place.id}/leave"),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert answers[0].json()["error"]["code"] == "not_your_server"
    assert [each.username for each in services.queue.open()] == ["tea", "uma"]
    assert services.audit.recent() == []
    ana = browser("ana")
    assert "uma has moved up" in (await ana.send(f"/queue/{place.id}/move-up", reason=WHY)).text
    assert "out of the queue" in (await browser("uma").send(f"/queue/{place.id}/leave")).text


async def test_a_student_leaves_their_own_place_and_no_other(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    own, other = class_.wait("tea"), class_.wait("uma")
    tea = browser("tea")
    assert (await tea.send(f"/queue/{other.id}/leave", reason="x")).status_code == 403
    left = await tea.send(f"/queue/{own.id}/leave")
    assert "tea is out of the queue." in left.text
    assert [place.username for place in services.queue.open()] == ["uma"]
    assert services.audit.recent() == []


def end_in(services: Services, lease: Lease, minutes: int) -> None:
    """Let that session end so soon, as if its minutes had gone by."""
    with writing(services.ledger.engine) as session:
        row = session.get(LeaseTable, lease.id)
        assert row is not None
        row.ends_at = clock.now() + timedelta(minutes=minutes)
