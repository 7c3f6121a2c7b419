"""The catalog of images: what it may say, and what a wrong line is answered with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hub_config.offers.images import (
    BrokenCatalog,
    ImageNotBuilt,
    UnknownImage,
    load_images,
    write_images,
)

ROOT = Path(__file__).parents[2]


def entry(**changes: Any) -> dict[str, Any]:
    facts = {
        "id": "base",
        "folder": "base",
        "version": "1.0",
        "title": {"en": "Python", "zh_CN": "Python 环境"},
        "description": {"en": "Python.", "zh_CN": "Python。"},
        "offered": True,
        "cpus": 1,
        "memory_gb": 2,
        "minutes": 60,
        "pids": 256,
    }
    return {**facts, **changes}


def written(folder: Path, *entries: Any) -> Path:
    path = folder / "images.yaml"
    path.write_text(yaml.safe_dump({"images": list(entries)}, allow_unicode=True))
    return path


def test_the_catalog_of_the_checkout_has_base_and_imaging() -> None:
    images = load_images(ROOT / "images" / "catalog.yaml")
    assert images.ids == ["base", "imaging"]
    assert images.image("imaging").parent == "base"
    assert images.image("imaging").torch in ("cpu", "cuda")
    assert [image.id for image in images.lineage("imaging")] == ["base", "imaging"]


def test_texts_come_in_both_languages() -> None:
    for image in load_images(ROOT / "images" / "catalog.yaml"):
        for text in (image.title, image.description):
            assert text.in_language("en") == text.en
            assert text.in_language("zh_CN") == text.zh_CN
            assert any("一" <= character <= "鿿" for character in text.zh_CN)


def test_an_unknown_image_is_answered_with_the_nearest(tmp_path: Path) -> None:
    images = load_images(written(tmp_path, entry(), entry(id="imaging")))
    with pytest.raises(UnknownImage, match="Did you mean 'imaging'") as caught:
        images.image("imagin")
    assert caught.value.status == 404
    assert caught.value.allowed == ["base", "imaging"]


def test_an_empty_catalog_means_no_image(tmp_path: Path) -> None:
    for path in (written(tmp_path), tmp_path / "none.yaml"):
        if path.name == "none.yaml":
            path.write_text("images:\n")
        images = load_images(path)
        assert len(images) == 0
        with pytest.raises(UnknownImage, match="catalog of images is empty"):
            images.image("base")


def test_only_offered_images_are_just_an_environment(tmp_path: Path) -> None:
    images = load_images(written(tmp_path, entry(), entry(id="hidden", offered=False)))
    assert [image.id for image in images.offered] == ["base"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"memory": 2}, "no key 'memory'. Did you mean 'memory_gb'"),
        ({"torch": "gpu"}, "torch: Input should be 'cpu' or 'cuda'"),
        ({"cpus": 0}, "cpus: Input should be greater than 0"),
        ({"version": "new"}, "version: String should match pattern"),
        ({"title": {"en": "Python"}}, "'title.zh_CN' is missing"),
        ({"from": "bsae"}, "'from' must be an image above it, not 'bsae'"),
        ({"id": "Base Image"}, "id: String should match pattern"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BrokenCatalog) as caught:
        load_images(written(tmp_path, entry(**changes)))
    assert reason in str(caught.value)
    assert "Correct that file" in str(caught.value)


def test_an_image_cannot_stand_on_one_below_it(tmp_path: Path) -> None:
    first, second = entry(id="one", **{"from": "two"}), entry(id="two", **{"from": "one"})
    with pytest.raises(BrokenCatalog, match="must be an image above it"):
        load_images(written(tmp_path, first, second))


def test_an_id_stands_there_once(tmp_path: Path) -> None:
    with pytest.raises(BrokenCatalog, match="twice"):
        load_images(written(tmp_path, entry(), entry()))


@pytest.mark.parametrize("text", ["", "- base", "images: base", "image: []", "{"])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(text)
    with pytest.raises(BrokenCatalog, match="cannot be used"):
        load_images(path)


def test_a_missing_catalog_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ImageNotBuilt, match=r"\./radlab up"):
        load_images(tmp_path / "images.yaml")


def test_an_image_has_a_tag_once_it_is_built(tmp_path: Path) -> None:
    images = load_images(written(tmp_path, entry()))
    with pytest.raises(ImageNotBuilt, match="radlab image build base"):
        _ = images.image("base").tag
    built = images.image("base").model_copy(update={"built": "radlab/base:1.0-abc"})
    write_images(type(images)([built]), tmp_path / "built.yaml")
    assert load_images(tmp_path / "built.yaml").image("base").tag == "radlab/base:1.0-abc"
