"""The pages of queue, quotas, usage and lending: what each person sees, and what a form does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hub_config import clock
from hub_config.gpus.model import Ended
from hub_config.portal.pages import audit
from hub_config.portal.services import Services
from hub_config.usage.model import HomeUse, Kind, Limits, Sample


@pytest.fixture
def class_(school: Any, the_hub: Any) -> Any:
    for name in ("tea", "uma"):
        the_hub.groups[name] = ["radiology"]
    return school


async def test_a_student_sees_their_own_place_and_how_many_there_are(
    browser: Callable[..., Any], class_: Any
) -> None:
    class_.start("ines")
    class_.wait("tea")
    class_.wait("uma")
    tea = browser("tea")
    page = (await tea.open("/queue")).text
    assert "2 running, 2 in line." in page
    assert "All 2 GPUs of group radiology are in use" in page
    assert re.search(r'free at about <time datetime="[^"]+Z" data-radlab-time', page)
    assert "Leave the queue" in page
    for text in (page, (await tea.call("GET", "/api/queue")).text):
        assert not re.search(r"\b(sam|uma|ines)\b", text)
    for words in ("Move up", "Start for a student", "Take out"):
        assert words not in page


async def test_staff_see_who_waits_and_why_in_order(
    browser: Callable[..., Any], class_: Any
) -> None:
    class_.start("ines")
    class_.wait("tea")
    class_.wait("uma")
    page = (await browser("ines").open("/queue")).text
    order = [page.index(f"<strong>{name}</strong>") for name in ("sam", "ines", "tea", "uma")]
    assert order == sorted(order)
    assert page.count("all GPUs that would serve are in use") == 2
    assert re.search(r"starts in about <span[^>]*>\s*\d", page)
    assert "&lt;span" not in page
    assert page.count(">Move up<") == 1  # who is first cannot
    assert "Running" in page and "Queueing" in page


async def test_an_empty_queue_explains_itself(
    browser: Callable[..., Any], services: Services
) -> None:
    assert "Nobody runs or waits here" in (await browser("ana").open("/queue")).text
    assert "You neither run nor wait" in (await browser("sam").open("/queue")).text
    assert "Nobody is running a server" in (await browser("ana").open("/servers")).text
    assert "There is no group yet" in (await browser("ana").open("/quotas")).text
    assert "No session in this span" in (await browser("ana").open("/usage")).text
    assert "No session yet" in (await browser("sam").open("/usage")).text
    assert "Nothing was done for anybody yet" in (await browser("ana").open("/audit")).text


async def test_servers_are_cards_with_their_load(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    killed = Sample(
        lease_id=class_.sam.id,
        cpu=1.5,
        memory_mb=4096,
        gpu=0.5,
        gpu_memory_mb=12288,
        oom_kills=1,
        oom_process="python3",
    )
    services.usage.sample([killed], clock.now())
    services.ledger.stop_early(class_.sam.id, clock.now() + timedelta(minutes=8), Ended.RECALLED)
    for page in (
        (await browser("ines").open("/servers")).text,
        (await browser("sam").open("/")).text,
    ):
        assert "1.5 of 2 cores" in page
        assert "4.0 of 8 GB" in page
        assert "12.0 of 24 GB" in page
        assert "50 %" in page
        assert "Killed for memory: 1 (the last: python3" in page
        assert "Ends early: the GPU&#39;s own group needed it" in page
        assert re.search(r"[78] min", page)
    (server,) = (await browser("sam").call("GET", "/api/servers")).json()["servers"]
    assert (server["ends_early"], server["load"]["oom_process"]) == ("recalled", "python3")
    assert (server["load"]["cpu"], server["load"]["gpu"]) == (1.5, 0.5)


async def test_a_quota_is_set_shown_with_what_is_in_use_and_lifted(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    ana = browser("ana")
    fields = {"kind": "group", "name": "radiology", "gpus": "4", "memory_mb": "1,5"}
    answer = await ana.send("/quotas", **fields, reason="winter term")
    assert "The quota of radiology binds now. In use already" in answer.text
    assert "8192 &gt; 1536" in answer.text
    assert services.quotas.get(Kind.GROUP, "radiology").limits == Limits(gpus=4, memory_mb=1536)
    page = (await ana.open("/quotas?kind=group&name=radiology")).text
    assert "1 / <strong>4</strong>" in page
    assert 'name="memory_mb" inputmode="decimal" value="1.5"' in page
    shown = (await browser("ines").open("/quotas")).text
    assert "1 / <strong>4</strong>" in shown
    assert "Set a quota" not in shown
    lifted = await ana.send("/quotas/group/radiology/remove")
    assert "Nothing binds radiology any more." in lifted.text
    assert services.quotas.all() == []
    assert [entry.reason for entry in services.audit.recent()] == ["", "winter term"]


async def test_the_api_shows_an_instructor_the_quotas_that_the_page_shows(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    for kind, name in ((Kind.GROUP, "radiology"), (Kind.PERSON, "sam"), (Kind.PERSON, "oda")):
        services.quotas.set(kind, name, Limits(gpus=1, minutes=60), "ana")
    ines = browser("ines")
    page = (await ines.open("/quotas")).text
    quotas = (await ines.call("GET", "/api/quotas")).json()
    assert [quota["name"] for quota in quotas] == ["radiology", "sam"]
    assert "<strong>sam</strong>" in page and "<strong>oda</strong>" not in page
    seen_by_uma = (await browser("uma").call("GET", "/api/quotas")).json()
    assert [quota["name"] for quota in seen_by_uma] == ["radiology"]


async def test_a_whole_class_over_a_limit_is_told_in_a_message_that_a_cookie_holds(
    browser: Callable[..., Any], class_: Any
) -> None:
    for number in range(80):
        class_.start(f"student-{number:02d}", gpus=0)
    fields = {"kind": "group", "name": "radiology", "minutes": "60"}
    ana = browser("ana")
    answer = await ana.call("POST", "/quotas", data=fields)
    (cookie,) = [c for c in answer.headers.get_list("set-cookie") if "portal-message" in c]
    assert len(cookie) < 4096
    shown = (await ana.open("/quotas")).text
    assert "In use already, and not ended by it" in shown
    assert "71 more" in shown  # Sam is over it as well


async def test_a_search_of_the_audit_looks_further_back_than_the_page_shows(
    browser: Callable[..., Any], class_: Any, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MOST_ROWS", 2)
    services.audit.note("ana", "stop", "a fire alarm", username="sam")
    for _ in range(3):
        services.audit.note("ana", "stop", "an exam", username="tea")
    ana = browser("ana")
    assert "a fire alarm" not in (await ana.open("/audit")).text
    assert "a fire alarm" in (await ana.open("/audit?q=fire")).text


async def test_instructors_read_their_part_of_the_audit(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    place = class_.wait("tea")
    services.audit.note("ana", "move_up", "a place of theirs", username="tea", place_id=place.id)
    services.audit.note("ana", "stop", "a server of theirs", username="sam", lease_id=class_.sam.id)
    services.audit.note("ana", "stop", "of another group", username="oda")
    services.audit.note("ines", "start", "what they did", username="uma")
    ines = browser("ines")
    page = (await ines.open("/audit")).text
    for reason in ("a place of theirs", "a server of theirs", "what they did"):
        assert reason in page
    assert "of another group" not in page
    assert "Nothing matches" in (await ines.open("/audit?q=another")).text
    assert 'href="/services/radlab/audit"' in (await ines.open("/")).text
    assert 'href="/services/radlab/audit"' not in (await browser("sam").open("/")).text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"gpus": "-1"}, "-1"),
        ({"gpus": "1e9"}, "may be"),
        ({"gpus": "1.5"}, "1.5"),
        ({"gpus": "nan"}, "nan"),
        ({"gpus": "inf"}, "inf"),
        ({"memory_mb": "1e400"}, "inf"),
        ({"gpu_hours_week": "a lot"}, "is no number"),
        ({"gpu_hours_week": "1,024"}, "can be read in two ways"),
        ({"memory_mb": "1,048,576"}, "can be read in two ways"),
        ({"reason": "x" * 501}, "at most 500 are kept"),
        ({"kind": "king"}, "not for &#39;king&#39;"),
        ({"name": "radiolgy"}, "Did you mean &#39;radiology&#39;?"),
        ({"name": ""}, "A quota cannot be for"),
    ],
)
async def test_a_limit_that_cannot_be_is_refused_and_what_was_typed_stays(
    browser: Callable[..., Any],
    class_: Any,
    services: Services,
    fields: dict[str, str],
    says: str,
) -> None:
    given = {"kind": "group", "name": "radiology", "gpus": "2", "cpus": "7.5", **fields}
    answer = await browser("ana").send("/quotas", **given)
    assert 400 <= answer.status_code < 500
    assert says in answer.text
    assert 'value="7.5"' in answer.text
    assert services.quotas.all() == []


async def test_my_usage_says_hours_home_and_what_binds(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    services.quotas.set(Kind.PERSON, "sam", Limits(gpu_hours_week=8, disk_mb=10240), "ana")
    measured = HomeUse(username="sam", used_mb=9216, measured_at=clock.now())
    services.usage.homes([measured])
    page = (await browser("sam").open("/usage")).text
    for words in ("GPU hours of 8", "9.0", "More than four fifths", "90 %", "SIM-radlab-0"):
        assert words in page
    other = (await browser("oda").open("/usage/mine")).text
    assert "No quota binds you" in other
    assert not re.search(r"\bsam\b", other)


async def test_staff_see_the_records_of_their_groups_and_get_them_as_a_file(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    services.devices.assign("SIM-radlab-2", "oncology", "ana")
    class_.start("oda", group="oncology")
    services.ledger.release(class_.sam.id, Ended.STOPPED, clock.now())
    page = (await browser("ines").open("/usage")).text
    assert "<strong>sam</strong>" in page
    assert "stopped by its owner" in page
    assert "oda" not in page
    ana = browser("ana")
    assert "<strong>oda</strong>" in (await ana.open("/usage?group=oncology")).text
    filtered = (await ana.open("/usage?group=oncology&user=sam&since=week")).text
    assert "No session in this span" in filtered
    address = re.search(r'href="/services/radlab(/api/usage\.csv\?[^"]+)"', filtered)
    assert address
    sheet = await ana.open(address[1].replace("&amp;", "&"))
    assert sheet.headers["content-type"].startswith("text/csv")
    assert len(sheet.text.splitlines()) == 1
    assert (await ana.open("/usage?since=yesteryear")).text.count("form-error") == 1


async def test_a_gpu_goes_to_the_pool_and_is_drained(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    ana = browser("ana")
    pooled = await ana.send("/gpus/SIM-radlab-0/group", group=":pool")
    assert "Everybody may use GPU 0 now; the session of sam on it runs on." in pooled.text
    row = next(row for row in services.devices.all() if row.uuid == "SIM-radlab-0")
    assert (row.pool, row.group) == (True, None)
    drained = await ana.send("/gpus/SIM-radlab-0/draining", on="1")
    assert "Nothing new starts on GPU 0" in drained.text
    assert "draining" in drained.text
    again = await ana.send("/gpus/SIM-radlab-0/draining", on="")
    assert "GPU 0 is granted again." in again.text
    assert (await ana.send("/gpus/SIM-none/draining", on="1")).status_code == 404


async def test_a_loan_says_who_lends(
    browser: Callable[..., Any], class_: Any, services: Services
) -> None:
    ana = browser("ana")
    assert (
        "radiology lends its idle" in (await ana.send("/groups/radiology/lending", lends="1")).text
    )
    assert "oncology borrows idle" in (await ana.send("/groups/oncology/lending", borrows="1")).text
    class_.start("oda", group="oncology")
    assert "on loan: radiology lends it to oncology" in (await ana.open("/gpus")).text
    assert "GPU lent by radiology" in (await ana.open("/servers")).text
    neither = await ana.send("/groups/radiology/lending")
    assert "radiology neither lends nor borrows now." in neither.text
