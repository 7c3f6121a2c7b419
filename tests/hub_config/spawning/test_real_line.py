"""The line as students meet it: a real Hub, a keeper without an engine, one GPU, and restarts.

The tests are steps of one story and run in this order: mei has the GPU, bo and cy wait for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fake_keeper import FakeKeeper
from real_hub import RealHub, xsrf
from spawning_support import MODULE

from hub_config import clock
from hub_config.containers.refusals import ImageMissing
from hub_config.db import open_database
from hub_config.gpus.inventory import find_devices
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore
from hub_config.queueing.model import State

ON_GPU = f"module/{MODULE['id']}/gpu"
CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}


class Lesson:
    """The Hub, its keeper, and the browsers of its students."""

    def __init__(self, hub: RealHub, keeper: FakeKeeper) -> None:
        self.hub, self.keeper = hub, keeper
        self._browsers: dict[str, httpx.Client] = {}

    def browser(self, name: str) -> httpx.Client:
        if name not in self._browsers:
            self._browsers[name] = self.hub.sign_up(name)
        return self._browsers[name]

    def press(self, name: str, start: str) -> httpx.Response:
        """The page after a press of that button of the launch page."""
        browser = self.browser(name)
        form = {"start": start, "language": "en", "_xsrf": xsrf(browser.get("/hub/spawn"))}
        return browser.post("/hub/spawn", data=form)

    def place(self, name: str, **headers: str) -> dict[str, Any]:
        answer = self.browser(name).get("/hub/radlab/place", headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def post(self, name: str, verb: str, body: Any = None) -> httpx.Response:
        token = xsrf(self.pending_page(name))
        return self.browser(name).post(
            f"/hub/radlab/place/{verb}", json=body or {}, headers={"X-XSRFToken": token}
        )

    def pending_page(self, name: str, **headers: str) -> httpx.Response:
        return self.browser(name).get(f"/hub/spawn-pending/{name}", headers=headers)

    def ready(self, name: str) -> bool:
        facts = self.browser(name).get("/hub/api/user", headers=self.api).json()
        return bool(facts["servers"].get("", {}).get("ready"))

    @property
    def api(self) -> dict[str, str]:
        return {"Referer": f"{self.hub.address}/hub/"}

    def waiting(self) -> list[str]:
        found = self.keeper.queue.open()
        return [place.username for place in found if place.state is State.WAITING]


def until(what: Callable[[], Any]) -> Any:
    """What `what` gives, as soon as that is something."""
    for _ in range(300):
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come to that")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lesson]:
    folder = tmp_path_factory.mktemp("line") / "s"
    hub = RealHub(folder, "127.31.0", simulate_gpus="1x24")
    database = open_database(hub.settings.radlab_database_url)
    GroupStore(database).create("radiology", by="test")
    devices = DeviceStore(database)
    devices.record(find_devices(hub.settings), clock.now())
    devices.assign(devices.all()[0].uuid, "radiology", by="test")
    keeper = FakeKeeper(hub.settings)
    keeper.up()
    hub.start()
    yield Lesson(hub, keeper)
    hub.stop()
    keeper.close()


def test_the_first_gets_the_gpu_at_once(lab):
    lab.press("mei", ON_GPU)
    until(lambda: lab.ready("mei"))
    assert lab.place("mei")["state"] == "running"


def test_the_second_comes_to_the_page_of_their_place(lab):
    page = lab.press("bo", ON_GPU)
    assert page.url.path == "/hub/spawn-pending/bo"
    for words in ("Your place in line", 'id="leave-place"', "your place is kept"):
        assert words in page.text


def test_who_waits_is_told_place_time_reason_and_what_could_start_now(lab):
    lab.press("cy", ON_GPU)
    until(lambda: lab.place("cy").get("position") == 2)
    told = lab.place("cy")
    assert (told["state"], told["waiting"], told["pending"]) == ("waiting", 2, True)
    (mei,) = lab.keeper.ledger.active()
    assert {"time": clock.to_iso(mei.until)} in told["reason"]["parts"]
    assert told["expected_at"] > told["now"]
    assert [each["options"]["gpu"] for each in told["alternatives"]] == [False]
    assert "radiology" in told["reason"]["text"]
    assert "mei" not in json.dumps(told)


def test_the_same_is_told_in_chinese(lab):
    told = lab.place("bo", **CHINESE)
    assert "分类：胸片 · 不用 GPU" in told["alternatives"][0]["title"]
    assert "您的排队位置" in lab.pending_page("bo", **CHINESE).text


def test_the_launch_page_leads_one_who_waits_to_their_place(lab):
    assert lab.browser("bo").get("/hub/spawn").url.path == "/hub/spawn-pending/bo"


def test_the_start_tells_its_place_as_it_goes(lab):
    events = "/hub/api/users/bo/server/progress"
    token = xsrf(lab.pending_page("bo"))
    with lab.browser("bo").stream("GET", events, params={"_xsrf": token}) as stream:
        told = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data:"))
        event = next(event for event in told if "place" in event)
    assert event["step"] == "waiting"
    assert event["place"]["en"]["position"] == 1
    assert event["place"]["zh_CN"]["position"] == 1


def test_nobody_who_is_not_signed_in_is_told_anything(lab):
    with httpx.Client(base_url=lab.hub.address) as nobody:
        assert nobody.get("/hub/radlab/place").status_code == 403
        assert nobody.post("/hub/radlab/place/leave").status_code == 403
        assert nobody.post("/hub/radlab/place/take").status_code == 403


@pytest.mark.parametrize("verb", ["leave", "take"])
def test_another_sites_page_cannot_change_a_place(lab, verb):
    options = {"options": {"module": MODULE["id"], "gpu": False}}
    answer = lab.browser("bo").post(f"/hub/radlab/place/{verb}", json=options)
    assert answer.status_code == 403
    assert lab.waiting() == ["bo", "cy"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"options": {"image": "tny"}}, 404, "unknown_image"),
        ({"options": {"image": "tiny", "mounts": ["/"]}}, 422, "unknown_option"),
        ({"options": "all"}, 422, "bad_input"),
        ([1], 422, "bad_input"),
    ],
)
def test_what_is_not_on_offer_cannot_be_taken_and_the_place_stays(lab, body, status, code):
    answer = lab.post("bo", "take", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert lab.place("bo")["options"]["gpu"] is True


def test_one_who_is_not_in_line_has_nothing_to_change(lab):
    browser = lab.browser("dee")
    token = xsrf(browser.get("/hub/spawn"))
    answer = browser.post(
        "/hub/radlab/place/take",
        json={"options": {"image": "tiny"}},
        headers={"X-XSRFToken": token} | CHINESE,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_in_line")
    assert answer.json()["error"]["message"].startswith("您不在队列中")
    assert lab.place("dee")["state"] == "none"


def test_a_hub_that_was_killed_finds_what_runs_and_leads_who_waits_to_their_place(lab):
    before = lab.keeper.queue.open()
    lab.hub.kill()
    lab.hub.start()
    assert lab.ready("mei")
    assert lab.place("bo")["state"] == "waiting"
    for name in ("bo", "cy"):  # the portal would post their starts again; here they come back
        page = lab.browser(name).get("/hub/spawn")
        assert page.url.path == f"/hub/spawn-pending/{name}"
        assert lab.place(name)["pending"] is True
    assert lab.keeper.queue.open() == before
    assert len(lab.keeper.orders) == 1  # mei's server was started once


def test_leaving_gives_the_place_up_and_leads_back_to_the_launch_page(lab):
    answer = lab.post("bo", "leave")
    assert answer.json()["state"] == "none"
    assert lab.waiting() == ["cy"]
    page = lab.browser("bo").get("/hub/spawn")
    assert 'id="spawn_form"' in page.text
    assert until(lambda: lab.place("cy").get("position") == 1)


def test_what_is_taken_instead_starts_at_once(lab):
    (instead,) = until(lambda: lab.place("cy").get("alternatives"))
    answer = lab.post("cy", "take", {"options": instead["options"]})
    assert answer.status_code == 200, answer.text
    until(lambda: lab.ready("cy"))
    lease = next(each for each in lab.keeper.ledger.active() if each.username == "cy")
    assert lease.gpu_count == 0


def test_who_waits_starts_by_themselves_when_the_gpu_is_given_back(lab):
    lab.press("bo", ON_GPU)
    until(lambda: lab.waiting() == ["bo"])
    token = xsrf(lab.browser("mei").get("/hub/home"))
    answer = lab.browser("mei").delete(
        "/hub/api/users/mei/server", headers={"X-XSRFToken": token} | lab.api
    )
    assert answer.status_code in (202, 204)
    until(lambda: lab.ready("bo"))


def test_a_start_that_is_stopped_at_the_hub_does_not_come_back(lab):
    lab.press("mei", ON_GPU)
    until(lambda: lab.waiting() == ["mei"])
    token = xsrf(lab.browser("mei").get("/hub/home"))
    lab.browser("mei").delete("/hub/api/users/mei/server", headers={"X-XSRFToken": token} | lab.api)
    until(lambda: lab.keeper.queue.open() == [])


def test_a_start_that_fails_says_why_on_its_page_and_is_not_started_again(lab):
    missing = ImageMissing("The image {image} is not on this server.", image="tiny:1")
    lab.keeper.refusal = lambda: missing
    lab.press("dee", "image/tiny/0")
    until(lambda: 'id="spawn-error"' in lab.pending_page("dee").text)
    assert "The image tiny:1 is not on this server." in lab.pending_page("dee").text
    assert lab.keeper.queue.of("dee", "") is None
    assert 'id="spawn_form"' in lab.browser("dee").get("/hub/spawn").text
    lab.keeper.refusal = lambda: None


def test_a_class_that_comes_at_once_is_never_answered_429(lab):
    lab.keeper.go.clear()
    names = [f"student{number}" for number in range(12)]
    for name in names:
        page = lab.press(name, "image/tiny/0")
        assert page.status_code == 200 and page.url.path == f"/hub/spawn-pending/{name}"
        assert lab.place(name)["state"] in ("waiting", "starting")
    lab.keeper.go.set()
    until(lambda: all(lab.ready(name) for name in names))
