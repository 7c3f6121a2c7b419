"""JupyterHub itself, started from our configuration, shows and refuses as it should."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from real_hub import PASSWORD, RealHub, xsrf

from hub_config.db import open_database
from hub_config.groups.store import GroupStore


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """A Hub without a keeper; its class has no GPU."""
    hub = RealHub(tmp_path_factory.mktemp("hub") / "s", "127.30.0")
    database = open_database(hub.settings.radlab_database_url)
    GroupStore(database).create("radiology", by="test")
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def mei(site: RealHub) -> httpx.Client:
    return site.sign_up("mei")


CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}


@pytest.mark.parametrize(
    ("address", "status", "english", "chinese"),
    [
        ("/hub/spawn", 200, "Course modules", "课程模块"),
        ("/hub/home", 200, "Nothing is running", "没有正在运行的服务器"),
        ("/hub/token", 200, "Make a token", "创建令牌"),
        ("/hub/nowhere", 404, "There is no such page", "没有这个页面"),
        ("/user/mei/lab", 424, "Your server is not running", "您的服务器没有运行"),
        ("/hub/error/503", 200, "Your server does not answer", "您的服务器没有响应"),
        ("/hub/admin", 403, "That is not open to you", "您无权访问此页面"),
    ],
)
def test_each_page_speaks_both_languages(mei, address, status, english, chinese):
    page = mei.get(address)
    assert page.status_code == status
    assert english in page.text
    assert chinese in mei.get(address, headers=CHINESE).text
    assert "help@example.edu" in page.text


def test_the_launch_page_names_module_image_size_and_minutes(mei):
    text = mei.get("/hub/spawn").text
    for words in ("Classification: chest film", "Tiny", "45 minutes", "No GPU for your group"):
        assert words in text


def test_a_press_of_start_is_refused_on_the_page_in_the_students_language(mei):
    start = "module/05_classification/gpu"
    form = {"start": start, "language": "en", "_xsrf": xsrf(mei.get("/hub/spawn"))}
    page = mei.post("/hub/spawn", data=form, headers=CHINESE)
    for _ in range(100):
        if 'id="spawn-error"' in page.text:
            break
        time.sleep(0.1)  # on a slow machine the pending page comes first, then the reason
        page = mei.get("/hub/spawn-pending/mei", headers=CHINESE)
    assert "未能启动" in page.text
    assert "没有可用的 GPU 分配给 radiology" in page.text


def test_a_link_with_options_starts_nothing(mei, site):
    page = mei.get("/hub/spawn?opt-image=tiny")
    assert page.status_code == 403
    assert "A link cannot start a server." in page.text


def test_a_press_without_the_token_of_the_page_starts_nothing(mei):
    refused = mei.post(
        "/hub/spawn", data={"start": "image/tiny/0"}, headers={"Sec-Fetch-Mode": "no-cors"}
    )
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"image": "tny"}, 404, "Did you mean 'tiny'?"),
        ({"module": "05_clasification"}, 404, "Did you mean '05_classification'?"),
        ({"image": "tiny", "mounts": ["/"]}, 422, "no option 'mounts'"),
        ({"image": "tiny", "gpus": 1}, 404, "No GPU that can be used is assigned to radiology"),
    ],
)
def test_the_rest_api_asks_the_same_rules(mei, options, status, words):
    token = xsrf(mei.get("/hub/spawn"))
    answer = mei.post("/hub/api/users/mei/server", json=options, headers={"X-XSRFToken": token})
    assert answer.status_code == status, answer.text
    assert words in answer.json()["message"]


def test_a_token_made_on_the_page_may_do_what_its_owner_may_and_no_more(mei):
    token = xsrf(mei.get("/hub/spawn"))
    made = mei.post(
        "/hub/api/users/mei/tokens",
        json={"note": "script", "expires_in": 3600},
        headers={"X-XSRFToken": token},
    )
    script = httpx.Client(
        base_url=mei.base_url, headers={"Authorization": f"token {made.json()['token']}"}
    )
    assert script.get("/hub/api/user").json()["name"] == "mei"
    assert script.get("/hub/api/users").status_code == 403
    assert "script" in mei.get("/hub/token").text


def test_an_administrator_holds_custom_scopes_and_not_the_hub(site):
    ada = site.sign_up("ada", "administrator")
    scopes = ada.get("/hub/api/user", headers={"Referer": f"{ada.base_url}/hub/"}).json()["scopes"]
    assert "custom:gpus:write" in scopes
    assert not [scope for scope in scopes if scope.startswith("admin")]
    assert ada.get("/hub/admin").status_code == 403


def test_signing_in_leads_staff_to_the_portal_and_students_to_the_launch_page(site):
    for name, role, leads_to in (
        ("eva", "administrator", "/services/radlab/"),
        ("leo", "student", "/hub/spawn"),
    ):
        site.sign_up(name, role).close()
        browser = httpx.Client(base_url=site.address, headers={"Sec-Fetch-Mode": "navigate"})
        form = {"username": name, "password": PASSWORD, "_xsrf": xsrf(browser.get("/hub/login"))}
        answer = browser.post("/hub/login", data=form)
        assert answer.headers["Location"] == leads_to


def test_pages_may_not_be_framed_nor_their_type_guessed(mei):
    headers = mei.get("/hub/home").headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_no_secret_of_a_page_or_a_person_is_in_the_log(mei, site):
    log = site.log.read_text()
    assert PASSWORD not in log
    assert site.settings.secret("proxy_token") not in log
    assert xsrf(mei.get("/hub/spawn")) not in log
