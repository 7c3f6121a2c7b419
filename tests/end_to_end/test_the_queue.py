"""Three students and one GPU: who waits knows why and for how long, and nobody clicks twice.

The first one's kernel counts throughout, while Hub and keeper are killed and started; the second
closes the browser and gets the GPU when the first stops; the third takes what is free instead. The
tests are steps of one story and run in this order.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from docker.models.containers import Container
from people import sign_up, start, stop_own_server, wait_for_lab
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.engine, pytest.mark.images, pytest.mark.chromium]
GROUP = "queueing"
GPU = "image/imaging/1"
COUNTING = """
import pathlib, time
while True:
    pathlib.Path.home().joinpath("ticks.txt").open("a").write("tick\\n")
    time.sleep(0.2)
"""


class Story:
    """What earlier steps left for later ones."""

    def __init__(self) -> None:
        self.cy: Any = None
        self.dee: Any = None
        self.eli: Any = None
        self.link = ""
        self.started_at = ""


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


@pytest.fixture(scope="module")
def container_of() -> Iterator[Callable[[str], Container | None]]:
    client = docker.from_env()

    def find(user: str) -> Container | None:
        labels = {"label": [f"radlab.user={user}", "radlab.instance=radlabtest"]}
        found = client.containers.list(filters=labels)
        assert len(found) <= 1, f"{user} has {len(found)} containers"
        return found[0] if found else None

    yield find
    client.close()


def ticks(container: Container) -> int:
    status, output = container.exec_run(["wc", "-l", "/home/student/ticks.txt"], user="10001:10001")
    return int(output.split()[0]) if status == 0 else 0


def count_in_a_kernel(page: Page, user: str) -> None:
    """Run COUNTING in a new kernel of that user's server, as JupyterLab would."""
    page.evaluate(
        """async ([user, code]) => {
            const token = document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? '';
            const answer = await fetch(`/user/${user}/api/kernels`, {
                method: 'POST', headers: {'X-XSRFToken': token}, body: '{}'});
            const kernel = await answer.json();
            const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
            const socket = new WebSocket(
                `${scheme}://${location.host}/user/${user}/api/kernels/${kernel.id}/channels`);
            await new Promise(resolve => { socket.onopen = resolve; });
            const header = {msg_id: crypto.randomUUID?.() ?? 'counting', username: user,
                            session: 'story', msg_type: 'execute_request', version: '5.3'};
            socket.send(JSON.stringify({header, parent_header: {}, metadata: {}, channel: 'shell',
                content: {code, silent: false, store_history: false, user_expressions: {},
                          allow_stdin: false}}));
            window.counting = socket;
        }""",
        [user, COUNTING],
    )


def wait_until(happened: Callable[[], Any], seconds: float, what: str) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline, what
        time.sleep(0.5)
    return found


def waiting(platform: Any) -> list[str]:
    """Who waits, first in line first, as the command tells an administrator."""
    rows = platform.json("queue")
    return [row["username"] for row in rows if row["state"] == "waiting"]


def test_a_platform_that_was_down_comes_up_with_its_data(platform: Any, story: Story) -> None:
    done = platform.run("up")
    assert done.returncode == 0, done.stdout + done.stderr
    platform.json("group", "create", GROUP)
    platform.json("gpu", "assign", "0", "--group", GROUP)
    made = platform.json("invite", "create", "--group", GROUP, "--role", "student", "--uses", "3")
    story.link = f"{platform.address}/hub/signup{made['link'].partition('/hub/signup')[2]}"


def test_the_first_student_holds_the_gpu_and_counts(
    platform: Any, visit: Any, story: Story, container_of: Callable[[str], Container | None]
) -> None:
    story.cy = visit()
    sign_up(story.cy.page, story.link, "cy")
    start(story.cy.page, GPU)
    wait_for_lab(story.cy.page)
    count_in_a_kernel(story.cy.page, "cy")
    container = container_of("cy")
    assert container is not None
    wait_until(lambda: ticks(container) > 2, 30, "the kernel does not count")
    story.started_at = container.attrs["State"]["StartedAt"]


def test_the_second_and_third_see_place_minutes_and_reason(
    platform: Any, visit: Any, story: Story
) -> None:
    for number, name in ((1, "dee"), (2, "eli")):
        visitor = visit("zh-CN" if name == "eli" else "en-GB")
        setattr(story, name, visitor)
        page = visitor.page
        sign_up(page, story.link, name)
        start(page, GPU)
        expect(page.locator("#place-position")).to_have_text(str(number), timeout=15_000)
        expect(page.locator("#place-minutes")).to_contain_text(re.compile(r"\d"))
        expect(page.locator("#place-reason")).to_contain_text(GROUP)
        expect(page.locator("#place-reason time")).to_be_visible()
        words = page.locator("main").inner_text()
        assert "cy" not in words.split() and "dee" not in words.split()
        visitor.shoot(f"30-waiting-{name}")
    assert waiting(platform) == ["dee", "eli"]
    story.eli.page.set_viewport_size({"width": 375, "height": 800})
    story.eli.shoot("31-waiting-phone")


def test_a_place_is_moved_up_only_with_a_reason(platform: Any) -> None:
    refused = platform.run("queue", "move-up", "eli")
    assert refused.returncode == 1 and "reason" in refused.stderr
    assert waiting(platform) == ["dee", "eli"]
    platform.json("queue", "move-up", "eli", "--reason", "has an exam at three")
    assert waiting(platform) == ["eli", "dee"]
    platform.json("queue", "move-up", "dee", "--reason", "the exam was put off")
    assert waiting(platform) == ["dee", "eli"]


def test_the_order_outlives_hub_keeper_and_browser(
    platform: Any, story: Story, container_of: Callable[[str], Container | None]
) -> None:
    story.dee.page.close()
    for name in ("hub", "keeper"):
        before = platform.pid(name)
        os.kill(before, signal.SIGKILL)
        wait_until(
            lambda name=name, before=before: (
                platform.pid(name) != before and platform.run("status").returncode == 0
            ),
            90,
            f"{name} did not come back",
        )
    assert waiting(platform) == ["dee", "eli"]
    container = container_of("cy")
    assert container is not None and container.attrs["State"]["StartedAt"] == story.started_at
    counted = ticks(container)
    wait_until(lambda: ticks(container) > counted, 10, "the first one's kernel stood still")
    story.eli.page.goto(f"{platform.address}/hub/spawn")
    expect(story.eli.page.locator("#place-position")).to_have_text("2", timeout=60_000)


def test_the_second_starts_by_itself_when_the_first_stops(
    platform: Any, story: Story, container_of: Callable[[str], Container | None]
) -> None:
    story.cy.page.goto(f"{platform.address}/hub/home")
    stop_own_server(story.cy.page, platform.address)
    container = wait_until(lambda: container_of("dee"), 90, "the second did not start")
    environment = dict(e.split("=", 1) for e in container.attrs["Config"]["Env"])
    assert environment["RADLAB_GPUS"] == "SIM-radlabtest-0"
    story.dee.page = story.dee.context.new_page()
    story.dee.page.goto(f"{platform.address}/hub/spawn")
    wait_for_lab(story.dee.page)
    expect(story.eli.page.locator("#place-position")).to_have_text("1", timeout=30_000)
    assert waiting(platform) == ["eli"]


def test_the_third_takes_what_is_free_with_one_click(
    platform: Any, story: Story, container_of: Callable[[str], Container | None]
) -> None:
    page = story.eli.page
    page.set_viewport_size({"width": 1280, "height": 860})
    story.eli.shoot("32-waiting-alternative")
    page.locator("#place-alternatives button").first.click()
    wait_for_lab(page)
    container = container_of("eli")
    assert container is not None
    environment = dict(e.split("=", 1) for e in container.attrs["Config"]["Env"])
    assert environment["RADLAB_GPUS"] == ""
    assert waiting(platform) == []


def test_who_leaves_the_line_gives_the_place_up(platform: Any, story: Story) -> None:
    page = story.eli.page
    stop_own_server(page, platform.address)
    page.goto(f"{platform.address}/hub/spawn")
    start(page, GPU)
    expect(page.locator("#place-position")).to_have_text("1", timeout=30_000)
    page.click("#leave-place")
    expect(page.locator("#spawn_form")).to_be_visible(timeout=30_000)
    assert waiting(platform) == []


def test_what_was_used_is_on_record(platform: Any, story: Story) -> None:
    stop_own_server(story.dee.page, platform.address)
    records = platform.json("usage", "--group", GROUP)
    by_user = {record["username"]: record for record in records}
    assert {"cy", "dee"} <= set(by_user)
    assert by_user["cy"]["devices"] == ["SIM-radlabtest-0"]
    assert by_user["cy"]["why_ended"] == "stopped"
    assert by_user["cy"]["image_digest"].startswith("sha256:")
    assert by_user["cy"]["memory_peak_mb"] > 0
    reasons = [entry["reason"] for entry in platform.json("audit")]
    assert reasons[:2] == ["the exam was put off", "has an exam at three"]


def test_nothing_is_left_behind(platform: Any) -> None:
    done = platform.run("down")
    assert done.returncode == 0, done.stdout + done.stderr
    client = docker.from_env()
    labels = {"label": "radlab.instance=radlabtest"}
    assert client.containers.list(all=True, filters=labels) == []
    client.close()
