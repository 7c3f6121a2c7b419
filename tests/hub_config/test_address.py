"""The address that people open, worked out where no setting says it."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from hub_config import settings as settings_
from hub_config.settings import Settings, reachable_host

Found = list[tuple[int, int, int, str, tuple[str, int]]]


def named(monkeypatch: pytest.MonkeyPatch, name: str, *addresses: str) -> None:
    found: Found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in addresses]

    def look_up(host: str, port: object) -> Found:
        assert host == name
        if not found:
            raise socket.gaierror("unknown")
        return found

    monkeypatch.setattr(settings_.socket, "getfqdn", lambda: name)
    monkeypatch.setattr(settings_.socket, "getaddrinfo", look_up)


def test_a_full_name_that_others_can_look_up_is_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named(monkeypatch, "lab.example.edu", "203.0.113.7")
    assert Settings(listen="0.0.0.0").address == "http://lab.example.edu:8000"
    assert Settings(listen="::", port=9000).address == "http://lab.example.edu:9000"


@pytest.mark.parametrize(
    ("name", "addresses"),
    [("lab", ["203.0.113.7"]), ("lab.example.edu", ["127.0.1.1"]), ("lab.example.edu", [])],
)
def test_a_name_that_leads_nowhere_is_not_told_to_anybody(
    monkeypatch: pytest.MonkeyPatch, name: str, addresses: list[str]
) -> None:
    named(monkeypatch, name, *addresses)
    host = reachable_host()
    own = ipaddress.IPv4Address(
        host
    )  # the default route's address, or loopback where there is none
    with socket.create_server((str(own), 0)):
        pass


def test_an_address_that_the_site_has_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, "lab.example.edu", "203.0.113.7")
    assert Settings(listen="10.0.0.5").address == "http://10.0.0.5:8000"
    assert Settings(listen="::1").address == "http://[::1]:8000"
    assert Settings(public_url="https://radlab.example.edu/").address == (
        "https://radlab.example.edu"
    )
