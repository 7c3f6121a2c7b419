"""Stories: an administrator's Monday, an instructor's limits, a student who sees only their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from hub_config import clock
from hub_config.gpus.model import Device, Ended
from hub_config.portal.services import Services


def shown_code(page: str) -> str:
    found = re.search(r'<code id="code">([^<]+)</code>', page)
    assert found, page
    return found[1]


async def test_an_administrators_monday(
    browser: Callable[..., Any], services: Services, the_hub: Any
) -> None:
    services.devices.record(
        [Device("SIM-radlab-0", 0, "Simulated GPU", 24576, simulated=True)], clock.now()
    )
    ana = browser("ana")
    first = (await ana.open("/")).text
    assert "Three steps until the first student can start" in first
    assert "Nobody is running a server" in first

    made = await ana.send("/groups", name="radiology", title="Radiology 2026")
    assert made.status_code == 200  # the redirect was followed
    assert "The group radiology is there." in made.text
    assert "The group radiology is there." not in (await ana.open("/groups")).text

    assigned = await ana.send("/gpus/SIM-radlab-0/group", group="radiology")
    assert "GPU 0 belongs to radiology now." in assigned.text
    assert 'class="rl-badge rl-badge--simulated"' in assigned.text

    issued = await ana.send("/invites", role="student", group="radiology", uses="30", expires="14d")
    assert issued.status_code == 201
    assert issued.headers["cache-control"] == "no-store"
    code = shown_code(issued.text)
    assert f"http://radlab.test/hub/signup#code={code}" in issued.text
    listed = (await ana.open("/invites")).text
    assert code not in listed
    assert f"{services.invites.all()[0].prefix}…" in listed
    assert "0 of 30" in listed
    assert "Three steps" not in (await ana.open("/")).text

    # A student comes in by the code (the Hub's page does this) and starts.
    services.invites.redeem(code.replace("-", ""), "sam", "hash")
    lease = await _start(services, the_hub, "sam")
    overview = (await ana.open("/")).text
    assert "<strong>sam</strong>" in overview
    assert lease.ends_at.strftime("%Y-%m-%d %H:%M UTC") in overview

    question = await ana.open("/servers/sam/stop")
    assert "Stop the server of sam?" in question.text
    assert the_hub.stopped == []
    refused = await ana.send("/servers/sam/stop", reason="  ")
    assert refused.status_code == 422
    assert "with a reason, and none was given" in refused.text
    assert the_hub.stopped == []
    stopped = await ana.send("/servers/sam/stop", reason="left over from the exam")
    assert "The server of sam is stopped; its files are kept." in stopped.text
    assert the_hub.stopped == ["sam"]
    ended = services.ledger.release(lease.id, Ended.STOPPED, clock.now())
    assert ended.why_ended is Ended.ADMINISTRATOR
    assert "Nobody is running a server" in (await ana.open("/")).text

    # Sam forgot the password.
    assert "Make a reset link" in (await ana.open("/people")).text
    link = await ana.send("/people/sam/reset")
    assert "/hub/reset#code=" in link.text
    assert "A link is open until" in (await ana.open("/people?q=SAM")).text


async def _start(services: Services, hub: Any, name: str) -> Any:
    from hub_config.gpus.model import LeaseRequest

    request = LeaseRequest(
        username=name,
        groups=("radiology",),
        gpu_count=1,
        cpus=2,
        memory_mb=8192,
        minutes=90,
        image="imaging",
    )
    lease = services.ledger.grant(request, clock.now())
    hub.start(name)
    return services.ledger.started(lease.id, "container", clock.now())


async def test_a_revoked_code_lets_nobody_else_in(
    browser: Callable[..., Any], school: Any, services: Services
) -> None:
    ana = browser("ana")
    assert "Revoke the code" in (await ana.open("/invites/1/revoke")).text
    answer = await ana.send("/invites/1/revoke")
    assert "is revoked." in answer.text
    assert services.invites.get(1).state(clock.now()) == "revoked"


async def test_a_code_for_one_name_has_one_use_and_names_it(
    browser: Callable[..., Any], school: Any, services: Services
) -> None:
    answer = await browser("ana").send(
        "/invites", role="student", group="radiology", uses="30", expires="7d", user="maria"
    )
    assert answer.status_code == 201
    assert "&amp;user=maria" in answer.text
    assert services.invites.all()[0].uses == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"uses": "many"}, "is no number of uses"),
        ({"uses": "0"}, "cannot have 0 uses"),
        ({"group": "radiolgy"}, "Did you mean &#39;radiology&#39;?"),
        ({"until": "2001-01-01"}, "over already"),
        ({"role": "king"}, "There is no role"),
    ],
)
async def test_a_code_that_cannot_be_is_refused_at_the_form(
    browser: Callable[..., Any], school: Any, services: Services, fields: dict[str, str], says: str
) -> None:
    before = services.invites.all()
    given = {"role": "student", "group": "radiology", "uses": "7", "expires": "30d", **fields}
    answer = await browser("ana").send("/invites", **given)
    assert 400 <= answer.status_code < 500
    assert says in answer.text
    assert f'value="{given["uses"]}"' in answer.text
    assert '<option value="30d" selected>' in answer.text
    assert services.invites.all() == before


async def test_a_group_in_use_stays(browser: Callable[..., Any], school: Any) -> None:
    answer = await browser("ana").send("/groups/radiology/remove")
    assert answer.status_code == 409
    assert "cannot be removed" in answer.text


async def test_a_gpu_given_away_while_held_says_whose_session_runs_on(
    browser: Callable[..., Any], school: Any
) -> None:
    answer = await browser("ana").send("/gpus/SIM-radlab-0/group", group="oncology")
    assert "the session of sam on it runs on" in answer.text
    assert "held for the group radiology" in answer.text


async def test_an_instructor_sees_and_stops_only_their_own_groups(
    browser: Callable[..., Any], school: Any, services: Services, the_hub: Any
) -> None:
    services.devices.assign("SIM-radlab-2", "oncology", "ana")
    school.start("oda", group="oncology")
    ines = browser("ines")
    overview = (await ines.open("/")).text
    assert "<strong>sam</strong>" in overview
    assert "oda" not in overview
    assert "oncology" not in overview
    assert "1 of 2 GPUs free" in overview
    for tab in ("/groups", "/gpus", "/people"):
        assert f'href="/services/radlab{tab}"' not in overview
        assert (await ines.open(tab)).status_code == 403
    servers = (await ines.call("GET", "/api/servers")).json()["servers"]
    assert [server["username"] for server in servers] == ["sam"]
    refused = await ines.send("/servers/oda/stop", reason="exam")
    assert refused.status_code == 403
    unknown = await ines.send("/servers/nobody/stop", reason="exam")
    assert (unknown.status_code, unknown.text) == (refused.status_code, refused.text)
    assert the_hub.stopped == []
    await ines.send("/servers/sam/stop", reason="exam")
    assert the_hub.stopped == ["sam"]


async def test_an_instructor_makes_student_codes_for_their_groups_and_no_others(
    browser: Callable[..., Any], school: Any, services: Services
) -> None:
    services.invites.create(
        role="student", by="ana", group="oncology", expires_at=school.invite.expires_at
    )
    ines = browser("ines")
    page = (await ines.open("/invites")).text
    assert 'value="radiology"' in page
    assert "oncology" not in page
    made = await ines.send("/invites", role="student", group="radiology", uses="5", expires="7d")
    assert made.status_code == 201
    for fields in (
        {"role": "student", "group": "oncology"},
        {"role": "instructor", "group": "radiology"},
        {"role": "administrator", "group": ""},
        {"role": "student", "group": "radiology", "user": "maria"},
    ):
        refused = await ines.send("/invites", uses="1", expires="7d", **fields)
        assert refused.status_code == 403, fields
    assert (await ines.send("/invites/2/revoke")).status_code == 403


async def test_a_student_sees_what_they_hold_and_no_other_name(
    browser: Callable[..., Any], school: Any, services: Services, the_hub: Any
) -> None:
    the_hub.groups["sue"] = ["radiology"]
    school.start("sue")
    sam = browser("sam")
    page = (await sam.open("/")).text
    assert "05_classification" in page
    assert 'href="/user/sam/"' in page
    answers = [page]
    for path in ("/api/servers", "/api/leases", "/api/me", "/api/groups"):
        answers.append((await sam.call("GET", path)).text)
    answers.append((await sam.open("/servers/sue/stop")).text.replace("/sue/", ""))
    for text in answers:
        assert not re.search(r"\b(sue|ines|oda)\b", text), text
    stopped = await sam.send("/servers/sam/stop")
    # Held until its container is gone, and nothing to press any more.
    assert "stopping" in stopped.text
    assert "Open JupyterLab" not in stopped.text
    lease = next(each for each in services.ledger.active() if each.username == "sam")
    assert lease.why_ended is None  # the spawner says why: its owner stopped it


async def test_a_student_who_holds_nothing_is_sent_to_the_launch_page(
    browser: Callable[..., Any], school: Any
) -> None:
    page = (await browser("oda").open("/")).text
    assert "You hold nothing now" in page
    assert 'href="/hub/spawn"' in page


async def test_pages_speak_chinese_to_who_wants_it(
    browser: Callable[..., Any], school: Any
) -> None:
    ana = browser("ana")
    ana.client.cookies.set("radlab-language", "zh_CN", domain="radlab.test")
    for path, text in (
        ("/", "正在运行的服务器"),
        ("/groups", "新建组"),
        ("/gpus", "分配"),
        ("/invites", "创建邀请码"),
        ("/people", "人员"),
    ):
        page = (await ana.open(path)).text
        assert 'lang="zh-CN"' in page
        assert text in page


async def test_the_checklist_asks_for_no_gpu_where_there_is_none(
    browser: Callable[..., Any], services: Services
) -> None:
    page = (await browser("ana").open("/")).text
    assert "This machine has no GPU: students train on its processor." in page


async def test_assets_are_served_to_all_and_may_be_kept(browser: Callable[..., Any]) -> None:
    nobody = browser(None)
    sheet = await nobody.open("/assets/radlab.css")
    assert sheet.headers["content-type"].startswith("text/css")
    assert sheet.headers["cache-control"] == "max-age=300"
    assert (await nobody.open("/assets/../portal/app.py")).status_code != 200
    assert (await nobody.open("/assets/%2e%2e/portal/app.py")).status_code == 404
