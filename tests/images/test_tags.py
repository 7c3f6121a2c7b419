"""An image's name follows from what it is built from: from all of it, and from nothing else."""

from __future__ import annotations

import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from hub_config.offers.building import (
    MissingSource,
    Site,
    context_archive,
    debian_packages,
    plan_builds,
    plan_debian,
)
from hub_config.offers.images import Images, load_images

ROOT = Path(__file__).parents[2]
ONE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
TWO = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A copy of what the images are built from, to be changed."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("images", "datasets/client", "datasets/synthetic", "courses/kit"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    return Site(tmp_path, "debootstrap", ONE.encode())


@pytest.fixture
def images(site: Site) -> Images:
    return load_images(site.catalog)


def tags(images: Images, site: Site) -> dict[str, str]:
    return {build.image.id: build.tag for build in plan_builds(images, site)}


def test_the_same_files_give_the_same_names(site: Site, images: Images) -> None:
    before = tags(images, site)
    os.utime(site.checkout / "images/base/Dockerfile", (0, 0))
    cache = site.checkout / "images/base/session/radlab_session/__pycache__"
    cache.mkdir()
    (cache / "start.cpython-311.pyc").write_bytes(b"compiled")
    assert tags(images, site) == before
    assert before["base"].startswith("radlab/base:1.0-")


@pytest.mark.parametrize(
    "path",
    [
        "images/base/Dockerfile",
        "images/base/requirements.txt",
        "images/base/labextension/static/remoteEntry.js",
        "images/tools/install.py",
        "datasets/client/pyproject.toml",
        "courses/kit/pyproject.toml",
        "images/base/packages.txt",
    ],
)
def test_a_changed_file_renames_the_image_and_the_one_upon_it(
    site: Site, images: Images, path: str
) -> None:
    before = tags(images, site)
    with (site.checkout / path).open("a") as file:
        file.write("\n# changed\n")
    after = tags(images, site)
    assert after["base"] != before["base"]
    assert after["imaging"] != before["imaging"]


def test_a_change_above_leaves_the_image_beneath(site: Site, images: Images) -> None:
    before = tags(images, site)
    (site.checkout / "images/imaging/smoke.py").write_text("changed")
    after = tags(images, site)
    assert after["base"] == before["base"]
    assert after["imaging"] != before["imaging"]


def test_another_build_of_torch_is_another_image(site: Site, images: Images) -> None:
    other = {"cpu": "cuda", "cuda": "cpu"}[images.image("imaging").torch or ""]
    changed = [images.image("base"), images.image("imaging").model_copy(update={"torch": other})]
    assert tags(Images(changed), site)["imaging"] != tags(images, site)["imaging"]


def test_certificate_authorities_count_and_their_order_does_not(site: Site, images: Images) -> None:
    both = tags(images, replace(site, authorities=f"# comment\n{ONE}{TWO}".encode()))
    turned = tags(images, replace(site, authorities=f"{TWO}\n{ONE}".encode()))
    assert both == turned
    assert both != tags(images, site)


def test_the_base_is_debootstrap_or_a_reference(site: Site, images: Images) -> None:
    assert plan_debian(site).startswith("radlab/debian:12-")
    pulled = replace(site, base_image="debian:bookworm-slim")
    assert plan_builds(images, pulled)[0].parent == "debian:bookworm-slim"
    assert tags(images, pulled)["base"] != tags(images, site)["base"]


def test_a_plan_for_one_image_brings_those_beneath(site: Site, images: Images) -> None:
    assert [build.image.id for build in plan_builds(images, site, ["imaging"])] == [
        "base",
        "imaging",
    ]
    assert [build.image.id for build in plan_builds(images, site, ["base"])] == ["base"]


def test_the_context_holds_the_sources_and_the_authorities(site: Site, images: Images) -> None:
    build = plan_builds(images, site, ["base"])[0]
    with tarfile.open(fileobj=context_archive(build, site)) as tar:
        names = set(tar.getnames())
        assert tar.extractfile("ca-certificates.crt").read() == site.authorities
    assert {"Dockerfile", "tools/install.py", "datasets/client/pyproject.toml"} <= names
    assert not any("__pycache__" in name for name in names)
    assert context_archive(build, site).read() == context_archive(build, site).read()


def test_a_missing_source_is_named(site: Site, images: Images) -> None:
    shutil.rmtree(site.checkout / "datasets/client")
    with pytest.raises(MissingSource, match="datasets/client"):
        plan_builds(images, site)


def test_the_debian_packages_are_words_without_comments(site: Site) -> None:
    packages = debian_packages(site)
    assert {"python3", "tini", "locales", "fonts-wqy-microhei"} <= set(packages)
    assert all(package == package.split()[0] for package in packages)
