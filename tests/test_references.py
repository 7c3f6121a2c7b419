"""Every image, dataset and notebook that a YAML names exists."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "courses").glob("[0-9]*/module.yaml"))


def image_entries() -> list[dict[str, object]]:
    return list(yaml.safe_load((ROOT / "images" / "catalog.yaml").read_text())["images"])


def test_there_is_a_module_to_check() -> None:
    assert MODULES


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.parent.name)
def test_a_module_names_an_image_and_datasets_that_exist(path: Path) -> None:
    module = yaml.safe_load(path.read_text())
    assert module["id"] == path.parent.name
    assert module["image"] in {entry["id"] for entry in image_entries()}
    for dataset in module.get("datasets", []):
        assert (ROOT / "datasets" / "cards" / f"{dataset.split('@')[0]}.yaml").is_file()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.parent.name)
def test_a_module_has_its_lesson_and_its_prose_in_each_language(path: Path) -> None:
    module = yaml.safe_load(path.read_text())
    assert (path.parent / "lesson.py").is_file()
    if "zh_CN" in module["languages"]:
        assert (path.parent / "lesson.zh.md").is_file()


@pytest.mark.parametrize("entry", image_entries(), ids=lambda e: str(e["id"]))
def test_an_image_has_its_folder_with_pins_and_smoke(entry: dict[str, object]) -> None:
    folder = ROOT / "images" / str(entry["folder"])
    for name in ("Dockerfile", "requirements.in", "requirements.txt", "smoke.py"):
        assert (folder / name).is_file(), f"{folder.name}/{name} is missing"


def test_no_file_names_a_package_registry_or_a_path_of_a_machine() -> None:
    hosts = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "deb.debian" + ".org")
    for path in [*ROOT.rglob("requirements*.txt"), *ROOT.rglob("package-lock.json")]:
        if not {"node_modules", "test-output"} & set(path.parts):
            text = path.read_text()
            assert not any(host in text for host in hosts), path
