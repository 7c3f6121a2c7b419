"""A start is a place in line: it waits, is given a lease, started by the keeper, and never lost."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_keeper import FakeKeeper
from hub_under_test import SmallHub
from spawning_support import MODULE, make_state

from hub_config import clock
from hub_config.containers.model import ENVIRONMENT_KEY, StopOrder
from hub_config.containers.refusals import EngineTrouble, ImageMissing
from hub_config.db import DatabaseUnready
from hub_config.errors import RadLabError
from hub_config.gpus.inventory import find_devices
from hub_config.gpus.model import Ended
from hub_config.network.walls import WallsDown
from hub_config.queueing.model import State
from hub_config.settings import Settings
from hub_config.spawning import spawner as spawner_module
from hub_config.spawning.refusal import Refused
from hub_config.spawning.spawner import LeaseSpawner

ON_GPU = {"module": MODULE["id"], "gpu": True, "language": "zh_CN"}
ON_CPU = {"module": MODULE["id"], "gpu": False, "language": "en"}
ENVIRONMENT = {"image": "tiny", "gpus": 0}


@pytest.fixture
def radlab(tmp_path: Path) -> Settings:
    """A RadLab with one simulated GPU."""
    settings = make_state(tmp_path / "s", "radlab-test-tiny:1", simulate_gpus="1x24")
    (settings.path("run")).mkdir(exist_ok=True)
    return settings


@pytest.fixture
def keeper(radlab: Settings) -> Iterator[FakeKeeper]:
    fake = FakeKeeper(radlab)
    fake.up()
    yield fake
    fake.close()


@pytest.fixture
def hub(radlab: Settings, keeper: FakeKeeper) -> SmallHub:
    """A Hub whose class `radiology` has the one GPU."""
    small = SmallHub(radlab)
    small.stores.devices.record(find_devices(radlab), clock.now())
    small.stores.groups.create("radiology", by="test")
    (device,) = small.stores.devices.all()
    small.stores.devices.assign(device.uuid, "radiology", by="test")
    return small


async def until(what: Callable[[], Any]) -> Any:
    """What `what` gives, as soon as that is something."""
    for _ in range(600):
        if found := await asyncio.to_thread(what):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to that")


def begin(spawner: LeaseSpawner) -> asyncio.Task[tuple[str, int]]:
    return asyncio.ensure_future(spawner.start())


def waiting(keeper: FakeKeeper) -> list[str]:
    return [place.username for place in keeper.queue.open() if place.state is State.WAITING]


async def in_line(keeper: FakeKeeper, spawner: LeaseSpawner) -> asyncio.Task[tuple[str, int]]:
    """The start of one who has to wait."""
    starting = begin(spawner)
    await until(lambda: spawner.user.name in waiting(keeper))
    return starting


async def test_a_start_ends_with_an_address_and_holds_its_lease(hub, keeper):
    spawner = hub.spawner("mei", ("radiology",), **ON_GPU)
    assert await spawner.start() == ("127.0.0.1", keeper.port)
    (lease,) = keeper.ledger.active()
    assert (spawner.lease_id, lease.group) == (lease.id, "radiology")
    assert keeper.queue.open() == []
    assert await spawner.poll() is None
    assert spawner.session["ends_at"] == clock.to_iso(lease.until)
    assert spawner.default_url == "/lab/tree/05_classification/lesson.zh.ipynb"


async def test_the_keeper_is_told_whose_token_and_session_it_is_and_nothing_else(hub, keeper):
    spawner = hub.spawner("mei", ("radiology",), **ON_GPU)
    spawner.environment = {"LD_PRELOAD": "/home/student/evil.so"}
    await spawner.start()
    ((lease_id, order),) = keeper.orders
    assert order.environment["JUPYTERHUB_API_TOKEN"] == "a-token"
    assert order.environment["JUPYTERHUB_SERVICE_URL"] == "http://0.0.0.0:8888/user/mei/"
    assert order.environment["RADLAB_LEASE"] == lease_id
    assert order.environment["MEM_LIMIT"] == str(256 * 1024 * 1024)
    assert all(re.fullmatch(ENVIRONMENT_KEY, name) for name in order.environment)
    assert not order.fresh


async def test_the_second_student_waits_and_starts_by_themselves_when_the_first_stops(hub, keeper):
    first = hub.spawner("mei", ("radiology",), **ON_GPU)
    await first.start()
    second = hub.spawner("bo", ("radiology",), **ON_GPU)
    starting = await in_line(keeper, second)
    assert await second.poll() is None
    await first.stop()
    assert (await starting)[0] == "127.0.0.1"
    assert [lease.username for lease in keeper.ledger.active()] == ["bo"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"module": "05_clasification"}, "Did you mean '05_classification'?"),
        ({"image": "tny"}, "Did you mean 'tiny'?"),
        ({"image": "tiny", "image_tag": "evil"}, "no option 'image_tag'"),
        ({}, "Nothing was chosen"),
    ],
)
async def test_what_is_not_on_offer_is_refused_at_once_and_takes_no_place(
    hub, keeper, options, words
):
    with pytest.raises(Refused, match=re.escape(words)):
        await hub.spawner("mei", **options).start()
    assert keeper.queue.open() == [] and keeper.ledger.active() == []


async def test_a_place_for_what_was_withdrawn_meanwhile_fails_when_it_is_taken_up(
    hub, keeper, radlab
):
    await hub.spawner("mei", ("radiology",), **ON_GPU).start()
    lost = await in_line(keeper, hub.spawner("bo", ("radiology",), **ON_GPU))
    lost.cancel()
    shutil.rmtree(radlab.path("modules", MODULE["id"]))
    again = SmallHub(radlab)
    with pytest.raises(Refused):
        await again.spawner("bo", ("radiology",), module="06_none", gpu=True).start()
    assert waiting(keeper) == ["bo"]  # something else was asked for
    place = keeper.queue.of("bo", "")
    with pytest.raises(Refused) as refusal:
        await again.spawner("bo", ("radiology",), **place.options).start()
    assert refusal.value.error.code == "unknown_module"
    assert keeper.queue.get(place.id).state is State.FAILED


async def test_what_can_never_be_served_is_refused_at_once(hub, keeper):
    with pytest.raises(Refused) as refusal:
        await hub.spawner("mei", **ON_GPU).start()  # in no class group
    assert refusal.value.error.code == "no_gpu_for_group"
    assert keeper.queue.open() == []


async def test_a_start_that_cannot_succeed_says_why_and_closes_its_place(hub, keeper):
    keeper.refusal = lambda: ImageMissing("The image {image} is not there.", image="tiny:1")
    spawner = hub.spawner("mei", **ENVIRONMENT)
    with pytest.raises(Refused, match="The image tiny:1 is not there"):
        await spawner.start()
    (place,) = keeper.queue.ended(clock.from_iso("2026-01-01T00:00:00Z"))
    assert place.state is State.FAILED
    assert keeper.ledger.active() == []
    assert keeper.ledger.get(place.lease_id).why_ended is Ended.FAILED_START


async def test_an_engine_that_fails_once_costs_nobody_their_server(hub, keeper, monkeypatch):
    monkeypatch.setattr(spawner_module, "_AGAIN_SECONDS", 0.05)
    troubles: list[RadLabError] = [EngineTrouble("The engine hiccups.")]
    keeper.refusal = lambda: troubles.pop() if troubles else None
    spawner = hub.spawner("mei", **ENVIRONMENT)
    await spawner.start()
    assert len(keeper.orders) == 2 and len({lease_id for lease_id, _ in keeper.orders}) == 2
    assert [lease.id for lease in keeper.ledger.active()] == [spawner.lease_id]


async def test_a_database_that_is_away_for_a_moment_costs_nobody_their_place(
    hub, keeper, monkeypatch
):
    monkeypatch.setattr(spawner_module, "_AGAIN_SECONDS", 0.05)
    troubles: list[RadLabError] = [DatabaseUnready("It is locked.") for _ in range(4)]
    keeper.refusal = lambda: troubles.pop() if troubles else None
    spawner = hub.spawner("mei", **ENVIRONMENT)
    await spawner.start()
    assert [lease.id for lease in keeper.ledger.active()] == [spawner.lease_id]


async def test_a_server_that_runs_is_kept_where_its_end_cannot_be_read(hub, keeper, monkeypatch):
    def away(lease_id: str) -> None:
        raise DatabaseUnready("It is locked.")

    spawner = hub.spawner("mei", **ENVIRONMENT)
    keeper.go.clear()
    starting = begin(spawner)
    await until(lambda: keeper.orders)
    monkeypatch.setattr(hub.shared.line, "lease", away)
    keeper.go.set()
    assert (await starting)[0] == "127.0.0.1"
    assert "ends_at" in spawner.session


async def test_a_start_whose_place_is_closed_and_whose_server_is_lost_waits_for_nothing(
    hub, keeper, monkeypatch
):
    monkeypatch.setattr(spawner_module, "_AGAIN_SECONDS", 0.05)

    def lost_with_its_answer() -> RadLabError:
        (lease,) = keeper.ledger.active()
        keeper.queue.arrived(lease.id, clock.now())
        return EngineTrouble("The engine is ill.")

    keeper.refusal = lost_with_its_answer
    with pytest.raises(Refused, match="The engine is ill"):
        await asyncio.wait_for(hub.spawner("mei", **ENVIRONMENT).start(), 10)
    assert keeper.ledger.active() == []


async def test_an_engine_that_keeps_failing_is_told_after_some_attempts(hub, keeper, monkeypatch):
    monkeypatch.setattr(spawner_module, "_AGAIN_SECONDS", 0.05)
    keeper.refusal = lambda: EngineTrouble("The engine is ill.")
    with pytest.raises(Refused, match="The engine is ill"):
        await hub.spawner("mei", **ENVIRONMENT).start()
    assert len(keeper.orders) == 3
    assert keeper.queue.open() == [] and keeper.ledger.active() == []


async def test_walls_that_are_down_cost_no_attempt_however_often(hub, keeper, monkeypatch):
    monkeypatch.setattr(spawner_module, "_AGAIN_SECONDS", 0.02)
    troubles: list[RadLabError] = [WallsDown("A chain is missing.") for _ in range(4)]
    keeper.refusal = lambda: troubles.pop() if troubles else None
    spawner = hub.spawner("mei", **ENVIRONMENT)
    await spawner.start()
    assert len(keeper.orders) == 5
    assert [lease.id for lease in keeper.ledger.active()] == [spawner.lease_id]


async def test_a_keeper_that_is_away_is_waited_for(hub, keeper, monkeypatch):
    monkeypatch.setattr(spawner_module, "_AWAY_SECONDS", 0.05)
    hub.shared.keeper.patience = 0
    keeper.down()
    starting = begin(hub.spawner("mei", **ENVIRONMENT))
    place = await until(lambda: next((p for p in keeper.queue.open() if p.lease_id), None))
    assert place.username == "mei"
    done, _ = await asyncio.wait([starting], timeout=0.5)
    assert not done
    keeper.up()
    assert (await starting)[0] == "127.0.0.1"


async def test_a_keeper_that_dies_in_the_midst_of_a_start_is_asked_again(hub, keeper):
    keeper.go.clear()
    starting = begin(hub.spawner("mei", **ENVIRONMENT))
    await until(lambda: keeper.orders)
    keeper.down()
    keeper.up()
    keeper.go.set()
    assert (await starting)[0] == "127.0.0.1"
    assert len({lease_id for lease_id, _ in keeper.orders}) == 1


async def test_a_start_that_is_cancelled_keeps_its_place(hub, keeper):
    await hub.spawner("mei", ("radiology",), **ON_GPU).start()
    starting = await in_line(keeper, hub.spawner("bo", ("radiology",), **ON_GPU))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert waiting(keeper) == ["bo"]


async def test_stopping_one_who_waits_leaves_the_line(hub, keeper):
    await hub.spawner("mei", ("radiology",), **ON_GPU).start()
    spawner = hub.spawner("bo", ("radiology",), **ON_GPU)
    starting = await in_line(keeper, spawner)
    starting.cancel()
    await asyncio.wait([starting])
    assert await spawner.poll() is None  # so that the Hub asks to stop it
    await spawner.stop()
    assert waiting(keeper) == [] and await spawner.poll() == 0
    assert [lease.username for lease in keeper.ledger.active()] == ["mei"]


async def test_stopping_one_who_starts_leaves_neither_place_nor_lease(hub, keeper):
    keeper.go.clear()
    spawner = hub.spawner("mei", **ENVIRONMENT)
    starting = begin(spawner)
    await until(lambda: keeper.orders)
    starting.cancel()
    await asyncio.wait([starting])
    await spawner.stop()
    assert keeper.queue.open() == [] and keeper.ledger.active() == []


async def test_a_place_that_was_left_elsewhere_ends_its_start(hub, keeper):
    await hub.spawner("mei", ("radiology",), **ON_GPU).start()
    starting = await in_line(keeper, hub.spawner("bo", ("radiology",), **ON_GPU))
    (place,) = keeper.queue.open()
    keeper.queue.leave(place.id, "ada", clock.now())
    with pytest.raises(Refused, match="took you out of the line"):
        await starting


async def test_a_place_that_is_left_while_it_starts_gives_its_lease_back(hub, keeper):
    keeper.go.clear()
    starting = begin(hub.spawner("mei", **ENVIRONMENT))
    await until(lambda: keeper.orders)
    (place,) = keeper.queue.open()
    keeper.queue.leave(place.id, "mei", clock.now())
    with pytest.raises(Refused, match="given up"):
        await starting
    assert keeper.ledger.active() == []
    assert keeper.ledger.get(place.lease_id).why_ended is Ended.STOPPED


async def test_a_restarted_hub_waits_on_at_the_same_place(hub, keeper, radlab):
    await hub.spawner("mei", ("radiology",), **ON_GPU).start()
    lost = await in_line(keeper, hub.spawner("bo", ("radiology",), **ON_GPU))
    lost.cancel()
    before = keeper.queue.of("bo", "")
    again = SmallHub(radlab)
    starting = begin(again.spawner("bo", ("radiology",), **ON_GPU))
    await until(lambda: keeper.wakes > 2)
    assert keeper.queue.of("bo", "") == before
    (lease,) = keeper.ledger.active()
    keeper.stop(lease.id, StopOrder(seconds=0))
    assert (await starting)[0] == "127.0.0.1"
    assert not keeper.orders[-1][1].fresh


async def test_a_restarted_hub_starts_afresh_what_was_starting(hub, keeper, radlab):
    keeper.go.clear()
    lost = begin(hub.spawner("mei", **ENVIRONMENT))
    await until(lambda: keeper.orders)
    lost.cancel()
    await asyncio.wait([lost])
    again = SmallHub(radlab).spawner("mei", **ENVIRONMENT)
    starting = begin(again)
    await until(lambda: len(keeper.orders) == 2)
    keeper.go.set()
    await starting
    (first, _), (second, order) = keeper.orders
    assert first == second == again.lease_id  # the lease is the one that was granted
    assert order.fresh  # its container has a token that nobody knows any more


async def test_a_restarted_hub_finds_a_running_server_by_what_it_kept(hub, keeper, radlab):
    first = hub.spawner("mei", ("radiology",), **ON_GPU)
    address, port = await first.start()
    second = SmallHub(radlab).spawner("mei", ("radiology",))
    second.load_state(first.orm_spawner.state)
    assert await second.poll() is None
    assert await second.get_url() == f"http://{address}:{port}/user/mei/"
    assert second.session["title"]["zh_CN"] == "分类：胸片"
    await second.stop()
    assert keeper.ledger.active() == []


async def test_a_hub_killed_before_the_container_ran_gives_the_lease_back_to_the_line(
    hub, keeper, radlab
):
    keeper.go.clear()
    lost = hub.spawner("mei", **ENVIRONMENT)
    begun = begin(lost)
    await until(lambda: keeper.orders)
    begun.cancel()
    await asyncio.wait([begun])
    keeper.starts_at_once = 0
    found = SmallHub(radlab).spawner("mei", **ENVIRONMENT)
    found.load_state(lost.orm_spawner.state)
    assert await found.poll() == "gone"
    assert keeper.ledger.active() == []
    await until(lambda: waiting(keeper) == ["mei"])  # it is asked for again, in its old rank


async def test_a_keeper_that_does_not_answer_is_no_proof_that_a_server_is_gone(
    hub, keeper, monkeypatch
):
    monkeypatch.setattr(spawner_module, "_POLL_PATIENCE", 0.1)
    spawner = hub.spawner("mei", **ENVIRONMENT)
    await spawner.start()
    keeper.down()
    assert await spawner.poll() is None
    assert await spawner.get_url() == spawner.server.url
    assert len(keeper.ledger.active()) == 1


async def test_a_container_that_vanished_frees_its_lease_at_the_next_look(hub, keeper):
    spawner = hub.spawner("mei", **ENVIRONMENT)
    await spawner.start()
    lease_id = spawner.lease_id
    keeper.running.clear()
    assert await spawner.poll() == "gone"
    assert keeper.ledger.get(lease_id).why_ended is Ended.CONTAINER_GONE
    assert spawner.get_state() == {} and await spawner.poll() == 0


async def test_a_lease_that_the_hub_forgot_does_not_lock_its_student_out(hub, keeper):
    forgotten = hub.spawner("mei", ("radiology",), **ON_GPU)
    await forgotten.start()
    again = hub.spawner("mei", ("radiology",), **ON_GPU)
    await again.start()
    assert keeper.ledger.get(forgotten.lease_id).why_ended is Ended.CONTAINER_GONE
    assert [lease.id for lease in keeper.ledger.active()] == [again.lease_id]


async def test_what_was_taken_instead_is_what_starts(hub, keeper):
    await hub.spawner("mei", ("radiology",), **ON_GPU).start()
    spawner = hub.spawner("bo", ("radiology",), **ON_GPU)
    starting = await in_line(keeper, spawner)
    place = keeper.queue.of("bo", "")
    await hub.shared.write(lambda: hub.shared.line.take(place, ON_CPU, ("radiology",)))
    await starting
    assert spawner.session["gpus"] == []
    assert keeper.ledger.get(spawner.lease_id).gpu_count == 0


async def test_progress_tells_place_reason_and_what_could_start_now_in_both_languages(hub, keeper):
    await hub.spawner("mei", ("radiology",), **ON_GPU).start()
    spawner = hub.spawner("bo", ("radiology",), **ON_GPU)
    starting = await in_line(keeper, spawner)
    async for event in spawner.progress():
        if "place" in event:
            break
    english, chinese = event["place"]["en"], event["place"]["zh_CN"]
    (mei,) = keeper.ledger.active()
    assert (english["position"], english["waiting"]) == (1, 1)
    assert english["reason"]["parts"][1] == {"time": clock.to_iso(mei.until)}
    assert "GPU of group radiology is in use" in english["reason"]["text"]
    assert re.search(r"[\u4e00-\u9fff]", chinese["reason"]["text"])
    (instead,) = english["alternatives"]
    assert instead["options"] | {"language": "en"} == ON_CPU
    assert instead["title"].startswith("Classification: chest film · without a GPU")
    assert chinese["alternatives"][0]["title"].startswith("分类：胸片")
    assert "mei" not in str(event)  # never another student's name
    starting.cancel()


async def test_a_class_that_waits_is_looked_for_together(hub, keeper, monkeypatch):
    looked: list[int] = []
    places = hub.shared.line.places

    def counted(ids: Any) -> Any:
        looked.append(len(ids))
        return places(ids)

    monkeypatch.setattr(hub.shared.line, "places", counted)
    keeper.go.clear()
    spawners = [hub.spawner(f"student{number}", **ENVIRONMENT) for number in range(20)]
    starting = [begin(spawner) for spawner in spawners]
    await until(lambda: len(keeper.orders) == 20)
    before = len(looked)
    await asyncio.sleep(1.2)
    assert len(looked) - before <= 6  # not twenty times that
    assert max(looked) == 20
    keeper.go.set()
    await asyncio.gather(*starting)
    assert len({lease_id for lease_id, _ in keeper.orders}) == len(keeper.orders) == 20
    await asyncio.sleep(0.6)
    after = len(looked)
    await asyncio.sleep(0.6)
    assert len(looked) == after  # and nobody looks while nobody waits
