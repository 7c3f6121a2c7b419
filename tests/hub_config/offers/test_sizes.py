"""Named sizes: what the list may say, who may choose one, and whether something fits into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hub_config.offers.host import Host, this_host
from hub_config.offers.sizes import (
    SHIPPED,
    BrokenSizes,
    Numbers,
    Size,
    UnknownSize,
    by_size,
    lacking,
    load_sizes,
)

FACTS: dict[str, Any] = {
    "id": "gpu",
    "title": {"en": "GPU", "zh_CN": "GPU"},
    "cpus": 2,
    "memory_gb": 8,
    "gpus": 1,
}
LAB = Numbers(cpus=2, memory_gb=3, gpus=1, gpu_memory_gb=4, minutes=60)


def size(**changes: Any) -> Size:
    facts = {key: value for key, value in {**FACTS, **changes}.items() if value is not None}
    return Size.model_validate(facts)


def listed(folder: Path, *entries: Any) -> Path:
    path = folder / "sizes.yaml"
    path.write_text(yaml.safe_dump({"sizes": list(entries)}, allow_unicode=True))
    return path


def test_the_shipped_list_serves_where_a_site_has_none(tmp_path: Path) -> None:
    sizes = load_sizes(tmp_path / "sizes.yaml")
    assert sizes.ids == ["small", "medium", "gpu", "gpu-large"] == load_sizes(SHIPPED).ids
    assert sizes.size("gpu-large").gpu_memory_gb == 40
    assert sizes.size("small").title.in_language("zh_CN") == "小型"


def test_a_sites_list_replaces_the_shipped_one_whole(tmp_path: Path) -> None:
    assert load_sizes(listed(tmp_path, FACTS)).ids == ["gpu"]
    assert len(load_sizes(listed(tmp_path))) == 0


def test_a_changed_list_is_read_again(tmp_path: Path) -> None:
    path = listed(tmp_path, FACTS)
    assert load_sizes(path).ids == ["gpu"]
    listed(tmp_path, FACTS, {**FACTS, "id": "other"})
    assert load_sizes(path).ids == ["gpu", "other"]
    path.unlink()
    assert load_sizes(path).ids == load_sizes(SHIPPED).ids


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"memory": 8}, "size gpu: there is no key 'memory'. Did you mean 'memory_gb'?"),
        ({"cpus": None}, "the key 'cpus' is missing"),
        ({"cpus": 0}, "cpus: "),
        ({"cpus": -1}, "cpus: "),
        ({"cpus": "two"}, "cpus: "),
        ({"memory_gb": 5000}, "memory_gb: "),
        ({"memory_gb": float("nan")}, "memory_gb: "),
        ({"gpus": 17}, "gpus: "),
        ({"gpus": 0, "gpu_memory_gb": 24}, "a size without a GPU has no GPU memory"),
        ({"minutes": 3}, "minutes: "),
        ({"groups": []}, "groups: "),
        ({"groups": ["Radiology!"]}, "groups.0: "),
        ({"id": "GPU!"}, "id: "),
        ({"title": {"en": "GPU"}}, "the key 'title.zh_CN' is missing"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    facts = {key: value for key, value in {**FACTS, **changes}.items() if value is not None}
    with pytest.raises(BrokenSizes) as refused:
        load_sizes(listed(tmp_path, facts))
    assert said in str(refused.value)
    assert "sizes.yaml" in str(refused.value) and refused.value.status == 422


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sizes: [", "while parsing"),
        ("size: []", "one list under the key 'sizes'"),
        ("sizes: many", "'sizes' must be a list"),
        ("sizes: [small]", "size 1 must be lines of"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "sizes.yaml"
    path.write_text(text)
    with pytest.raises(BrokenSizes, match=said):
        load_sizes(path)


def test_one_id_names_one_size(tmp_path: Path) -> None:
    with pytest.raises(BrokenSizes, match="size gpu: the id stands there twice"):
        load_sizes(listed(tmp_path, FACTS, FACTS))


def test_an_unknown_size_names_the_nearest() -> None:
    with pytest.raises(UnknownSize, match="Did you mean 'medium'") as refused:
        load_sizes(SHIPPED).size("medum")
    assert refused.value.status == 404
    assert "small" in refused.value.allowed


@pytest.mark.parametrize(
    ("groups", "of", "open_"),
    [(None, [], True), (["imaging"], ["imaging"], True), (["imaging"], ["other"], False)],
)
def test_a_size_may_be_kept_for_some_groups(groups, of, open_) -> None:
    assert size(groups=groups).open_to(of) is open_


def test_a_session_takes_the_labs_minutes_and_card_where_the_size_leaves_them_open() -> None:
    assert size().numbers(LAB) == Numbers(cpus=2, memory_gb=8, gpus=1, gpu_memory_gb=4, minutes=60)
    told = size(gpu_memory_gb=24, minutes=90).numbers(LAB)
    assert (told.gpu_memory_gb, told.minutes) == (24, 90)
    assert size(gpus=0).numbers(LAB).gpu_memory_gb == 0


@pytest.mark.parametrize(
    ("changes", "less"),
    [
        ({}, ()),
        ({"memory_gb": 2}, ("memory_gb",)),
        ({"gpus": 0, "cpus": 1}, ("cpus", "gpus", "gpu_memory_gb")),
        ({"gpu_memory_gb": 2}, ("gpu_memory_gb",)),
        ({"minutes": 30}, ("minutes",)),
    ],
)
def test_what_a_size_lacks_for_a_lab_is_named(changes, less) -> None:
    assert lacking(size(**changes).numbers(LAB), LAB) == less


def test_a_gpu_weighs_more_than_memory_when_sizes_are_sorted() -> None:
    sizes = sorted(load_sizes(SHIPPED), key=lambda one: by_size(one.numbers(LAB)))
    assert [one.id for one in sizes] == ["small", "medium", "gpu", "gpu-large"]


@pytest.mark.parametrize(
    ("cpus", "memory_gb", "held"), [(2, 16, True), (3, 1, False), (1, 18, False), (0.5, 4, True)]
)
def test_a_host_holds_what_it_is_sold_with(cpus: float, memory_gb: float, held: bool) -> None:
    host = Host(cpus=2, memory_mb=15_900)
    assert host.holds(Numbers(cpus=cpus, memory_gb=memory_gb)) is held
    assert host.memory_gb == 16


def test_this_machine_has_cores_and_memory() -> None:
    assert this_host().cpus >= 1 and this_host().memory_mb > 256


_NUMBERS = st.builds(
    Numbers,
    cpus=st.integers(1, 8),
    memory_gb=st.integers(1, 32),
    gpus=st.integers(0, 4),
    gpu_memory_gb=st.integers(0, 80),
    minutes=st.integers(0, 240),
)


@given(_NUMBERS, _NUMBERS, _NUMBERS)
def test_what_fits_into_a_size_fits_into_all_that_hold_that_size(one, two, three) -> None:
    assert lacking(one, one) == ()
    if not lacking(two, one) and not lacking(three, two):
        assert not lacking(three, one)


def test_the_example_of_the_readme_is_a_list_of_sizes(tmp_path: Path) -> None:
    readme = SHIPPED.with_name("README.md").read_text(encoding="utf-8")
    path = tmp_path / "sizes.yaml"
    path.write_text(readme.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    (only,) = load_sizes(path)
    assert all(f"`{name}`" in readme for name in type(only).model_fields)
