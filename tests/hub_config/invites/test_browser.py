"""The pages at the door in Chromium: the code in a link's fragment, both languages, any width."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from hub_config import clock
from hub_config.invites import codes

pytestmark = pytest.mark.chromium
PASSWORD = "correct horse battery"
PICTURES = Path(__file__).parents[3] / "test-output" / "screenshots"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed; `./radlab test` installs it where it can")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, hub: Any) -> Iterator[Open]:
    """`open_page("/hub/login", locale="zh-CN", width=375)`; no page may complain on the console."""
    complaints: list[str] = []
    contexts = []

    def open_(path: str, locale: str = "en-GB", width: int = 1280) -> Page:
        context = chromium.new_context(locale=locale, viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(hub.url + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not [c for c in complaints if "status of 4" not in c]  # refused forms answer 4xx


def fill_in(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.fill(f"#{name}", value)


def test_a_link_fills_in_the_form_and_leaves_the_address_bar(open_page: Open, hub: Any) -> None:
    code = hub.code(user="ana")
    page = open_page(codes.link("", "invite", code, "ana"))
    assert page.input_value("#code") == codes.grouped(code)
    assert page.input_value("#username") == "ana"
    assert page.url == f"{hub.url}/hub/signup"
    page.reload()
    assert page.input_value("#code") == ""


def test_choosing_the_language_keeps_what_was_typed(open_page: Open, hub: Any) -> None:
    code = hub.code()
    page = open_page(codes.link("", "invite", code))
    fill_in(page, username="li2", password=PASSWORD)
    page.click("[data-radlab-language=zh_CN]")
    page.wait_for_selector("text=创建您的账户")
    assert page.input_value("#code") == codes.grouped(code)
    assert page.input_value("#username") == "li2"
    assert page.input_value("#password") == ""
    assert page.evaluate("sessionStorage.length") == 0


def test_a_student_signs_up_by_link(open_page: Open, hub: Any) -> None:
    page = open_page(codes.link("", "invite", hub.code()))
    fill_in(page, username="mei", password="Password2024", password_again="Password2024")
    page.check("#notice")
    page.click("text=Create account")
    assert "first that are guessed" in page.inner_text("#form-error")
    assert page.evaluate("document.activeElement.id") == "password"
    assert page.is_checked("#notice")
    page.screenshot(path=picture("signup-refused"), full_page=True)
    fill_in(page, password=PASSWORD, password_again=PASSWORD)
    page.click("text=Show >> nth=0")
    assert page.get_attribute("#password", "type") == "text"
    with page.expect_response("**/hub/spawn") as launch:
        page.click("text=Create account")
    assert launch.value.ok
    assert hub.groups_of("mei") == {"ct"}


def test_a_forgotten_password_is_chosen_anew_by_link(open_page: Open, hub: Any) -> None:
    hub.browser().sign_up(hub.code(), "fay")
    ends = clock.now() + timedelta(days=1)
    made = hub.store.create_reset(user="fay", by="ada", expires_at=ends)
    page = open_page(codes.link("", "reset", made.code, "fay"))
    assert page.input_value("#code") == codes.grouped(made.code)
    assert "#" not in page.url
    fill_in(page, password="vier rote Schuhe", password_again="vier rote Schuhe")
    with page.expect_response("**/hub/spawn") as launch:
        page.click("text=Save the password")
    assert launch.value.ok


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("name", ["login", "signup", "reset"])
def test_the_pages_fit_the_screen(open_page: Open, name: str, locale: str, width: int) -> None:
    page = open_page(f"/hub/{name}", locale=locale, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").count() == 1
    assert page.get_attribute("html", "lang") == {"en-GB": "en", "zh-CN": "zh-CN"}[locale]
    unnamed = "inputs => inputs.filter(i => i.type !== 'hidden' && !i.labels.length).length"
    assert page.eval_on_selector_all("input", unnamed) == 0
    page.screenshot(path=picture(f"{name}-{locale[:2]}-{width}"), full_page=True)


def picture(name: str) -> Path:
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES / f"invites-{name}.png"
