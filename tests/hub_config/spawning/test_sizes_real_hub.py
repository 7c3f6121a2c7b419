"""Sizes through JupyterHub itself: by page or API, refused before anybody waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from real_hub import RealHub, xsrf

from hub_config.db import open_database
from hub_config.groups.store import GroupStore
from hub_config.queueing.model import Place
from hub_config.queueing.store import QueueStore

CPU = "module/05_classification/cpu"
CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
SIZES = [
    {"id": "narrow", "title": {"en": "Narrow", "zh_CN": "窄"}, "cpus": 0.5, "memory_gb": 0.1},
    {"id": "fair", "title": {"en": "Fair", "zh_CN": "中"}, "cpus": 0.5, "memory_gb": 0.5},
    {"id": "vast", "title": {"en": "Vast", "zh_CN": "巨"}, "cpus": 256, "memory_gb": 4096},
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A Hub without a keeper, so that whoever starts something stays in line."""
    hub = RealHub(tmp_path_factory.mktemp("sizes") / "s", "127.32.0")
    GroupStore(open_database(hub.settings.radlab_database_url)).create("radiology", by="test")
    hub.settings.path("offers", "sizes.yaml").write_text(
        yaml.safe_dump({"sizes": SIZES}, allow_unicode=True), encoding="utf-8"
    )
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def mei(site: RealHub) -> httpx.Client:
    return site.sign_up("mei")


def press(browser: httpx.Client, size: str, **headers: str) -> httpx.Response:
    form = {"start": CPU, f"size/{CPU}": size, "_xsrf": xsrf(browser.get("/hub/spawn"))}
    return browser.post("/hub/spawn", data=form, headers=headers)


def place_of(site: RealHub, username: str) -> Place | None:
    queue = QueueStore(open_database(site.settings.radlab_database_url), site.settings)
    return queue.of(username, "")


def test_the_page_shows_the_sizes_of_the_site(mei: httpx.Client) -> None:
    text = mei.get("/hub/spawn").text
    assert "Narrow: 0.5 cores, 0.1 GB – too small for this lab: needs 0.25 GB" in text
    assert "Vast: 256 cores, 4096 GB – more than this server has" in text
    assert "窄" in mei.get("/hub/spawn", headers=CHINESE).text


@pytest.mark.parametrize(
    ("size", "english", "chinese"),
    [
        ("narrow", "Choose fair, the smallest that fits.", "请选择 fair，这是够用的最小规格。"),
        ("vast", "Choose fair, the nearest that can be served.", "请选择 fair，这是能够提供的"),
        ("fare", "Did you mean", "没有名为“fare”的规格"),
    ],
)
def test_a_size_that_cannot_be_is_refused_on_the_page_and_nobody_waits(
    site: RealHub, mei: httpx.Client, size: str, english: str, chinese: str
) -> None:
    page = press(mei, size)
    assert 'id="spawn-error"' in page.text and english in page.text
    assert chinese in press(mei, size, **CHINESE).text
    assert place_of(site, "mei") is None


def test_a_size_that_fits_is_what_the_place_asks_for(site: RealHub, mei: httpx.Client) -> None:
    page = press(mei, "fair")
    assert page.url.path == "/hub/spawn-pending/mei"
    found = waited_for(site, "mei")
    assert (found.request.size, found.request.memory_mb) == ("fair", 512)
    assert found.options["size"] == "fair"


def test_a_size_may_be_asked_for_by_the_hubs_api(site: RealHub) -> None:
    bo = site.sign_up("bo")
    headers = {"Referer": f"{site.address}/hub/", "X-XSRFToken": xsrf(bo.get("/hub/spawn"))}
    options: dict[str, Any] = {"image": "tiny", "size": "vast"}
    refused = bo.post("/hub/api/users/bo/server", json=options, headers=headers)
    assert refused.status_code == 404 and "256 CPU cores" in refused.text
    asked = bo.post("/hub/api/users/bo/server", json=options | {"size": "fair"}, headers=headers)
    assert asked.status_code in (201, 202), asked.text
    assert waited_for(site, "bo").request.size == "fair"


def waited_for(site: RealHub, username: str) -> Place:
    """Their place, as soon as it is there."""
    for _ in range(100):
        if found := place_of(site, username):
            return found
        time.sleep(0.1)
    raise AssertionError(site.log.read_text()[-3000:])
