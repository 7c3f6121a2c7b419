"""`./radlab course`: builds, makes, publishes and lists modules; what runs them is played."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub_config.cli.__main__ import main
from hub_config.db import migrate, open_database
from hub_config.groups.store import GroupStore
from hub_config.machine import course_run
from hub_config.offers.modules import Module, read_module
from hub_config.offers.proving import Ask, Report
from hub_config.settings import load_settings
from hub_config.teaching.store import OfferStore

GOOD = Report([], {"double": 1}, [], 3.0, 1.0, [("desk", 1.0)])
BAD = dataclasses.replace(GOOD, problems=["double: its check passes the untouched gap."])
Radlab = Callable[..., tuple[int, str, str]]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADLAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_an_empty_list_says_how_to_fill_it(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["course", "list"]) == 0
    assert "./radlab course build" in capsys.readouterr().out


def test_a_module_is_built_by_its_id_and_then_listed(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["course", "build", "05_classification", "--json"]) == 0
    (built,) = json.loads(capsys.readouterr().out)
    assert built["changed"] is True
    assert Path(built["folder"], "lesson.zh.ipynb").is_file()
    assert Path(built["folder"]).is_relative_to(state / "modules")
    assert main(["course", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["id"] == "05_classification"
    assert listed["version"] == built["version"]


def test_all_modules_are_built_where_none_is_named(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["course", "build", "--out", str(tmp_path / "out")]) == 0
    assert "05_classification" in capsys.readouterr().out
    assert (tmp_path / "out" / "05_classification").is_dir()
    assert not (state / "modules").exists()


def test_a_typo_names_the_nearest_module(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["course", "build", "05_clasification"]) == 1
    assert "Did you mean '05_classification'?" in capsys.readouterr().err


@pytest.fixture
def offers(state: Path) -> OfferStore:
    """A RadLab with two groups, and who sees which module there."""
    settings = load_settings()
    settings.database_file.parent.mkdir(parents=True)
    engine = open_database(settings.radlab_database_url)
    migrate(engine)
    for name in ("spring", "summer"):
        GroupStore(engine).create(name, by="test")
    return OfferStore(engine)


@pytest.fixture
def source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The module that `course new` makes."""
    assert main(["course", "new", "20_films", "--in", str(tmp_path)]) == 0
    assert "./radlab course check" in capsys.readouterr().out
    return tmp_path / "20_films"


@dataclasses.dataclass
class Proofs:
    """Stands for the container that proves a module; keeps what was asked."""

    report: Report = GOOD
    asked: list[Ask] = dataclasses.field(default_factory=list)

    def prove(self, source: Path, settings: Any, ask: Ask, **_: Any) -> tuple[Module, Report]:
        self.asked.append(ask)
        return read_module(source), self.report


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> Proofs:
    made = Proofs()
    monkeypatch.setattr(course_run, "prove", made.prove)
    return made


@pytest.fixture
def radlab(capsys: pytest.CaptureFixture[str]) -> Radlab:
    def run(*words: object) -> tuple[int, str, str]:
        status = main(["course", *map(str, words)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def raised(source: Path, version: str) -> None:
    path = source / "module.yaml"
    old = f"version: {read_module(source).version}"
    path.write_text(path.read_text().replace(old, f"version: {version}"))


def test_a_new_module_is_whole_and_is_built(source: Path, state: Path, radlab: Radlab) -> None:
    assert radlab("build", source)[0] == 0
    names = {path.name for path in (state / "modules" / "20_films" / "1.0.0").iterdir()}
    assert {"lesson.ipynb", "lesson.zh.ipynb", "checks.py", "quiz.yaml"} <= names


@pytest.mark.parametrize("id", ["films", "2_films", "20_Films", "20 films", "../20_films"])
def test_a_new_module_bears_two_digits_and_words(radlab: Radlab, tmp_path: Path, id: str) -> None:
    status, _, error = radlab("new", id, "--in", tmp_path / "in")
    assert status == 1 and "20_my_lesson" in error
    assert not (tmp_path / "in").exists()


def test_a_new_module_writes_over_nothing(source: Path, radlab: Radlab) -> None:
    (source / "lesson.py").write_text("mine")
    status, _, error = radlab("new", "20_films", "--in", source.parent)
    assert status == 1 and "is there already" in error
    assert (source / "lesson.py").read_text() == "mine"


def test_a_module_is_proved_in_each_language_and_its_checks_once(
    source: Path, offers: OfferStore, proofs: Proofs, radlab: Radlab
) -> None:
    assert radlab("publish", source)[0] == 0
    asked = [(ask.profile, ask.language, ask.exercises) for ask in proofs.asked]
    assert asked == [("ci", "en", True), ("ci", "zh_CN", False)]
    assert offers.audiences() == {"20_films": None}


def test_what_fails_its_proof_is_not_published_and_not_offered(
    source: Path, state: Path, offers: OfferStore, proofs: Proofs, radlab: Radlab
) -> None:
    proofs.report = BAD
    status, out, _ = radlab("publish", source, "--to", "spring", "--json")
    assert status == 1
    told = json.loads(out)["error"]
    assert told["code"] == "module_unproved"
    assert "(1) double: its check passes the untouched gap." in told["message"]
    assert not (state / "modules").exists()
    assert offers.audiences() == {}


def test_a_module_is_offered_to_the_groups_that_are_named(
    source: Path, offers: OfferStore, proofs: Proofs, radlab: Radlab
) -> None:
    status, out, _ = radlab("publish", source, "--to", "summer", "--to", "spring", "--json")
    told = json.loads(out)
    assert (status, told["id"], told["version"], told["changed"]) == (0, "20_films", "1.0.0", True)
    assert offers.audiences() == {"20_films": ("spring", "summer")}
    assert "offered to spring, summer" in radlab("list")[1]


def test_a_group_that_nobody_is_in_is_refused_before_anything_runs(
    source: Path, offers: OfferStore, proofs: Proofs, radlab: Radlab
) -> None:
    status, _, error = radlab("publish", source, "--to", "sprng")
    assert status == 1 and "Did you mean 'spring'?" in error
    assert proofs.asked == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [((), ("spring",)), (("--everyone",), None), (("--to", "summer"), ("summer",))],
)
def test_a_new_version_is_for_those_who_see_the_module_unless_others_are_named(
    source: Path,
    offers: OfferStore,
    proofs: Proofs,
    radlab: Radlab,
    words: tuple[str, ...],
    expected: tuple[str, ...] | None,
) -> None:
    radlab("publish", source, "--to", "spring")
    raised(source, "1.1.0")
    assert radlab("publish", source, *words)[0] == 0
    assert offers.audiences() == {"20_films": expected}


def test_a_version_that_would_change_leaves_its_audience_as_it_was(
    source: Path, offers: OfferStore, proofs: Proofs, radlab: Radlab
) -> None:
    radlab("publish", source, "--to", "spring")
    (source / "quiz.yaml").write_text("[]")
    status, _, error = radlab("publish", source, "--everyone")
    assert status == 1 and "version: 1.0.1" in error
    assert offers.audiences() == {"20_films": ("spring",)}


@pytest.mark.parametrize(
    ("seen_by", "status"),
    [
        ((), 1),
        (("--to", "summer"), 1),
        (("--to", "spring", "--to", "summer"), 1),
        (("--to", "spring"), 0),
    ],
)
def test_an_instructor_changes_only_what_their_own_groups_see(
    source: Path,
    offers: OfferStore,
    proofs: Proofs,
    radlab: Radlab,
    seen_by: tuple[str, ...],
    status: int,
) -> None:
    radlab("publish", source, *seen_by)
    before = offers.audiences()
    raised(source, "1.1.0")
    done, _, error = radlab("publish", source, "--to", "spring", "--within", "spring")
    assert done == status
    if status:
        assert "is offered to others than spring" in error
        assert offers.audiences() == before


def test_what_is_withdrawn_is_offered_to_nobody_until_it_is_offered_again(
    source: Path, offers: OfferStore, proofs: Proofs, radlab: Radlab
) -> None:
    radlab("publish", source)
    assert "offers it again" in radlab("withdraw", "20_films")[1]
    assert offers.audiences() == {"20_films": ()}
    raised(source, "1.1.0")
    radlab("publish", source)
    assert offers.audiences() == {"20_films": ()}
    assert radlab("offer", "20_films", "--to", "spring")[0] == 0
    assert offers.audiences() == {"20_films": ("spring",)}
    assert radlab("offer", "20_films")[0] == 0
    assert offers.audiences() == {"20_films": None}


def test_a_module_that_is_not_published_cannot_be_withdrawn(
    offers: OfferStore, radlab: Radlab
) -> None:
    assert radlab("withdraw", "20_films")[0] == 1


def test_a_check_says_what_it_found_as_one_document(
    source: Path, state: Path, proofs: Proofs, radlab: Radlab
) -> None:
    assert json.loads(radlab("check", source, "--json")[1])["ok"] is True
    proofs.report = BAD
    status, out, _ = radlab("check", source, "--json")
    assert status == 1
    assert json.loads(out)["problems"] == ["double: its check passes the untouched gap."]
    status, _, error = radlab("check", source)
    assert status == 1 and "20_films 1.0.0 does not hold: 1 problems" in error


def test_the_students_copy_is_run_without_judging_its_checks(
    source: Path, state: Path, proofs: Proofs, radlab: Radlab
) -> None:
    radlab("check", source, "--untouched", "--set", "seed=2", "--language", "zh_CN")
    (ask,) = proofs.asked
    assert ask.untouched and not ask.exercises
    assert (ask.parameters, ask.language) == ({"seed": 2}, "zh_CN")
