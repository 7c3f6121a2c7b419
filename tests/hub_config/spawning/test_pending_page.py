"""The page of one's place in line, in Chromium: live, by keyboard, on a phone, through a restart.

Pictures of it land in `test-output/screenshots`. The tests are steps of one story, in this order.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_keeper import FakeKeeper
from real_hub import RealHub, xsrf
from spawning_support import MODULE

from hub_config import clock
from hub_config.db import open_database
from hub_config.gpus.inventory import find_devices
from hub_config.gpus.store import DeviceStore
from hub_config.groups.store import GroupStore

pytestmark = pytest.mark.chromium
ON_GPU = f"module/{MODULE['id']}/gpu"
PICTURES = Path(__file__).parents[3] / "test-output" / "screenshots"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SHANGHAI = "Asia/Shanghai"
SLOW = 60_000


class Line:
    """A Hub whose one GPU mei holds, and pages of those who wait for it."""

    def __init__(self, hub: RealHub, keeper: FakeKeeper, chromium: Any) -> None:
        self.hub, self.keeper, self._chromium = hub, keeper, chromium
        self._open: list[Any] = []

    def press(self, name: str) -> Any:
        """Take a place, without a browser's page; whose cookies those are."""
        student = self.hub.sign_up(name)
        form = {"start": ON_GPU, "language": "en", "_xsrf": xsrf(student.get("/hub/spawn"))}
        student.post("/hub/spawn", data=form)
        return student.cookies

    def page(self, name: str, cookies: Any, width: int = 1280, locale: str = "en") -> Any:
        """The page of that place."""
        context = self._chromium.new_context(
            locale=locale, timezone_id=SHANGHAI, viewport={"width": width, "height": 860}
        )
        context.add_cookies(
            [
                {"name": each.name, "value": each.value, "url": f"{self.hub.address}{each.path}"}
                for each in cookies.jar
            ]
        )
        self._open.append(context)
        page = context.new_page()
        page.goto(f"{self.hub.address}/hub/spawn-pending/{name}")
        return page

    def close(self) -> None:
        for context in self._open:
            context.close()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    playwright_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed; `./radlab test` installs it where it can")
    hub = RealHub(tmp_path_factory.mktemp("pending") / "s", "127.33.0", simulate_gpus="1x24")
    database = open_database(hub.settings.radlab_database_url)
    GroupStore(database).create("radiology", by="test")
    devices = DeviceStore(database)
    devices.record(find_devices(hub.settings), clock.now())
    devices.assign(devices.all()[0].uuid, "radiology", by="test")
    keeper = FakeKeeper(hub.settings)
    keeper.up()
    hub.start()
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        made = Line(hub, keeper, chromium)
        yield made
        made.close()
        chromium.close()
    hub.stop()
    keeper.close()


@pytest.fixture(scope="module")
def expect() -> Any:
    return pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(scope="module")
def bo(line: Line) -> Any:
    """The page of the first who waits."""
    line.press("mei")
    return line.page("bo", line.press("bo"))


@pytest.fixture(scope="module")
def cy(line: Line, bo: Any) -> Any:
    """The page of the second, on a phone, in Chinese."""
    return line.page("cy", line.press("cy"), width=375, locale="zh-CN")


def shoot(page: Any, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def test_the_page_says_place_minutes_and_reason_on_the_readers_own_clock(line, bo, expect):
    expect(bo.locator("#place-position")).to_have_text("1", timeout=SLOW)
    expect(bo.locator("#start-title")).to_have_text("You are in line")
    expect(bo.locator("#place-title")).to_contain_text("Classification: chest film · 1 GPU")
    assert "min" in bo.locator("#place-minutes").text_content()
    assert "GPU of group radiology is in use" in bo.locator("#place-reason").text_content()
    moment = bo.locator("#place-reason time")
    (mei,) = line.keeper.ledger.active()
    assert moment.get_attribute("datetime") == clock.to_iso(mei.until)
    there = bo.evaluate(
        "moment => new Date(moment).toLocaleTimeString('en-GB', {timeZone: 'Asia/Shanghai',"
        " hour: '2-digit', minute: '2-digit'})",
        clock.to_iso(mei.until),
    )
    assert there in moment.text_content()
    assert "your place is kept" in bo.locator("#start").text_content()
    shoot(bo, "pending-en")


def test_on_a_phone_and_in_chinese_nothing_is_cut_off(cy, expect):
    expect(cy.locator("#place-position")).to_have_text("2", timeout=SLOW)
    expect(cy.locator("#start-title")).to_have_text("您正在排队")
    assert "radiology" in cy.locator("#place-reason").text_content()
    assert "不用 GPU" in cy.locator("#place-alternatives button").first.text_content()
    assert cy.evaluate("document.documentElement.scrollWidth") <= 375
    shoot(cy, "pending-zh-375")


def test_what_changes_is_read_aloud_and_all_can_be_reached_by_keyboard(bo):
    assert bo.locator("#place-reason").get_attribute("aria-live") == "polite"
    assert bo.locator("#progress-message").get_attribute("role") == "status"
    bo.locator("#place-alternatives button").first.focus()
    bo.keyboard.press("Tab")
    assert bo.evaluate("document.activeElement.id") == "leave-place"


def test_a_page_that_is_open_while_the_hub_is_killed_finds_its_place_again(line, bo, expect):
    before = line.keeper.queue.of("bo", "")
    line.hub.kill()
    expect(bo.locator("#progress-message")).to_contain_text("tries again by itself", timeout=SLOW)
    line.hub.start()
    for name in ("bo", "cy"):
        place = line.keeper.queue.of(name, "")
        line.hub.post_again(name, place.options)  # as the portal's reviver does
    expect(bo.locator("#progress-message")).to_contain_text("Waiting for your turn", timeout=SLOW)
    expect(bo.locator("#place-position")).to_have_text("1")
    assert line.keeper.queue.of("bo", "") == before


def test_leaving_by_keyboard_leads_to_the_launch_page(line, bo, cy, expect):
    bo.locator("#leave-place").focus()
    bo.keyboard.press("Enter")
    expect(bo.locator("#spawn_form")).to_be_visible(timeout=SLOW)
    assert line.keeper.queue.of("bo", "") is None
    expect(cy.locator("#place-position")).to_have_text("1", timeout=SLOW)


def test_one_click_takes_what_could_start_now(line, cy, expect):
    cy.locator("#place-alternatives button").first.click()
    cy.wait_for_url(lambda url: "spawn-pending" not in url, timeout=SLOW)
    lease = next(each for each in line.keeper.ledger.active() if each.username == "cy")
    assert lease.gpu_count == 0


def test_no_script_of_the_page_failed(line, expect):
    page = line.page("dee", line.press("dee"))
    failed: list[str] = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda said: failed.append(said.text) if said.type == "error" else None)
    page.reload()
    expect(page.locator("#place-position")).to_have_text("1", timeout=SLOW)
    assert failed == []
