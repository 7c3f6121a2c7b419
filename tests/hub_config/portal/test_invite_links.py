"""A link to an invite leads to the same address, whether a page or the API made it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from hub_config.portal.services import Services

TERMS = {"role": "student", "group": "radiology", "uses": "3", "expires": "1d"}


@pytest.mark.parametrize(
    ("forwarded", "public_url", "leads_to"),
    [
        ("", "", "http://radlab.test"),
        ("http", "", "http://radlab.test"),
        # A front proxy that ends TLS, then our own, which it reaches without.
        ("https,http", "", "https://radlab.test"),
        ("https,http", "https://lab.example.edu/", "https://lab.example.edu"),
        ("http", "https://lab.example.edu/", "https://lab.example.edu"),
    ],
)
async def test_a_link_leads_where_people_come_from(
    school: Any,
    services: Services,
    browser: Callable[..., Any],
    forwarded: str,
    public_url: str,
    leads_to: str,
) -> None:
    services.settings.public_url = public_url
    ana = browser("ana")
    if forwarded:
        ana.client.headers["X-Forwarded-Proto"] = forwarded
    made = await ana.call("POST", "/api/invites", json={"group": "radiology"})
    assert made.status_code == 201
    assert made.json()["link"].startswith(f"{leads_to}/hub/signup#code=")
    reset = await ana.call("POST", "/api/resets", json={"user": await joined(services)})
    assert reset.json()["link"].startswith(f"{leads_to}/hub/reset#code=")
    page = await ana.send("/invites", **TERMS)
    assert re.findall(r"[^\s\"'<>]*(?=/hub/signup#code=)", page.text)[0] == leads_to


async def joined(services: Services) -> str:
    """An account whose password can be chosen anew."""
    invite = services.invites.create_first_administrator()
    return services.invites.redeem(invite.code, "olga", "hash").name
