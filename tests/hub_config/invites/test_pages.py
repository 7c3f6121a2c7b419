"""The pages at the door, in a real Hub: who comes in, who does not, and what they are told."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from html import unescape
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from jupyterhub import orm

from hub_config import clock
from hub_config.invites import codes

PASSWORD = "correct horse battery"
OTHER = "vier rote Schuhe"


def said(answer: httpx.Response) -> str:
    """The sentence in the page's error box."""
    box = re.search(r'id="form-error" role="alert">(.*?)</div>', answer.text, re.DOTALL)
    assert box, answer.text
    return unescape(box[1]).strip()


def test_a_student_signs_up_and_lands_on_the_launch_page(hub: Any) -> None:
    browser = hub.browser()
    answer = browser.sign_up(codes.grouped(hub.code()).lower(), "Ana")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/hub/spawn")
    assert browser.is_signed_in
    assert hub.groups_of("ana") == {"ct"}


def test_an_instructor_and_an_administrator_land_in_the_portal_with_their_groups(hub: Any) -> None:
    for name, terms, groups in (
        ("ira", {"role": "instructor"}, {"ct", "ct:instructors", "instructors"}),
        ("ada", {"role": "administrator", "group": None}, {"administrators"}),
    ):
        answer = hub.browser().sign_up(hub.code(**terms), name)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/services/radlab/")
        assert hub.groups_of(name) == groups
    assert not hub.api("GET", "users/ada")["admin"]  # rights come from roles, not from admin


def test_signing_in_keeps_groups_as_they_were_edited(hub: Any) -> None:
    hub.browser().sign_up(hub.code(), "gus")
    hub.api("POST", "groups/mr")
    hub.api("POST", "groups/mr/users", {"users": ["gus"]})
    hub.api("DELETE", "groups/ct/users", {"users": ["gus"]})
    browser = hub.browser()
    assert browser.sign_in("gus").status_code == 302
    assert browser.is_signed_in
    assert hub.groups_of("gus") == {"mr"}


def test_groups_are_not_lost_if_the_hub_dies_between_account_and_user(hub: Any) -> None:
    hub.store.redeem(hub.code(), "dee", _hash())
    assert hub.store.account("dee").entered_at is None
    hub.browser().sign_in("dee")
    assert hub.groups_of("dee") == {"ct"}
    assert hub.store.account("dee").entered_at is not None


def _hash() -> str:
    return PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)


def test_an_old_hash_is_made_anew_at_login(hub: Any) -> None:
    old = _hash()
    hub.store.redeem(hub.code(), "ola", old)
    assert hub.browser().sign_in("ola").status_code == 302
    new = hub.store.password_of("ola")
    assert new != old
    assert "m=19456,t=2,p=1" in new
    assert hub.browser().sign_in("ola").status_code == 302


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"name": "2li"}, 422, "'2li' cannot be a user name. Use 2 to 32 letters"),
        ({"name": "hub"}, 422, "The user name 'hub' is reserved."),
        ({"name": "root"}, 422, "The user name 'root' is reserved."),
        ({"password": "zu kurz"}, 422, "The password is too short. Use at least 10"),
        ({"password": "Password2024"}, 422, "among the first that are guessed"),
        ({"password_again": OTHER}, 422, "The two passwords are not the same."),
        ({"notice": ""}, 422, "without accepting the data-use notice"),
        ({"code": "7M2Q"}, 422, "A code has 25 characters, and this has 4."),
    ],
)
def test_bad_input_is_explained_and_changes_nothing(
    hub: Any, change: dict[str, str], status: int, sentence: str
) -> None:
    code = hub.code()
    fields = {"code": code, "name": "bob", **change}
    answer = hub.browser().sign_up(**fields)
    assert answer.status_code == status
    assert sentence in said(answer)
    assert f'value="{fields["name"]}"' in answer.text
    assert f'value="{fields["code"]}"' in answer.text
    assert fields.get("password", PASSWORD) not in answer.text
    assert hub.store.all()[0].used == 0
    assert hub.browser().sign_up(code, f"bob{secrets.token_hex(4)}").status_code == 302


def test_a_taken_name_is_said_and_costs_no_use(hub: Any) -> None:
    hub.browser().sign_up(hub.code(), "tom")
    code = hub.code()
    browser = hub.browser()
    answer = browser.sign_up(code, "tom", OTHER)
    assert answer.status_code == 409
    assert said(answer) == "The user name 'tom' is taken. Choose another name."
    assert 'name="username" value="tom" required' in answer.text
    assert browser.sign_up(code, "tommy").status_code == 302
    assert hub.browser().sign_in("tom", OTHER).status_code == 403


def test_unknown_used_expired_and_revoked_codes_get_the_same_page(hub: Any) -> None:
    used, revoked = hub.code(), hub.code()
    hub.browser().sign_up(used, "uma")
    hub.store.revoke(hub.store.all()[0].id, by="ada")
    expired = hub.code(expires_at=clock.now() - timedelta(seconds=1))
    pages = set()
    for code in (codes.spell(b"x" * 15), used, revoked, expired):
        answer = hub.browser().sign_up(code, "una")
        assert answer.status_code == 403
        page = re.sub(r'name="_xsrf" value="[^"]+"', "", answer.text)
        pages.add((page.replace(code, "CODE"), tuple(sorted(set(answer.headers) - {"date"}))))
    assert len(pages) == 1
    assert "unknown, expired, used up or withdrawn" in pages.pop()[0]


def test_wrong_password_and_unknown_name_get_the_same_answer(hub: Any) -> None:
    hub.browser().sign_up(hub.code(), "wim")
    for name in ("wim", "nobody", "no such name", "x" * 5000):
        answer = hub.browser().sign_in(name, OTHER)
        assert answer.status_code == 403
        assert said(answer).startswith("Wrong user name or password.")
        assert OTHER not in answer.text
    assert hub.browser().submit("/hub/login").status_code == 403


def test_who_guesses_a_password_locks_out_their_own_address_and_not_the_owner(hub: Any) -> None:
    hub.browser().sign_up(hub.code(), "own")
    guesser = "198.51.100.2"
    for _ in range(3):
        assert hub.browser(guesser).sign_in("own", OTHER).status_code == 403
    assert hub.browser(guesser).sign_in("own").status_code == 429
    assert hub.browser().sign_in("own").status_code == 302


def test_an_account_is_limited_whatever_the_address(hub: Any) -> None:
    hub.browser().sign_up(hub.code(), "lim")
    for _ in range(5):
        assert hub.browser().sign_in("lim", OTHER).status_code == 403
    answer = hub.browser().sign_in("lim")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 600
    assert re.fullmatch(r"Too many attempts failed. Wait \d+ min, then try again.", said(answer))


def test_an_address_is_limited_whatever_the_code(hub: Any) -> None:
    address = "198.51.100.1"
    unknown = codes.spell(b"y" * 15)
    for _ in range(8):
        assert hub.browser(address).sign_up(unknown, "guy").status_code == 403
    good = hub.code()
    assert hub.browser(address).sign_up(good, "guy").status_code == 429
    assert hub.browser().sign_up(good, "guy").status_code == 302


def test_a_container_cannot_forge_its_address(hub: Any) -> None:
    """From 127.0.0.9, which stands for a container, headers that name ever new addresses."""
    unknown = codes.spell(b"z" * 15)
    statuses = []
    for number in range(9):
        browser = hub.browser(f"203.0.113.{number}", source="127.0.0.9")
        browser.headers["X-Real-Ip"] = f"203.0.113.{number}"
        statuses.append(browser.sign_up(unknown, "eve").status_code)
    assert statuses == [403] * 8 + [429]


def test_a_browser_cannot_forge_its_address_through_the_proxy(hub: Any) -> None:
    unknown = codes.spell(b"w" * 15)
    statuses = []
    for number in range(9):
        browser = hub.browser(f"203.0.113.{number}, 198.51.100.2")  # the proxy appended the last
        browser.headers["X-Real-Ip"] = f"203.0.113.{number}"
        statuses.append(browser.sign_up(unknown, "eve").status_code)
    assert statuses == [403] * 8 + [429]


@pytest.mark.parametrize("mode", ["navigate", "cors", "no-cors", "same-origin", None])
@pytest.mark.parametrize("page", ["login", "signup", "reset"])
def test_a_form_without_its_token_is_refused(hub: Any, page: str, mode: str | None) -> None:
    browser = hub.browser()
    browser.get(f"/hub/{page}")
    browser.headers.pop("Sec-Fetch-Mode")
    if mode:
        browser.headers["Sec-Fetch-Mode"] = mode
    code = hub.code()
    fields = {"code": code, "username": "xen", "notice": "accepted", "password": PASSWORD}
    for token in ({}, {"_xsrf": "made up"}):
        data = {**fields, "password_again": PASSWORD, **token}
        answer = browser.post(f"/hub/{page}", data=data)
        assert answer.status_code == 403
        assert "This form was open for too long" in said(answer)
        assert PASSWORD not in answer.text
    assert hub.store.all()[0].used == 0
    assert not browser.is_signed_in


def test_opening_a_link_changes_nothing(hub: Any) -> None:
    code = hub.code()
    answer = hub.browser().get("/hub/signup", params={"code": code, "username": "gil"})
    assert answer.status_code == 200
    assert code not in answer.text  # a code in a query is not taken up: queries are logged
    assert hub.store.all()[0].used == 0


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "https:///evil.example", "/\\evil.example", "///x"],
)
def test_nobody_is_sent_off_the_site(hub: Any, target: str) -> None:
    name = f"next{secrets.token_hex(4)}"
    browser = hub.browser()
    page = str(httpx.URL("/hub/signup", params={"next": target}))
    gone_to = [browser.sign_up(hub.code(), name, page=page).headers["Location"]]
    page = str(httpx.URL("/hub/login", params={"next": target}))
    gone_to.append(hub.browser().sign_in(name, page=page).headers["Location"])
    gone_to.append(browser.get(page).headers["Location"])  # signed in already
    for location in gone_to:
        url = httpx.URL(location)
        assert not url.host
        assert not location.replace("\\", "/").startswith("//")


def test_a_page_of_ours_that_was_asked_for_is_shown_after(hub: Any) -> None:
    answer = hub.browser().sign_up(hub.code(), "nia", page="/hub/signup?next=/hub/home")
    assert answer.headers["Location"] == "/hub/home"


def test_a_reset_link_chooses_a_new_password_once_and_ends_other_sessions(hub: Any) -> None:
    elsewhere = hub.browser()
    elsewhere.sign_up(hub.code(), "rea")
    assert elsewhere.is_signed_in
    ends = clock.now() + timedelta(days=1)
    code = hub.store.create_reset(user="rea", by="ada", expires_at=ends).code
    browser = hub.browser()
    weak = browser.submit("/hub/reset", code=code, password="short", password_again="short")
    assert (weak.status_code, "too short" in said(weak)) == (422, True)
    again = {"password": OTHER, "password_again": OTHER}
    assert browser.submit("/hub/reset", code=code, **again).status_code == 302
    assert browser.is_signed_in
    assert not elsewhere.is_signed_in
    assert hub.browser().sign_in("rea").status_code == 403
    assert hub.browser().sign_in("rea", OTHER).status_code == 302
    used = hub.browser().submit("/hub/reset", code=code, **again)
    assert used.status_code == 403
    assert "unknown, expired, used up or withdrawn" in said(used)
    assert hub.groups_of("rea") == {"ct"}


def test_a_reset_ends_sessions_in_running_servers_too_and_spares_scripts(hub: Any) -> None:
    hub.browser().sign_up(hub.code(), "ros")
    session = orm.new_session_factory(hub.settings.jupyterhub_database_url)()
    user = session.query(orm.User).filter_by(name="ros").one()
    for note, session_id in (("browser", "a session"), ("script", None)):
        user.new_api_token(note=note, session_id=session_id)
    ends = clock.now() + timedelta(days=1)
    code = hub.store.create_reset(user="ros", by="ada", expires_at=ends).code
    again = {"password": OTHER, "password_again": OTHER}
    assert hub.browser().submit("/hub/reset", code=code, **again).status_code == 302
    assert [t["note"] for t in hub.api("GET", "users/ros/tokens")["api_tokens"]] == ["script"]


def test_who_is_deleted_in_the_hub_is_out_and_the_name_stays_taken(hub: Any) -> None:
    browser = hub.browser()
    browser.sign_up(hub.code(), "del")
    hub.api("DELETE", "users/del")
    assert not browser.is_signed_in
    assert hub.browser().sign_in("del").status_code == 403
    assert hub.browser().sign_up(hub.code(), "del").status_code == 409
    assert hub.browser().sign_up(hub.code(user="del"), "del").status_code == 302
    assert hub.groups_of("del") == {"ct"}


def test_a_user_made_in_the_hub_has_no_way_in_until_invited(hub: Any) -> None:
    hub.api("POST", "users/mia")
    assert hub.browser().sign_in("mia").status_code == 403
    assert hub.browser().sign_up(hub.code(user="mia"), "mia").status_code == 302
    assert hub.groups_of("mia") == {"ct"}
    with pytest.raises(httpx.HTTPStatusError):
        hub.api("POST", "users/mia-li")


def test_the_pages_speak_chinese_where_the_browser_does(hub: Any) -> None:
    browser = hub.browser()
    browser.headers["Accept-Language"] = "zh-CN,zh;q=0.9,en;q=0.5"
    assert "登录" in browser.get("/hub/login").text
    answer = browser.sign_up("7M2Q", "bob")
    assert 'lang="zh-CN"' in answer.text
    assert "25" in said(answer)
    assert not re.search(r"[a-z]{4}", said(answer))
    browser.cookies.set("radlab-language", "en")
    assert "Sign in" in browser.get("/hub/login").text


@pytest.mark.parametrize("page", ["login", "signup", "reset"])
def test_the_pages_run_no_foreign_script_and_stay_in_no_cache(hub: Any, page: str) -> None:
    answer = hub.browser().get(f"/hub/{page}")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", answer.text)


def test_assets_are_served_and_nothing_beside_them(hub: Any) -> None:
    browser = hub.browser()
    script = browser.get("/hub/radlab/assets/invites.js")
    assert script.status_code == 200
    assert "javascript" in script.headers["Content-Type"]
    assert script.headers["ETag"]
    for path in ("../errors.py", "..%2ferrors.py", "%2e%2e/errors.py", "", "none.js"):
        answer = browser.get(f"/hub/radlab/assets/{path}")
        assert answer.status_code in (403, 404)


def test_the_log_holds_no_code_and_no_password(hub: Any) -> None:
    browser = hub.browser()
    code = hub.code()
    browser.sign_up(code, "log")
    hub.browser().sign_in(codes.grouped(code), OTHER)  # typed into the wrong field
    hub.browser().sign_in(PASSWORD, OTHER)
    log = hub.log.read_text()
    assert "log" in log
    for secret in (code, codes.grouped(code), code.lower(), PASSWORD, OTHER):
        assert secret not in log
