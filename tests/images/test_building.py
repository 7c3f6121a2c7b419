"""What a build says when it cannot: no engine, no room, no network, the wrong torch."""

from __future__ import annotations

import io
import urllib.request
from pathlib import Path
from typing import Any

import docker
import pytest

from hub_config.machine import image_build, image_debian, image_wheels
from hub_config.machine.image_build import (
    BuildFailed,
    EngineUnready,
    NoRoom,
    connected,
    ensure_images,
)
from hub_config.machine.image_wheels import TorchForCuda, WheelsUnavailable
from hub_config.offers.building import Site, plan_builds
from hub_config.offers.images import ImageNotBuilt, UnknownImage, load_images
from hub_config.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
CATALOG = load_images(ROOT / "images" / "catalog.yaml")


class TinyDisk:
    """An engine that has no image and keeps its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info = lambda: {"DockerRootDir": str(folder), "Architecture": "x86_64"}


def test_no_engine_is_a_sentence_that_says_what_to_do(settings: Settings) -> None:
    settings.engine = "unix:///nowhere/docker.sock"
    with pytest.raises(EngineUnready, match="No Docker Engine answers") as caught:
        ensure_images(settings)
    assert "up" in str(caught.value.do)
    assert not settings.path("offers", "images.yaml").exists()


def test_another_machines_engine_is_refused_before_anything_is_fetched(
    settings: Settings,
) -> None:
    settings.engine = "tcp://192.0.2.1:2375"
    with pytest.raises(EngineUnready, match="engine of this machine"):
        image_build._check_engine(settings)


def test_too_little_disk_is_said_before_the_build(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = type("Usage", (), {"free": 10**9})
    monkeypatch.setattr(image_build.shutil, "disk_usage", lambda path: usage)
    site = Site(ROOT, "debootstrap", b"")
    client: Any = TinyDisk(tmp_path)
    builder = image_build._Builder(settings, site, client, lambda line: None, False)
    with pytest.raises(NoRoom, match=r"wants 7 GB of free disk .*has 1\.0 GB"):
        builder.run(plan_builds(CATALOG, site))


def test_a_disk_that_fills_up_is_told_from_a_failed_step(tmp_path: Path) -> None:
    build = plan_builds(CATALOG, Site(ROOT, "debootstrap", b""))[0]
    log = tmp_path / "image-base.log"
    full = image_build._failed(build, "write /x: no space left on device", log)
    assert full.code == "no_room"
    other = image_build._failed(build, "The command 'x' returned a non-zero code: 1", log)
    assert other.code == "image_build_failed"
    assert str(log) in str(other)


def test_an_unknown_image_is_not_built(settings: Settings) -> None:
    with pytest.raises(UnknownImage, match="Did you mean 'imaging'"):
        ensure_images(settings, ids=["imagin"])


def test_the_wheels_of_an_unreachable_index_are_said_with_pips_reason(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    settings.pip_index_url = "http://127.0.0.1:9/simple"
    lock = tmp_path / "requirements.txt"
    lock.write_text("no-such-package-of-radlab==1.0\n")
    with (tmp_path / "log").open("wb") as log, pytest.raises(WheelsUnavailable) as caught:
        image_wheels.fetch([lock], tmp_path / "wheels", settings, "x86_64", log)
    assert "No matching distribution found" in caught.value.message
    assert "pip_index_url" in str(caught.value.do)
    assert str(tmp_path / "log") in str(caught.value.do)


def test_torch_for_cuda_stops_a_build_for_the_cpu() -> None:
    plain = {"version": "2.13.0", "requires_dist": ["filelock", "nvidia-cudnn-cu13==9.2"]}
    with pytest.raises(TorchForCuda) as caught:
        image_wheels._refuse_cuda(plain)
    for way in ("RADLAB_TORCH_INDEX_URL", "find-links", "torch: cuda"):
        assert way in str(caught.value)
    image_wheels._refuse_cuda({"version": "2.13.0+cpu", "requires_dist": ["filelock", "sympy"]})


def cuda_only(*_: object) -> None:
    image_wheels._refuse_cuda({"version": "2.13.0", "requires_dist": ["nvidia-cudnn-cu13==9.2"]})


@pytest.mark.engine
def test_where_only_the_build_for_cuda_is_found_it_is_taken_and_kept(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[str | None] = []

    def build_nothing(builder: Any, missing: Any) -> dict[str, float]:
        wanted.append(next(one.image.torch for one in missing if one.image.torch))
        if wanted[-1] == "cpu":
            cuda_only()
        raise BuildFailed("as far as this test goes")

    monkeypatch.setattr(image_build._Builder, "run", build_nothing)
    said: list[str] = []
    with pytest.raises(BuildFailed):
        ensure_images(settings, progress=said.append, again=True)
    assert wanted == ["cpu", "cuda"]
    assert "`torch: cuda` kept in the settings" in said[0]
    assert load_settings(settings.state).torch == "cuda"


@pytest.mark.engine
def test_a_site_that_insists_on_the_cpu_is_told_how_to_have_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.torch = "cpu"
    monkeypatch.setattr(image_build._Builder, "run", cuda_only)
    with pytest.raises(TorchForCuda):
        ensure_images(settings, again=True)


def test_the_setting_names_the_build_of_torch_for_every_image_that_has_one(
    settings: Settings,
) -> None:
    settings.torch = "cuda"
    chosen = image_build.catalog(settings, Site(ROOT, "debootstrap", b""))
    assert {one.id: one.torch for one in chosen} == {"base": None, "imaging": "cuda"}


def test_settings_reach_pip(settings: Settings, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    settings.ca_bundle = str(bundle)
    settings.pip_index_url = "https://mirror.example/simple"
    settings.torch_index_url = "https://mirror.example/cpu"
    command = image_wheels._pip("download", settings, "aarch64")
    for option, value in [
        ("--cert", str(bundle)),
        ("--index-url", "https://mirror.example/simple"),
        ("--extra-index-url", "https://mirror.example/cpu"),
    ]:
        assert command[command.index(option) + 1] == value
    assert "--platform=manylinux_2_28_aarch64" in command
    assert "--only-binary=:all:" in command


def test_wheels_are_served_on_loopback_while_the_build_runs(tmp_path: Path) -> None:
    wheel = tmp_path / "uv-1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    twin = tmp_path / "other" / wheel.name
    twin.parent.mkdir()
    twin.write_bytes(b"wheel")
    with image_wheels.served([wheel, twin]) as first, image_wheels.served([wheel]) as second:
        assert first != second
        for address in (first, second):
            page = urllib.request.urlopen(f"{address}/").read().decode()
            assert 'href="uv-1.0-py3-none-any.whl"' in page
            assert urllib.request.urlopen(f"{address}/{wheel.name}").read() == b"wheel"
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{first}/", timeout=2)


def test_wheels_of_an_unchanged_lock_are_not_fetched_again(
    settings: Settings, tmp_path: Path
) -> None:
    settings.pip_index_url = "http://127.0.0.1:9/simple"
    (tmp_path / "base").mkdir()
    lock = tmp_path / "base" / "requirements.txt"
    lock.write_text("small==1.0\n")
    kept = image_wheels.cached(lock, tmp_path / "cache")
    kept.mkdir(parents=True)
    (kept / "small-1.0-py3-none-any.whl").write_bytes(b"wheel")
    with (tmp_path / "log").open("wb") as log:
        found = image_wheels.fetch([lock], tmp_path / "cache", settings, "x86_64", log)
    assert [wheel.name for wheel in found] == ["small-1.0-py3-none-any.whl"]


@pytest.mark.parametrize(
    ("found", "lacking"),
    [(None, "apt-get install debootstrap"), ("/usr/sbin/debootstrap", "debian-archive-keyring")],
)
def test_a_missing_tool_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: str | None, lacking: str
) -> None:
    monkeypatch.setattr(image_debian.os, "geteuid", lambda: 0)
    monkeypatch.setattr(image_debian.shutil, "which", lambda name: found)
    monkeypatch.setattr(image_debian, "KEYRING", tmp_path / "none.gpg")
    with pytest.raises(image_debian.DebianUnavailable, match=lacking):
        image_debian.check_tools()


def test_debootstraps_reason_is_passed_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "debootstrap"
    program.write_text(
        "#!/bin/sh\necho 'I: Retrieving InRelease'\necho 'E: Bad signature'\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    said: list[str] = []
    refused = pytest.raises(image_debian.DebianUnavailable, match="Bad signature")
    with (tmp_path / "log").open("wb") as log, refused as caught:
        image_debian._debootstrap(tmp_path, ["python3"], settings, log, said.append)
    assert "debian_mirror" in str(caught.value.do)
    assert said == ["retrieving Debian's packages"]


@pytest.mark.engine
def test_what_is_there_is_not_built_again_and_the_state_gets_the_names(
    settings: Settings, tmp_path: Path, docker_client: docker.DockerClient
) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "images" / "empty").mkdir(parents=True)
    (checkout / "images" / "tools").mkdir()
    (checkout / "images" / "catalog.yaml").write_text("images: []\n")
    assert ensure_images(settings, checkout=checkout) == []
    assert len(load_images(settings.path("offers", "images.yaml"))) == 0

    site = Site(checkout, "scratch-of-a-test", b"")
    settings.base_image = site.base_image
    settings.ca_bundle = ""
    image = CATALOG.image("base").model_copy(update={"folder": "empty", "sources": []})
    catalog = type(CATALOG)([image])
    (build,) = plan_builds(catalog, site)
    empty = io.BytesIO(b"\0" * 10240)
    repository, _, version = build.tag.partition(":")
    docker_client.api.import_image_from_data(empty.read(), repository=repository, tag=version)
    try:
        said: list[str] = []
        (built,) = ensure_images(settings, catalog, said.append, checkout=checkout)
        assert (built.tag, built.fresh, said) == (build.tag, False, [])
        assert load_images(settings.path("offers", "images.yaml")).image("base").tag == build.tag
    finally:
        docker_client.images.remove(build.tag, force=True)
    assert ensure_names_nothing(settings, catalog, checkout)


def ensure_names_nothing(settings: Settings, catalog: Any, checkout: Path) -> bool:
    """After the image is gone, the state's catalog no longer names it."""
    with connected(settings) as client:
        image_build.publish(settings, catalog, image_build.read_site(settings, checkout), client)
    with pytest.raises(ImageNotBuilt):
        _ = load_images(settings.path("offers", "images.yaml")).image("base").tag
    return True
