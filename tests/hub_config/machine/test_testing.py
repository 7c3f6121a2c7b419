"""Images are built while tests run: those that need them come last, and wait."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from hub_config.machine import testing, testing_plugin
from hub_config.machine.testing import IMAGES_STATUS, ImageBuild


class Item:
    """A collected test, as far as the plugin looks at it."""

    def __init__(self, name: str, *markers: str) -> None:
        self.name = name
        self.markers = markers

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.markers else None


def test_what_needs_images_comes_last_and_the_rest_keeps_its_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(IMAGES_STATUS, "/nowhere")
    items = [
        Item("browser", "chromium", "images"),
        Item("image", "images", "engine"),
        Item("pure"),
        Item("engine", "engine"),
        Item("pure too"),
    ]
    testing_plugin.pytest_collection_modifyitems(items)  # type: ignore[arg-type]
    assert [item.name for item in items] == ["pure", "pure too", "engine", "image", "browser"]


def test_without_radlab_test_the_order_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(IMAGES_STATUS, raising=False)
    items = [Item("image", "images"), Item("pure")]
    testing_plugin.pytest_collection_modifyitems(items)  # type: ignore[arg-type]
    assert [item.name for item in items] == ["image", "pure"]


def test_a_test_that_needs_images_waits_for_them(tmp_path: Path) -> None:
    status = tmp_path / "images.status"
    later = threading.Timer(0.7, lambda: status.write_text("0\n"))
    later.start()
    assert testing_plugin.wait_for(status) == "0"
    assert testing_plugin.wait_for(tmp_path / "never", longest=0.1).startswith("nothing")


def test_images_that_could_not_be_built_fail_the_test_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images.status").write_text("1\n")
    (tmp_path / "images.log").write_text("no network")
    monkeypatch.setenv(IMAGES_STATUS, str(tmp_path / "images.status"))
    with pytest.raises(pytest.fail.Exception, match="no network"):
        testing_plugin.pytest_runtest_setup(Item("i", "images"))  # type: ignore[arg-type]
    testing_plugin.pytest_runtest_setup(Item("pure"))  # type: ignore[arg-type]


def test_a_build_leaves_its_exit_status_and_can_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = ImageBuild(tmp_path)
    monkeypatch.setattr(testing.sys, "executable", "/bin/false")
    process = build.start()
    assert process.wait(10) == 0 and build.status.read_text() == "1\n"
    slow = subprocess.Popen(["sh", "-c", "sleep 60; true"], start_new_session=True)
    began = time.monotonic()
    testing.end(slow)
    assert time.monotonic() - began < 10 and slow.returncode != 0
