"""What a session tells the Hub and keeps of its answer; what it makes of a killed kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from images_fake_hub import FakeHub
from radlab_session import activity, memory
from radlab_session.heart import Heart
from radlab_session.hub import Hub, Refused, Unanswered
from radlab_session.session import session

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Kernels:
    """As much of Jupyter's kernel manager as is asked."""

    def __init__(self, **kernels: SimpleNamespace) -> None:
        self.kernels = kernels
        self.watched: list[str] = []

    def list_kernel_ids(self) -> list[str]:
        return list(self.kernels)

    def get_kernel(self, one: str) -> SimpleNamespace:
        return self.kernels[one]

    def stop_watching_activity(self, one: str) -> None:
        self.watched.append(f"-{one}")

    def start_watching_activity(self, one: str) -> None:
        self.watched.append(f"+{one}")


class Sessions:
    async def list_sessions(self) -> list[dict[str, Any]]:
        return [
            {"path": "modules/05_classification/lesson.ipynb", "kernel": {"id": "a"}},
            {"path": "other.ipynb", "kernel": {"id": "b"}},
            {"path": "text.md", "kernel": None},
        ]


def kernel(state: str, ago: float = 0, pid: int = 1) -> SimpleNamespace:
    return SimpleNamespace(
        execution_state=state,
        last_activity=NOW - timedelta(seconds=ago),
        provisioner=SimpleNamespace(pid=pid),
    )


def server(kernels: Kernels) -> SimpleNamespace:
    web_app = SimpleNamespace(settings={"terminal_manager": None})
    return SimpleNamespace(kernel_manager=kernels, session_manager=Sessions(), web_app=web_app)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub("127.0.0.1").answering() as answering:
        answering.ends_in(minutes=60)
        yield answering


class Body:
    """A heart whose clock and control group a test moves."""

    def __init__(self, root: Path, environ: dict[str, str], **kernels: SimpleNamespace) -> None:
        self.now = 1000.0
        self.root = root
        self.kernels = Kernels(**kernels)
        self.killed(0)
        (root / "memory.max").write_text(f"{512 * 2**20}\n")
        self.heart = Heart(server(self.kernels), environ, root=root, monotonic=lambda: self.now)

    def killed(self, count: int) -> None:
        (self.root / "memory.events").write_text(f"oom 9\noom_kill {count}\n")

    async def look_for(self, seconds: int) -> None:
        for _ in range(seconds // 5):
            self.now += 5
            await self.heart.look()


def test_kernels_and_terminals_are_counted_and_not_tabs() -> None:
    kernels = Kernels(a=kernel("busy", 300), b=kernel("idle", 40))
    terminals = SimpleNamespace(terminals={"1": SimpleNamespace(last_activity=NOW)})
    assert activity.beat(kernels, terminals, NOW + timedelta(seconds=25)) == {
        "kernels": 2,
        "kernels_busy": 1,
        "terminals": 1,
        "active_seconds": 25,
    }


def test_a_server_in_which_nothing_ever_ran_says_so() -> None:
    assert activity.beat(Kernels(), None, NOW)["active_seconds"] is None
    assert activity.beat(None, None, NOW)["kernels"] == 0


async def test_the_hub_hears_twice_a_minute_and_its_answer_is_kept(
    tmp_path: Path, hub: FakeHub
) -> None:
    body = Body(tmp_path, hub.environment, a=kernel("idle"))
    await body.look_for(300)
    assert len(hub.beats) == 10
    assert body.heart.facts()["ends_at"] == hub.facts["ends_at"]


async def test_a_hub_that_is_away_leaves_what_is_known(tmp_path: Path, hub: FakeHub) -> None:
    body = Body(tmp_path, hub.environment)
    await body.heart.speak()
    known = body.heart.facts()
    body.heart._hub = Hub({"JUPYTERHUB_API_URL": "http://127.0.0.1:9", "JUPYTERHUB_API_TOKEN": "x"})
    await body.heart.speak()
    assert body.heart.facts() == known
    with pytest.raises(Unanswered):
        await body.heart.extend()


async def test_an_older_answer_that_comes_later_is_not_kept(tmp_path: Path, hub: FakeHub) -> None:
    hub.facts["extend"] = {"minutes": 30, "refused": None}
    body = Body(tmp_path, hub.environment)
    before = hub.facts["ends_at"]
    answered = asyncio.Event()

    async def slow_beat(told: object) -> dict[str, Any]:
        await answered.wait()
        return {"ends_at": before}

    body.heart._hub.beat = slow_beat  # type: ignore[method-assign]
    beating = asyncio.ensure_future(body.heart.speak())
    await asyncio.sleep(0)
    await body.heart.extend()
    answered.set()
    await beating
    assert body.heart.facts()["ends_at"] == hub.facts["ends_at"] != before


async def test_a_hub_that_does_not_know_the_session_leaves_the_environments_end(
    tmp_path: Path, hub: FakeHub
) -> None:
    body = Body(tmp_path, hub.environment | {"JUPYTERHUB_API_TOKEN": "another"})
    await body.heart.speak()
    environ = {"RADLAB_SESSION_ENDS": "2026-03-01T15:40:00Z"}
    assert session(environ, body.heart.facts())["ends_at"] == "2026-03-01T15:40:00Z"


async def test_without_a_hub_nobody_is_asked(tmp_path: Path) -> None:
    body = Body(tmp_path, {}, a=kernel("idle"))
    await body.look_for(120)
    assert body.heart.facts() == {"oom": None}


async def test_more_time_is_asked_for_and_a_refusal_is_passed_on(
    tmp_path: Path, hub: FakeHub
) -> None:
    hub.facts["extend"] = {"minutes": 30, "refused": None}
    body = Body(tmp_path, hub.environment)
    await body.heart.extend()
    assert body.heart.facts()["ends_at"] == hub.facts["ends_at"]
    hub.refusal = {"given": "longest"}
    with pytest.raises(Refused) as refused:
        await body.heart.extend()
    assert (refused.value.status, refused.value.answer["error"]["given"]) == (409, "longest")


async def test_the_notebook_whose_kernel_was_killed_is_named_with_its_process(
    tmp_path: Path, hub: FakeHub
) -> None:
    body = Body(tmp_path, hub.environment, a=kernel("busy", pid=7), b=kernel("idle", pid=8))
    await body.look_for(30)
    body.killed(1)
    await body.look_for(5)
    body.kernels.kernels["a"].provisioner.pid = 9  # Jupyter started it again
    await body.look_for(20)
    assert body.heart.facts()["oom"] is None  # the Hub has not said yet what was killed
    hub.facts["oom"] = {"kills": 1, "process": "python"}
    await body.look_for(15)
    assert body.heart.facts()["oom"] == {
        "kills": 1,
        "process": "python",
        "notebooks": ["lesson.ipynb"],
        "limit_mb": 512,
    }
    await body.look_for(700)
    assert body.heart.facts()["oom"] is None  # old news


async def test_a_process_without_a_notebook_is_told_when_no_name_comes(
    tmp_path: Path, hub: FakeHub
) -> None:
    body = Body(tmp_path, hub.environment, a=kernel("busy", pid=7))
    body.killed(2)
    await body.look_for(90)
    oom = body.heart.facts()["oom"]
    assert (oom["kills"], oom["process"], oom["notebooks"]) == (2, None, [])


async def test_a_kernel_that_came_back_is_listened_to_again(tmp_path: Path) -> None:
    body = Body(tmp_path, {}, a=kernel("busy", pid=7), b=kernel("busy", pid=8))
    await body.look_for(5)
    body.kernels.kernels["a"].provisioner.pid = 9
    await body.look_for(5)
    assert body.kernels.watched == ["-a", "+a"]
    states = {one: each.execution_state for one, each in body.kernels.kernels.items()}
    assert states == {"a": "idle", "b": "busy"}
    assert body.heart.facts()["oom"] is None


@pytest.mark.parametrize(
    ("files", "kills", "limit"),
    [
        ({"memory.events": "oom_kill 2\n", "memory.max": "max\n"}, 2, None),
        ({"memory.events": "oom_kill 0\n", "memory.max": f"{2**31}\n"}, 0, 2048),
        (
            {
                "memory/memory.oom_control": "under_oom 0\noom_kill 4\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            4,
            None,
        ),
        ({"memory/memory.oom_control": "under_oom 0\n"}, None, None),
        ({}, None, None),
    ],
)
def test_both_versions_of_control_groups_are_read(
    tmp_path: Path, files: dict[str, str], kills: int | None, limit: int | None
) -> None:
    (tmp_path / "memory").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert (memory.kills(tmp_path), memory.limit_mb(tmp_path)) == (kills, limit)
