"""The pins of the images: complete, in agreement with one another, and with the platform's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "images"
LOCKS = ["base/requirements.txt", "imaging/requirements.txt", "imaging/torch-cpu.txt",
         "imaging/torch-cuda.txt", "tools/requirements.txt"]  # fmt: skip


def pins(path: Path) -> dict[str, Version]:
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    found = {}
    for line in filter(None, lines):
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{path}: {line} is not pinned"
        found[_canonical(requirement.name)] = Version(specifier.version)
    return found


def wanted(path: Path) -> list[Requirement]:
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_is_pinned_and_names_no_host(lock: str) -> None:
    assert pins(IMAGES / lock)
    assert "://" not in (IMAGES / lock).read_text()


@pytest.mark.parametrize("image", ["base", "imaging"])
def test_the_lock_has_what_the_image_asks_for(image: str) -> None:
    locked = {}
    for name in ("base/requirements.txt", "imaging/requirements.txt", "imaging/torch-cpu.txt"):
        locked |= pins(IMAGES / name)
    asked = wanted(IMAGES / image / "requirements.in")
    assert asked
    for requirement in asked:
        version = locked[_canonical(requirement.name)]
        assert version in requirement.specifier, f"{requirement} against {version}"


def test_no_image_pins_what_is_pinned_beneath_it() -> None:
    base = set(pins(IMAGES / "base/requirements.txt"))
    assert base
    for name in LOCKS[1:4]:
        above = set(pins(IMAGES / name))
        assert above, name
        assert not base & above, name


def test_both_builds_of_torch_have_one_version() -> None:
    cpu, cuda = (pins(IMAGES / f"imaging/torch-{build}.txt") for build in ("cpu", "cuda"))
    assert cpu["torch"] == cuda["torch"]
    assert set(cpu) == {"torch"}
    assert any(name.startswith("nvidia-") for name in cuda)


def test_the_single_user_server_is_of_the_hubs_version() -> None:
    hub = pins_of_the_platform()["jupyterhub"]
    assert pins(IMAGES / "base/requirements.txt")["jupyterhub"] == hub


def pins_of_the_platform() -> dict[str, Version]:
    found = {}
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line)
        if match:
            found[_canonical(match[1])] = Version(match[2])
    return found


def test_students_read_dicom_with_the_version_that_the_platform_writes_with() -> None:
    platform, image = pins_of_the_platform(), pins(IMAGES / "base/requirements.txt")
    assert image["pydicom"] == platform["pydicom"]


@pytest.mark.parametrize(
    ("package", "least", "lock"),
    [
        ("jupyter-server", "2.20", "base/requirements.txt"),
        ("pydicom", "3.0.2", "base/requirements.txt"),
        ("monai", "1.6.1", "imaging/requirements.txt"),
    ],
)
def test_versions_with_known_holes_are_left_behind(package: str, least: str, lock: str) -> None:
    assert pins(IMAGES / lock)[package] >= Version(least)


def test_the_package_that_slows_every_start_is_left_out() -> None:
    assert "rfc3987-syntax" not in pins(IMAGES / "base/requirements.txt")
