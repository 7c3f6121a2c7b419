"""What a student sees in JupyterLab, in a real browser: the session's end, memory, a full home."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import docker
import pytest
from images_fake_hub import FakeHub
from playwright.sync_api import Browser, Page, sync_playwright

from hub_config import clock

pytestmark = [pytest.mark.engine, pytest.mark.images, pytest.mark.chromium]

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
PATIENCE = 120_000
TOKEN = "only-for-this-test"
# Run beside the server: a cell of the notebook, without a page.
CELL = """
import glob, sys
from jupyter_client import BlockingKernelClient
client = BlockingKernelClient(connection_file=glob.glob("/tmp/radlab/runtime/kernel-*.json")[0])
client.load_connection_file()
client.start_channels()
client.wait_for_ready(timeout=60)
client.execute(sys.argv[1])
"""


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


@pytest.fixture
def hub(docker_client: docker.DockerClient) -> Iterator[FakeHub]:
    """A Hub on the host's address in the containers' network."""
    network = docker_client.networks.get("bridge").attrs["IPAM"]["Config"][0]
    with FakeHub(network["Gateway"]).answering() as answering:
        yield answering


def heard(hub: FakeHub, lab) -> None:  # type: ignore[no-untyped-def]
    """Return once the server has told the Hub how it is, and keeps what it was answered."""
    for _ in range(240):
        if hub.beats and lab.wait()["ends_at"] == hub.facts["ends_at"]:
            return
        time.sleep(0.5)
    pytest.fail("the server did not speak to the Hub")


def local(page: Page, moment: datetime) -> str:
    """The time as the browser's own zone has it."""
    return str(page.evaluate("t => new Date(t).toTimeString().slice(0, 5)", clock.to_iso(moment)))


def toast(page: Page, text: str) -> str:
    """The notice that contains `text`, once it is shown."""
    found = page.wait_for_selector(f".Toastify__toast:has-text('{text}')", timeout=PATIENCE)
    assert found is not None
    return found.inner_text()


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
    assert notices == [notice.format(time=local(page, ends))]
    assert outside == []
    assert menu in page.inner_text("#jp-MainMenu")


def test_two_minutes_before_the_end_it_is_said_again(start_lab, page: Page) -> None:
    ends = clock.now() + timedelta(minutes=8)
    lab = start_lab(
        environment={
            "RADLAB_SESSION_ENDS": clock.to_iso(ends),
            "RADLAB_GPUS": "GPU-1",
            "RADLAB_GPUS_SIMULATED": "1",
        }
    )
    page.clock.install()  # the page's own clock, which goes on as it does and may be put forward
    opened(page, lab)
    left = (ends - clock.now()).total_seconds()
    page.clock.fast_forward(int((left - 150) * 1000))
    page.wait_for_timeout(500)
    assert page.query_selector("text=ends in 2 minutes") is None
    page.clock.fast_forward(35_000)
    page.wait_for_selector("text=ends in 2 minutes", timeout=PATIENCE)


@pytest.mark.parametrize(
    ("language", "offer", "done"),
    [
        ("en", "Extend by 30 minutes", "This session now ends at {time}."),
        ("zh_CN", "延长 30 分钟", "本次会话现在将于 {time} 结束。"),
    ],
)
def test_a_click_on_the_notice_extends_the_session(
    start_lab, page: Page, hub: FakeHub, language: str, offer: str, done: str
) -> None:
    ends = hub.ends_in(minutes=8)
    hub.facts["extend"] = {"minutes": 30, "refused": None}
    lab = start_lab(environment={"RADLAB_LANGUAGE": language, **hub.environment})
    heard(hub, lab)
    opened(page, lab)
    page.click(f"text={offer}", timeout=PATIENCE)
    later = local(page, ends + timedelta(minutes=30))
    toast(page, done.format(time=later))
    page.wait_for_selector(f"text={offer}", state="detached", timeout=PATIENCE)
    assert lab.wait()["ends_at"] == clock.to_iso(ends + timedelta(minutes=30))


def test_why_a_session_cannot_be_extended_is_said(start_lab, page: Page, hub: FakeHub) -> None:
    hub.ends_in(minutes=8)
    hub.facts["extend"] = {"minutes": 0, "refused": "waited_for"}
    lab = start_lab(environment=hub.environment)
    heard(hub, lab)
    (notice,), _ = opened(page, lab)
    assert notice.endswith("It cannot be extended: others wait for what it holds.")


def test_a_refusal_after_the_offer_is_said(start_lab, page: Page, hub: FakeHub) -> None:
    hub.ends_in(minutes=8)
    hub.facts["extend"] = {"minutes": 30, "refused": None}
    hub.refusal = {"code": "not_extended", "given": "hours", "message": "no"}
    lab = start_lab(environment=hub.environment)
    heard(hub, lab)
    opened(page, lab)
    page.click("text=Extend by 30 minutes", timeout=PATIENCE)
    assert "the GPU hours of this week are used up" in toast(page, "cannot be extended")


def test_a_person_keeps_an_idle_session_running(start_lab, page: Page, hub: FakeHub) -> None:
    hub.ends_in(minutes=25)
    hub.facts["stop_why"] = "idle"
    lab = start_lab(environment=hub.environment)
    heard(hub, lab)
    (notice,), _ = opened(page, lab)
    assert notice.startswith("Nothing has run in this session for a while")
    page.click("text=Keep it running", timeout=PATIENCE)
    page.wait_for_selector("text=Nothing has run", state="detached", timeout=PATIENCE)
    assert hub.beats[-1]["keep"] is True
    assert hub.facts["stop_why"] is None


@pytest.mark.parametrize(
    ("why", "words"),
    [("recalled", "needs it, so the session ends at"), ("hours_used", "GPU hours of this week")],
)
def test_why_a_session_ends_early_is_said(
    start_lab, page: Page, hub: FakeHub, why: str, words: str
) -> None:
    ends = hub.ends_in(minutes=14)
    hub.facts |= {"stop_why": why, "disk": {"used_mb": 9011, "limit_mb": 10240, "warn": True}}
    lab = start_lab(environment=hub.environment)
    heard(hub, lab)
    opened(page, lab)
    assert local(page, ends) in toast(page, words)
    assert "holds 8.8 GB of the 10 GB" in toast(page, "Your home folder")


def test_who_was_killed_for_memory_is_told_which_notebook_and_process(
    start_lab, page: Page, hub: FakeHub
) -> None:
    hub.ends_in(hours=2)
    lab = start_lab(environment=hub.environment, mem_limit="512m", memswap_limit="512m")
    heard(hub, lab)
    notebook = {"path": "lesson.ipynb", "name": "lesson.ipynb", "type": "notebook"}
    lab.post("/api/sessions", {**notebook, "kernel": {"name": "python3"}})
    time.sleep(6)  # two looks of the server: it knows the kernel's process
    lab.run("/opt/venv/bin/python", "-c", CELL, "x = bytearray(700 * 2**20)")
    hub.facts["oom"] = {"kills": 1, "process": "python", "at": None}
    (notice,), _ = opened(page, lab)
    assert "Memory was full (0.5 GB)" in notice
    assert "The kernel of lesson.ipynb (python) was stopped" in notice
    hub.beats.clear()
    while not hub.beats:
        time.sleep(0.5)
    assert (hub.beats[-1]["kernels"], hub.beats[-1]["kernels_busy"]) == (1, 0)
