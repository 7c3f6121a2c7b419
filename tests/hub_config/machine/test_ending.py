"""What `down` does with an engine that answers other than hoped for."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from hub_config.machine import ending
from hub_config.machine.ending import EngineRefused
from hub_config.network import rules
from hub_config.network.bridges import ForeignContainers, remove_networks
from hub_config.settings import Settings


class Answer:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code
        self.url = self.reason = ""


class FakeContainer:
    def __init__(self, name: str, refusal: Exception | None = None) -> None:
        self.name = name
        self.refusal = refusal
        self.waited_for = ""

    def stop(self, timeout: int) -> None:
        pass

    def remove(self, v: bool, force: bool) -> None:
        if self.refusal:
            raise self.refusal

    def wait(self, timeout: int, condition: str) -> None:
        self.waited_for = condition


class FakeNetwork:
    def __init__(self, name: str, *containers: str) -> None:
        self.name = name
        self.attrs = {"Containers": {one: {"Name": one} for one in containers}}
        self.removed = False

    def reload(self) -> None:
        pass

    def remove(self) -> None:
        self.removed = True


class FakeEngine:
    """Stands for the client, its `containers` and its `networks`."""

    def __init__(self, containers: list[Any] = (), networks: list[FakeNetwork] = ()) -> None:  # type: ignore[assignment]
        self.containers = self.networks = self
        self.standing = containers
        self.known = {network.name: network for network in networks}

    def list(self, **_: object) -> list[Any]:
        return list(self.standing)

    def get(self, name: str) -> FakeNetwork:
        if name not in self.known:
            raise NotFound(name)
        return self.known[name]


def test_a_refusal_of_the_engine_is_a_sentence_and_the_others_still_end(settings: Settings) -> None:
    said: list[str] = []
    stuck = FakeContainer("radlab-1", APIError("x", Answer(500), "device busy"))
    with pytest.raises(EngineRefused, match="radlab-1 could not be stopped: device busy"):
        ending._stop_containers(
            FakeEngine([stuck, FakeContainer("radlab-2")]), settings, said.append
        )
    assert sorted(said) == ["stopping the server radlab-1", "stopping the server radlab-2"]


def test_a_container_that_is_going_already_is_waited_for(settings: Settings) -> None:
    going = FakeContainer("radlab-1", APIError("x", Answer(409), "removal in progress"))
    gone = FakeContainer("radlab-2", NotFound("x"))
    ending._stop_containers(FakeEngine([going, gone]), settings, lambda line: None)
    assert (going.waited_for, gone.waited_for) == ("removed", "")


def test_servers_stop_at_the_same_time(settings: Settings) -> None:
    together = threading.Barrier(10, timeout=20)  # breaks unless ten are at it at once

    class Slow(FakeContainer):
        def stop(self, timeout: int) -> None:
            together.wait()

    slow = [Slow(f"radlab-{n}") for n in range(10)]
    ending._stop_containers(FakeEngine(slow), settings, lambda line: None)


def test_somebody_elses_container_keeps_both_networks(settings: Settings) -> None:
    closed, open_ = (
        FakeNetwork(rules.network_name(settings, False)),
        FakeNetwork(rules.network_name(settings, True), "stranger"),
    )
    with pytest.raises(ForeignContainers, match="stranger") as refused:
        remove_networks(FakeEngine(networks=[closed, open_]), settings)
    assert f"docker network disconnect {open_.name} stranger" in str(refused.value)
    assert not closed.removed and not open_.removed


def test_networks_that_nobody_is_on_are_removed(settings: Settings) -> None:
    closed = FakeNetwork(rules.network_name(settings, False))
    remove_networks(FakeEngine(networks=[closed]), settings)
    assert closed.removed
