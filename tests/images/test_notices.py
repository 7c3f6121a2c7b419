"""What a student sees in JupyterLab, in a real browser: the end of the session, a full home."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from hub_config import clock

pytestmark = [pytest.mark.engine, pytest.mark.images, pytest.mark.chromium]

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
PATIENCE = 120_000
TOKEN = "only-for-this-test"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed; `./radlab test` installs it where it can")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


def opened(page: Page, lab) -> tuple[list[str], list[str]]:  # type: ignore[no-untyped-def]
    """The notices that JupyterLab shows, and the addresses that it asked outside the container."""
    lab.wait()
    outside: list[str] = []
    page.on(
        "request",
        lambda request: (
            outside.append(request.url)
            if request.url.startswith("http") and not request.url.startswith(lab.address)
            else None
        ),
    )
    page.goto(f"{lab.address}/lab?token={TOKEN}", timeout=PATIENCE)
    page.wait_for_selector(".Toastify__toast", timeout=PATIENCE)
    page.wait_for_timeout(1500)
    return [toast.inner_text() for toast in page.query_selector_all(".Toastify__toast")], outside


@pytest.mark.parametrize(
    ("language", "menu", "notice"),
    [
        ("en", "File", "This session ends at {time}. Your files are kept."),
        ("zh_CN", "文件", "本次会话将于 {time} 结束。您的文件会保留。"),
    ],
)
def test_the_end_of_the_session_is_announced(
    start_lab, page: Page, language: str, menu: str, notice: str
) -> None:
    ends = clock.now() + timedelta(minutes=8)
    lab = start_lab(
        environment={"RADLAB_LANGUAGE": language, "RADLAB_SESSION_ENDS": clock.to_iso(ends)}
    )
    notices, outside = opened(page, lab)
    local = page.evaluate("t => new Date(t).toTimeString().slice(0, 5)", clock.to_iso(ends))
    assert notices == [notice.format(time=local)]
    assert outside == []
    assert menu in page.inner_text("#jp-MainMenu")


def test_two_minutes_before_the_end_it_is_said_again(start_lab, page: Page) -> None:
    ends = clock.now() + timedelta(seconds=200)
    lab = start_lab(
        environment={
            "RADLAB_SESSION_ENDS": clock.to_iso(ends),
            "RADLAB_GPUS": "GPU-1",
            "RADLAB_GPUS_SIMULATED": "1",
        }
    )
    opened(page, lab)
    page.wait_for_selector("text=ends in 2 minutes", timeout=PATIENCE)
    page.wait_for_timeout(500)
    assert (clock.now() - ends).total_seconds() < -100
