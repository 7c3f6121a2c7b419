"""Sign-in through the Hub: state, PKCE, cookies, and what a session may not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hub_config.portal import PREFIX
from hub_config.portal.gate import SESSION_COOKIE


async def begin(browser: Any, path: str = "/groups?x=1") -> dict[str, str]:
    response = await browser.open(path)
    assert response.status_code == 302
    address = urlsplit(response.headers["location"])
    assert address.path == "/hub/api/oauth2/authorize"
    return {key: values[0] for key, values in parse_qs(address.query).items()}


async def test_whoever_is_not_signed_in_goes_to_the_hub_and_comes_back(
    browser: Callable[..., Any], the_hub: Any
) -> None:
    nobody = browser(None)
    asked = await begin(nobody)
    assert asked["client_id"] == "service-radlab"
    assert asked["redirect_uri"] == f"{PREFIX}/oauth_callback"
    assert asked["code_challenge_method"] == "S256"
    code = the_hub.code_for("ana", asked["code_challenge"])
    back = await nobody.open(f"/oauth_callback?code={code}&state={asked['state']}")
    assert back.status_code == 302
    assert back.headers["location"] == f"{PREFIX}/groups?x=1"
    cookies = back.headers.get_list("set-cookie")
    session = next(line for line in cookies if line.startswith(SESSION_COOKIE + "="))
    for wanted in ("HttpOnly", "SameSite=lax", f"Path={PREFIX}/"):
        assert wanted in session
    assert (await nobody.open("/groups")).status_code == 200


async def test_the_session_cookie_is_secure_behind_https(
    browser: Callable[..., Any], the_hub: Any
) -> None:
    nobody = browser(None)
    nobody.client.headers["X-Forwarded-Proto"] = "https,http"
    nobody.client.base_url = "https://radlab.test"
    asked = await begin(nobody)
    code = the_hub.code_for("ana", asked["code_challenge"])
    back = await nobody.open(f"/oauth_callback?code={code}&state={asked['state']}")
    session = next(c for c in back.headers.get_list("set-cookie") if SESSION_COOKIE + "=" in c)
    assert "Secure" in session


@pytest.mark.parametrize("how", ["no cookie", "other state", "broken cookie", "other verifier"])
async def test_a_sign_in_that_was_not_begun_here_is_refused(
    browser: Callable[..., Any], the_hub: Any, how: str
) -> None:
    nobody = browser(None)
    asked = await begin(nobody)
    challenge = asked["code_challenge"] if how != "other verifier" else "x" * 43
    code, state = the_hub.code_for("ana", challenge), asked["state"]
    if how == "no cookie":
        nobody.client.cookies.clear()
    elif how == "other state":
        state = state[:8] + "x" * (len(state) - 8)
    elif how == "broken cookie":
        name = next(iter(nobody.client.cookies))
        nobody.client.cookies.set(name, "e30.0", domain="radlab.test", path=f"{PREFIX}/")
    back = await nobody.open(f"/oauth_callback?code={code}&state={state}")
    # Refused on a page, not sent round again: a failure must not loop.
    assert back.status_code in (401, 403)
    assert SESSION_COOKIE + "=" not in str(back.headers.get_list("set-cookie"))


async def test_two_tabs_can_sign_in_at_once(browser: Callable[..., Any], the_hub: Any) -> None:
    nobody = browser(None)
    first, second = await begin(nobody, "/groups"), await begin(nobody, "/gpus")
    code = the_hub.code_for("ana", first["code_challenge"])
    back = await nobody.open(f"/oauth_callback?code={code}&state={first['state']}")
    assert back.headers["location"] == f"{PREFIX}/groups"
    assert second["state"] != first["state"]


async def test_the_hubs_refusal_is_said(browser: Callable[..., Any]) -> None:
    back = await browser(None).open("/oauth_callback?error=access_denied&error_description=<b>no")
    assert back.status_code == 403
    assert "The Hub refused the sign-in: &lt;b&gt;no." in back.text


async def test_a_session_ends_when_the_hub_ends_it(
    browser: Callable[..., Any], the_hub: Any
) -> None:
    ana = browser("ana")
    ana.client.cookies.set("jupyterhub-session-id", "one", domain="radlab.test")
    assert (await ana.open("/groups")).status_code == 200
    the_hub.tokens.clear()
    ana.client.cookies.set("jupyterhub-session-id", "two", domain="radlab.test")
    assert (await ana.open("/groups")).status_code == 302


async def test_an_edit_of_groups_counts_within_seconds(
    browser: Callable[..., Any], the_hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_config.portal.sessions.BELIEVED_SECONDS", 0.0)
    ana = browser("ana")
    assert (await ana.open("/groups")).status_code == 200
    the_hub.groups["ana"] = ["radiology"]
    assert (await ana.open("/groups")).status_code == 403


@pytest.mark.parametrize(("kind", "scopes"), [("service", None), ("user", ("self",))])
async def test_services_and_tokens_without_access_are_kept_out(
    browser: Callable[..., Any], the_hub: Any, kind: str, scopes: tuple[str, ...] | None
) -> None:
    given = scopes or ("access:services!service=radlab",)
    token = the_hub.session_of("ana", given, kind)
    answer = await browser(None).client.get(
        f"{PREFIX}/api/me", headers={"Authorization": f"token {token}"}
    )
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "no_access"


@pytest.mark.parametrize("word", ["token", "Bearer", "bearer"])
async def test_a_token_of_the_hub_opens_the_api(
    browser: Callable[..., Any], the_hub: Any, word: str
) -> None:
    token = the_hub.session_of("ines")
    answer = await browser(None).client.get(
        f"{PREFIX}/api/me", headers={"Authorization": f"{word} {token}"}
    )
    assert answer.json() == {
        "name": "ines",
        "groups": ["instructors", "radiology", "radiology:instructors"],
        "administrator": False,
        "teaches": ["radiology"],
    }


async def test_a_wrong_token_is_not_rescued_by_a_cookie(browser: Callable[..., Any]) -> None:
    ana = browser("ana")
    answer = await ana.client.get(f"{PREFIX}/api/me", headers={"Authorization": "token wrong"})
    assert answer.status_code == 401


async def test_while_the_hub_is_down_a_page_says_so(
    browser: Callable[..., Any], the_hub: Any
) -> None:
    ana = browser("ana")
    the_hub.down = True
    answer = await ana.open("/")
    assert answer.status_code == 503
    assert "JupyterHub does not answer" in answer.text
    health = await ana.open("/health")
    assert (health.status_code, health.json()["hub"]) == (200, "unreachable")
