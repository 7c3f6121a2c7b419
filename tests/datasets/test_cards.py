"""Cards: complete, in two languages, and strict."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dicom_archive.cards import SampleCard, read_sample_card
from dicom_archive.errors import BadCard
from dicom_archive.generate import sample_card
from dicom_synthetic import GENERATORS

CARDS = Path(__file__).parents[2] / "datasets" / "cards"


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_has_a_card_of_its_name(name: str) -> None:
    card = sample_card(CARDS, name)
    assert card.name == name
    assert card.synthetic
    if card.target is not None:
        assert set(card.target.names) == set(card.target.classes)


def test_every_card_has_a_generator() -> None:
    assert {path.stem for path in CARDS.glob("*.yaml")} == set(GENERATORS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"limits": []}, "limits"),
        ({"titles": {"en": "Films"}}, "titles.zh_CN: Field required"),
        ({"target": {"column": "x", "classes": ["a"]}}, "target.classes"),
        ({"target": None}, "a classification needs its target"),
        ({"task": "detection", "structures": {}}, "a detection needs its structures"),
        ({"task": "fortune-telling"}, "task"),
        ({"limits": [{"en": "One language."}]}, "zh_CN: Field required"),
        ({"target": {"column": "x", "classes": ["a", "a"]}}, "a class is named twice"),
        ({"target": {"column": "x", "classes": ["a", "b"], "names": {"c": {}}}}, "target"),
    ],
)
def test_a_wrong_card_is_refused_with_the_field(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    given = yaml.safe_load((CARDS / "chest-film.yaml").read_text())
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump({**given, **change}))
    with pytest.raises(BadCard, match=said):
        read_sample_card(path)


def test_a_segmentation_needs_names_of_its_structures_and_no_target(
    tmp_path: Path,
) -> None:
    given = yaml.safe_load((CARDS / "chest-film.yaml").read_text())
    both = {"en": "Lesion", "zh_CN": "病灶"}
    change = {"task": "segmentation", "target": None, "structures": {"lesion": both}}
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump({**given, **change, "limits": [both, "Small."]}))
    card = read_sample_card(path).published("2.0.0")
    assert card.target is None
    assert card.model_dump()["structures"] == {"lesion": both}
    assert card.model_dump()["limits"] == [both, "Small."]


@pytest.mark.parametrize("text", ["[1, 2]", "{", "just words"])
def test_a_file_that_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(text)
    with pytest.raises(BadCard, match=r"card\.yaml"):
        read_sample_card(path)


def test_the_published_card_has_the_version_asked_for_and_no_recipe(card: SampleCard) -> None:
    published = card.published("3.1.4")
    assert published.version == "3.1.4"
    assert "generate" not in published.model_dump()
