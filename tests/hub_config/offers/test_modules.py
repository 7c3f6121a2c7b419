"""What `module.yaml` may say, and which built version of a module is on offer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub_config.offers.modules import (
    BrokenModule,
    UnknownModule,
    load_modules,
    next_version,
    published_versions,
    read_module,
)

FACTS: dict[str, Any] = {
    "id": "05_classification",
    "version": "1.0.0",
    "title": {"en": "One film", "zh_CN": "一张片"},
    "summary": {"en": "Train.", "zh_CN": "训练。"},
    "objectives": {"en": ["Train"], "zh_CN": ["训练"]},
    "minutes": 60,
    "image": "imaging",
    "gpus": 1,
    "cpu_ok": True,
    "cpus": 2,
    "memory_gb": 3,
    "datasets": ["chest-film"],
    "languages": ["en", "zh_CN"],
    "order": 5,
}


def source(folder: Path, **changes: Any) -> Path:
    facts = {key: value for key, value in {**FACTS, **changes}.items() if value is not None}
    home = folder / FACTS["id"]
    home.mkdir(exist_ok=True)
    (home / "module.yaml").write_text(yaml.safe_dump(facts, allow_unicode=True))
    return home


def built(folder: Path, id: str = "05_classification", version: str = "1.0.0", **more: Any) -> None:
    home = folder / id / version
    home.mkdir(parents=True)
    facts = {**FACTS, "id": id, "version": version, **more}
    (home / "module.json").write_text(json.dumps(facts))


def test_a_module_says_its_notebook_in_each_language(tmp_path: Path) -> None:
    module = read_module(source(tmp_path))
    assert module.notebook("zh_CN") == "lesson.zh.ipynb"
    assert module.notebook("en") == module.notebook("fr") == "lesson.ipynb"
    assert module.title_in("zh_CN") == "一张片"
    assert module.title_in("fr") == "One film"
    assert module.folder == "05_classification/1.0.0"


def test_a_module_in_english_only_opens_in_english(tmp_path: Path) -> None:
    texts = {"title": {"en": "T"}, "summary": {"en": "S"}, "objectives": {"en": ["O"]}}
    module = read_module(source(tmp_path, languages=["en"], **texts))
    assert module.notebook("zh_CN") == "lesson.ipynb"
    assert module.objectives_in("zh_CN") == ["O"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"minuts": 60}, "there is no key 'minuts'. Did you mean 'minutes'?"),
        ({"minutes": None}, "the key 'minutes' is missing"),
        ({"minutes": "sixty"}, "minutes: "),
        ({"minutes": 2}, "minutes: "),
        ({"gpus": True}, "gpus: "),
        ({"gpu_memory_gb": 0}, "gpu_memory_gb: "),
        ({"gpus": 0, "gpu_memory_gb": 8}, "a module without a GPU asks for no GPU memory"),
        ({"version": "1.0"}, "version: "),
        ({"version": "1.0.01"}, "version: "),
        ({"id": "classification"}, "id: "),
        ({"id": "06_other"}, "id: '06_other' is not the name of its folder"),
        ({"languages": ["zh_CN"]}, "'en' is the source"),
        ({"languages": ["en", "de"]}, "'de' is none of en, zh_CN"),
        ({"title": {"en": "T"}}, "title: wants the module's languages and no other: zh_CN"),
        ({"objectives": {"en": [], "zh_CN": ["x"]}}, "objectives.en: "),
        ({"datasets": ["chest-film", "chest-film"]}, "each may stand there once"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BrokenModule) as refused:
        read_module(source(tmp_path, **changes))
    assert said in str(refused.value)
    assert "module.yaml" in str(refused.value)
    assert refused.value.status == 422


def test_a_folder_without_metadata_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenModule, match=r"module\.yaml cannot be used: No such file"):
        read_module(tmp_path)


def test_the_newest_version_is_on_offer(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        built(tmp_path, version=version)
    assert load_modules(tmp_path).module("05_classification").version == "1.10.0"
    known = published_versions(tmp_path)["05_classification"]
    assert [module.version for module in known] == ["1.2.0", "1.9.0", "1.10.0"]


def test_modules_come_in_their_order(tmp_path: Path) -> None:
    built(tmp_path, id="05_classification", order=5)
    built(tmp_path, id="08_segmentation", order=2)
    modules = load_modules(tmp_path)
    assert modules.ids == ["08_segmentation", "05_classification"]
    assert [module.id for module in modules] == modules.ids
    assert len(modules) == 2
    assert "05_classification" in modules


def test_an_unknown_module_names_the_nearest(tmp_path: Path) -> None:
    built(tmp_path)
    with pytest.raises(UnknownModule, match="Did you mean '05_classification'") as refused:
        load_modules(tmp_path).module("05_clasification")
    assert refused.value.status == 404
    assert refused.value.allowed == ["05_classification"]


def test_no_folder_means_no_module(tmp_path: Path) -> None:
    assert load_modules(tmp_path / "absent").all == []


def test_a_half_written_version_is_not_on_offer(tmp_path: Path) -> None:
    built(tmp_path)
    built(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "05_classification" / "1.0.0").rename(
        tmp_path / "05_classification" / ".draft-x"
    )
    assert len(published_versions(tmp_path)["05_classification"]) == 1


def test_a_built_module_in_the_wrong_place_is_refused(tmp_path: Path) -> None:
    built(tmp_path)
    (tmp_path / "05_classification" / "1.0.0").rename(tmp_path / "05_classification" / "2.0.0")
    with pytest.raises(BrokenModule, match="not where it lies"):
        load_modules(tmp_path)


@pytest.mark.parametrize(
    ("version", "after"), [("1.0.0", "1.0.1"), ("1.2.9", "1.2.10"), ("0.0.0", "0.0.1")]
)
def test_the_next_version_is_the_smallest_above(version: str, after: str) -> None:
    assert next_version(version) == after
