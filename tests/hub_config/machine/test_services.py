"""What each service runs, and when it must be started again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hub_config.errors import RadLabError
from hub_config.machine import services
from hub_config.machine.services import NAMES, program, stamp, trouble
from hub_config.machine.state import SECRETS
from hub_config.settings import Settings


@pytest.fixture
def site(settings: Settings) -> Settings:
    for name in SECRETS:
        settings.make_secret(name)
    settings.path("proxy").mkdir()
    settings.path("proxy", "stamp").write_text("one")
    return settings


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_stands_on_a_command_line(site: Settings, name: str) -> None:
    words = " ".join(program(site, name).words)
    assert not any(site.secret(secret) in words for secret in SECRETS)


def test_the_proxy_serves_https_with_its_own_copy_of_the_certificate(site: Settings) -> None:
    assert "--ssl-key" not in program(site, "proxy").words
    site.certificate = __file__  # any file: it is not read here
    words = program(site, "proxy").words
    assert words[words.index("--ssl-cert") + 1] == str(site.path("secrets", "certificate.pem"))


def test_the_proxys_api_listens_on_loopback_only(site: Settings) -> None:
    words = program(site, "proxy").words
    assert words[words.index("--api-ip") + 1] == "127.0.0.1"


def test_a_changed_setting_restarts_the_hub_and_a_new_package_not_the_proxy(
    site: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: stamp(site, name) for name in NAMES}
    assert before == {name: stamp(site, name) for name in NAMES}
    monkeypatch.setattr(services.packages, "installed_stamp", lambda: "newer")
    newer = {name: stamp(site, name) for name in NAMES}
    assert [name for name in NAMES if newer[name] != before[name]] == ["keeper", "hub", "portal"]
    site.port = 9000
    assert stamp(site, "proxy") != before["proxy"]


def test_a_changed_file_of_the_sites_restarts_the_hub_alone(site: Settings) -> None:
    before = {name: stamp(site, name) for name in NAMES}
    site.path("config.d").mkdir()
    site.path("config.d", "README.md").write_text("not read")
    assert {name: stamp(site, name) for name in NAMES} == before
    path = site.path("config.d", "10_timeouts.py")
    seen = {before["hub"]}
    for text in ("c.Spawner.http_timeout = 300\n", "c.Spawner.http_timeout = 400\n"):
        path.write_text(text)
        now = {name: stamp(site, name) for name in NAMES}
        seen.add(now["hub"])
        assert {**now, "hub": before["hub"]} == before
    assert len(seen) == 3


def test_a_missing_secret_is_named(settings: Settings) -> None:
    with pytest.raises(RadLabError, match="proxy_token"):
        program(settings, "proxy")


def test_a_service_that_does_not_answer_is_in_trouble(site: Settings) -> None:
    site.portal_port = 9  # nothing listens on the port of "discard"
    assert "refused" in trouble(site, "portal")
    assert "nobody watches" in trouble(site, "keeper")


def test_services_begin_without_the_checkout_or_the_shells_settings(
    site: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/checkout")
    monkeypatch.setenv("RADLAB_PORT", "1")
    made = services.clean_environment(site)
    assert made["RADLAB_STATE"] == site.state
    assert not {"PYTHONPATH", "RADLAB_PORT"} & made.keys()


@pytest.mark.parametrize("module", ["serve", "background"])
def test_an_unknown_service_is_refused_with_the_known_ones(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"hub_config.machine.{module}", "hubb"],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "keeper, proxy, hub, portal" in done.stderr
