"""The portal in a browser: sign-in, forms without JavaScript, live parts, and pictures to look at.

Pictures of every page, in both languages, wide and on a phone, land in `test-output/screenshots`.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

playwright_api = pytest.importorskip("playwright.sync_api")
sys.path.insert(0, str(Path(__file__).parent))
import portal_site  # noqa: E402

pytestmark = pytest.mark.chromium
PICTURES = Path(__file__).parents[3] / "test-output" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
PAGES = {
    "ana": (
        "",
        "groups",
        "gpus",
        "invites",
        "people",
        "servers",
        "queue",
        "quotas",
        "quotas?kind=group&name=radiology-2026",
        "usage",
        "usage?user=nobody",
        "audit",
        "audit?q=nobody",
        "servers/sam/stop",
        "servers/sam/extend",
        "people/maria/reset",
        "people/ines/groups",
        "courses",
        "courses/progress",
        "courses/progress?group=oncology",
        "courses/10_detection/audience",
    ),
    "ines": ("", "servers", "queue", "quotas", "usage", "invites", "courses", "courses/progress"),
    "sam": ("", "queue", "usage", "servers/sam/extend", "courses"),
    "yusuf": ("", "queue"),
    "priya": ("", "queue", "usage", "courses"),
}


class Running:
    """A portal in a class's lesson, on a free port."""

    def __init__(self, state: Path) -> None:
        self.app, self.services, self.hub = portal_site.site(state)
        portal_site.lesson(self.services, self.hub)
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.server = uvicorn.Server(uvicorn.Config(self.app, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})

    def __enter__(self) -> Running:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed; `./radlab test` installs it where it can")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def sign_in(chromium: Any, portal: Running, name: str, **how: Any) -> Any:
    context = chromium.new_context(**how)
    page = context.new_page()
    page.goto(f"{portal.address}/as/{name}")
    assert page.url == f"{portal.address}/services/radlab/"
    return page


@pytest.mark.parametrize("width", [1200, 375])
@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_pages_fit_and_run_without_errors(
    portal: Running, chromium: Any, language: str, width: int
) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, paths in PAGES.items():
        page = sign_in(chromium, portal, name, viewport={"width": width, "height": 800})
        problems: list[str] = []
        page.on("console", lambda m, p=problems: p.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error, p=problems: p.append(str(error)))
        page.context.add_cookies(
            [{"name": "radlab-language", "value": language, "url": portal.address}]
        )
        for path in paths:
            answer = page.goto(f"{portal.address}/services/radlab/{path}")
            assert answer.status == 200, path
            label = f"{name}-{re.sub('[^a-z0-9]+', '-', path) or 'overview'}-{language}-{width}"
            page.screenshot(path=PICTURES / f"portal-{label}.png", full_page=True)
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not page.evaluate(wide), f"{label} is wider than its window"
            assert "<span" not in page.inner_text("main"), label
            times = page.locator("main time").all_inner_texts()
            assert not any("UTC" in text for text in times), f"{label}: times of another zone"
        assert problems == []
        page.context.close()


def test_every_form_works_without_javascript(portal: Running, chromium: Any) -> None:
    page = sign_in(chromium, portal, "ana", java_script_enabled=False)
    page.goto(f"{portal.address}/services/radlab/groups")
    page.fill("#name", "cardiology")
    page.click("text=Make the group")
    assert "The group cardiology is there." in page.inner_text("[role=status]")
    row = page.locator("tr", has_text="cardiology")
    row.get_by_role("button", name="Allow internet").click()
    assert "reach the internet" in page.inner_text("[role=status]")
    page.goto(f"{portal.address}/services/radlab/gpus")
    page.select_option("#group-4", "cardiology")
    page.locator("tr", has_text="SIM-radlab-3").get_by_role("button", name="Assign").click()
    assert "GPU 3 belongs to cardiology now." in page.inner_text("[role=status]")
    page.goto(f"{portal.address}/services/radlab/people")
    page.locator("tr", has_text="maria").get_by_role("link", name="Change groups").click()
    page.select_option("#group", "cardiology")
    page.select_option("#role", "instructor")
    page.click("text=Put into the group")
    assert "maria teaches cardiology now." in page.inner_text("[role=status]")
    page.locator("tr", has_text="cardiology").get_by_role("button", name="Take out").click()
    assert "maria is out of cardiology." in page.inner_text("[role=status]")
    page.goto(f"{portal.address}/services/radlab/invites")
    page.select_option("#group", "cardiology")
    page.click("text=Create the code")
    link = page.inner_text("#link")
    assert link.startswith(f"{portal.address}/hub/signup#code=")
    page.click("main >> text=Done")
    page.locator("tr", has_text="cardiology").get_by_role("link", name="Revoke").click()
    page.click("button:has-text('Revoke the code')")
    assert "is revoked." in page.inner_text("[role=status]")
    page.context.close()


def test_a_refusal_keeps_what_was_typed(portal: Running, chromium: Any) -> None:
    page = sign_in(chromium, portal, "ana")
    page.goto(f"{portal.address}/services/radlab/groups")
    page.fill("#name", "Not A Name")
    page.fill("#title", "Kept")
    page.click("text=Make the group")
    assert "cannot be called" in page.inner_text("#form-error")
    assert page.input_value("#title") == "Kept"
    page.context.close()


def test_what_runs_is_up_to_date_without_a_reload(portal: Running, chromium: Any) -> None:
    page = sign_in(chromium, portal, "ana")
    assert page.locator("#servers tr", has_text="priya").count() == 0
    portal_site.start(portal.services, portal.hub, "priya", "radiology-2026", 0, None, 1)
    row = page.locator("#servers tr", has_text="priya")
    row.wait_for(timeout=25_000)
    assert "UTC" not in row.inner_text()
    row.get_by_role("link", name="Stop").click()
    page.fill("#reason", "the lesson is over")
    page.click("button:has-text('Stop the server')")
    assert "The server of priya is stopped" in page.inner_text("[role=status]")
    page.context.close()


def test_loads_go_on_while_somebody_looks_at_a_card(portal: Running, chromium: Any) -> None:
    page = sign_in(chromium, portal, "ines")
    page.goto(f"{portal.address}/services/radlab/servers")
    card = page.locator("#server-sam")
    card.locator("h2").hover()  # over the card, and over nothing that could be pressed
    assert "1.6 of 2 cores" in card.inner_text()
    lease = next(x for x in portal.services.ledger.active() if x.username == "sam")
    portal_site.measure(portal.services, lease.id, cpu=0.7)
    card.get_by_text("0.7 of 2 cores").last.wait_for(timeout=25_000)
    page.context.close()


def test_a_publication_is_asked_for_without_javascript_and_followed_with_it(
    portal: Running, chromium: Any
) -> None:
    plain = sign_in(chromium, portal, "ines", java_script_enabled=False)
    plain.goto(f"{portal.address}/services/radlab/courses")
    plain.fill("#source", "https://git.example.edu/radiology/course.git#13_fusion")
    plain.get_by_label("radiology-2026").check()
    plain.click("button:has-text('Check and publish')")
    assert "It was asked for." in plain.inner_text("[role=status]")
    id = plain.url.rpartition("/")[2]
    page = sign_in(chromium, portal, "ines")
    page.goto(plain.url)
    plain.context.close()
    portal.services.publications.tell(id, "13_fusion 1.0.0: proving it ...\n")
    page.get_by_text("13_fusion 1.0.0: proving it ...").wait_for(timeout=25_000)
    portal.services.publications.end(id, "built\n", module="13_fusion", version="1.0.0")
    page.get_by_role("heading", name="13_fusion 1.0.0").wait_for(timeout=25_000)
    page.context.close()


def test_a_page_of_a_students_server_reads_nothing_of_the_portal(
    portal: Running, chromium: Any
) -> None:
    """A script on our own origin, as a student's server could serve one to an administrator."""
    page = sign_in(chromium, portal, "ana")
    page.goto(f"{portal.address}/as-no-page")  # same origin, outside the portal
    fetched = page.evaluate(
        "fetch('/services/radlab/invites').then(r => r.text().then(t => [r.status, t]))"
    )
    assert fetched[0] == 403
    assert "_xsrf" not in fetched[1]
    framed = page.evaluate(
        """new Promise(done => {
            const frame = document.createElement('iframe');
            frame.src = '/services/radlab/invites';
            frame.onload = () => {
                try { done(frame.contentDocument.body.innerHTML); } catch { done('blocked'); }
            };
            document.body.append(frame);
        })"""
    )
    assert "_xsrf" not in framed
    opened = page.evaluate(
        """new Promise(done => {
            const other = window.open('/services/radlab/invites');
            setTimeout(() => {
                try { done(other.document.body.innerHTML); } catch { done('blocked'); }
            }, 2000);
        })"""
    )
    assert "_xsrf" not in opened
    page.context.close()
