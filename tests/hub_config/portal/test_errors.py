"""One shape for every refusal of the API, one sentence at the form for every refusal of a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from hub_config.errors import RadLabError
from hub_config.portal import PREFIX
from hub_config.portal.armour import MOST_BYTES

FIELDS = {"code", "message", "given", "allowed", "do"}


def is_refusal(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert set(error) >= FIELDS
    assert error["code"] == code
    assert error["message"].endswith((".", "?"))


@pytest.mark.parametrize(
    ("method", "path", "json", "status", "code"),
    [
        ("POST", "/api/groups", {"name": "Not A Name"}, 422, "bad_group_name"),
        ("POST", "/api/groups", {"name": "radiology"}, 409, "group_exists"),
        ("POST", "/api/groups", {"name": "x1", "colour": "red"}, 422, "bad_input"),
        ("POST", "/api/groups", {}, 422, "bad_input"),
        ("POST", "/api/groups", [], 422, "bad_input"),
        ("PATCH", "/api/groups/radiolgy", {"internet": True}, 404, "unknown_group"),
        ("PUT", "/api/gpus/nothing/group", {"group": None}, 404, "unknown_device"),
        ("DELETE", "/api/servers/ines", None, 404, "no_server"),
        ("DELETE", "/api/servers/nobody", None, 404, "no_server"),
        ("PUT", "/api/people/smm/groups/radiology", {"role": "student"}, 404, "unknown_person"),
        ("PUT", "/api/people/sam/groups/radiolgy", {"role": "student"}, 404, "unknown_group"),
        ("PUT", "/api/people/sam/groups/oncology", {"role": "king"}, 422, "bad_input"),
        ("PUT", "/api/people/sam/groups/administrators", {}, 403, "not_a_class_group"),
        ("PUT", "/api/people/sam/groups/instructors", {}, 403, "not_a_class_group"),
        ("PUT", "/api/people/sam/groups/oncology:instructors", {}, 403, "not_a_class_group"),
        ("DELETE", "/api/people/ana/groups/administrators", None, 403, "not_a_class_group"),
        ("DELETE", "/api/people/sam/groups/oncology", None, 404, "not_a_member"),
        ("DELETE", "/api/people/nobody/groups/oncology", None, 404, "unknown_person"),
        ("DELETE", "/api/invites/99", None, 404, "unknown_invite"),
        ("DELETE", "/api/invites/many", None, 422, "bad_input"),
        ("GET", "/api/nothing", None, 404, "not_found"),
        ("POST", "/api/me", None, 405, "bad_input"),
    ],
)
async def test_the_api_refuses_in_one_shape(
    browser: Callable[..., Any],
    school: Any,
    method: str,
    path: str,
    json: Any,
    status: int,
    code: str,
) -> None:
    more = {"json": json} if json is not None else {}
    is_refusal(await browser("ana").call(method, path, **more), status, code)


async def test_a_body_that_is_no_json_is_refused_in_that_shape(browser: Callable[..., Any]) -> None:
    answer = await browser("ana").call("POST", "/api/groups", content=b"{not json")
    is_refusal(answer, 422, "bad_input")


async def test_a_nearly_right_name_is_told(browser: Callable[..., Any], school: Any) -> None:
    answer = await browser("ana").call("PATCH", "/api/groups/radiolgy", json={"internet": True})
    assert "'radiology'" in answer.json()["error"]["message"]


async def test_a_body_too_large_or_endless_is_refused_unread(browser: Callable[..., Any]) -> None:
    async def endless() -> Any:
        yield b"x"

    nobody = browser(None).client
    large = await nobody.post(f"{PREFIX}/api/groups", content=b"x" * (MOST_BYTES + 1))
    is_refusal(large, 413, "body_too_large")
    is_refusal(await nobody.post(f"{PREFIX}/api/groups", content=endless()), 413, "body_too_large")


async def test_a_fault_of_ours_tells_no_more_than_that(
    app: FastAPI, browser: Callable[..., Any], services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr(services.groups, "all", fail)
    answer = await browser("ana").call("GET", "/api/groups")
    is_refusal(answer, 500, "error")
    assert "42" not in answer.text
    assert "content-security-policy" in answer.headers
    shown = await browser("ana").open("/groups")
    assert shown.status_code == 500
    assert "Something in RadLab went wrong" in shown.text


async def test_what_was_refused_is_always_renderable(
    browser: Callable[..., Any], services: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Strange:
        def __str__(self) -> str:
            return "strange"

    def refuse() -> None:
        raise RadLabError("No.", given={1: Strange()}, allowed=frozenset({"a"}))

    monkeypatch.setattr(services.groups, "all", refuse)
    error = (await browser("ana").call("GET", "/api/groups")).json()["error"]
    assert (error["given"], error["allowed"]) == ({"1": "strange"}, ["a"])


async def test_a_page_says_the_refusal_at_the_form_and_keeps_what_was_typed(
    browser: Callable[..., Any], school: Any
) -> None:
    ana = browser("ana")
    answer = await ana.send("/groups", name="Radio logy", title="A title <&>", internet="1")
    assert answer.status_code == 422
    assert 'id="form-error"' in answer.text
    assert "A class group cannot be called" in answer.text
    assert 'value="Radio logy"' in answer.text
    assert 'value="A title &lt;&amp;&gt;"' in answer.text
    assert 'name="internet" value="1" checked' in answer.text


async def test_an_unknown_address_is_a_page_in_the_readers_language(
    browser: Callable[..., Any],
) -> None:
    ana = browser("ana")
    ana.client.headers["Accept-Language"] = "zh-CN,zh;q=0.9"
    answer = await ana.open("/nothing")
    assert answer.status_code == 404
    assert 'lang="zh-CN"' in answer.text
    assert "There is nothing at this address" not in answer.text
