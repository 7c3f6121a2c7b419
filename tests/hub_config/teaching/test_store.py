"""Publications, audiences and progress in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from hub_config.offers.modules import Module, Modules
from hub_config.teaching.model import Answered, Report, Scheme, State, Tried
from hub_config.teaching.rules import MOST_WAITING, TooManyWaiting, UnknownPublication
from hub_config.teaching.scheme import scheme_of
from hub_config.teaching.store import MOST_LOG, OfferStore, ProgressStore, PublicationStore

SOURCE = "https://git.example.edu/course.git"


def module(id: str) -> Module:
    text = {"en": id}
    return Module(
        id=id,
        version="1.0.0",
        title=text,
        summary=text,
        objectives={"en": ["Learn."]},
        minutes=60,
        image="imaging",
        languages=["en"],
        order=int(id[:2]),
    )


def report(name: str = "08_segmentation", *, consent: bool = True, points: float = 2) -> Report:
    return Report(
        module=name,
        version="1.0.0",
        consent=consent,
        exercises={"dice": Tried(passed=True, points=points, tries=3, hints=1)},
        quiz={"leak": Answered(right=True, tries=1)},
    )


def published(module: str, version: str) -> bool:
    return version == "1.0.0"


def test_a_publication_waits_runs_and_ends(engine: Engine) -> None:
    store = PublicationStore(engine)
    asked = store.ask(SOURCE, ("radiology",), "ines", within=("radiology",))
    assert (asked.state, asked.groups, asked.within) == (
        State.WAITING,
        ("radiology",),
        ("radiology",),
    )
    taken = store.take()
    assert taken is not None
    assert (taken.id, taken.state) == (asked.id, State.RUNNING)
    assert store.take() is None
    store.tell(asked.id, "cloning ...\n")
    assert store.get(asked.id).log == "cloning ...\n"
    store.end(asked.id, "done\n", module="08_segmentation", version="1.1.0")
    ended = store.get(asked.id)
    assert (ended.state, ended.module, ended.version) == (State.DONE, "08_segmentation", "1.1.0")
    assert ended.state.over and ended.ended_at is not None


def test_what_ends_without_a_version_has_failed(engine: Engine) -> None:
    store = PublicationStore(engine)
    asked = store.ask(SOURCE, None, "ana")
    store.take()
    store.end(asked.id, "It does not hold.\n")
    assert store.get(asked.id).state is State.FAILED
    assert store.get(asked.id).groups is None


def test_the_one_that_waits_longest_is_taken_first(engine: Engine) -> None:
    store = PublicationStore(engine)
    asked = [store.ask(f"{SOURCE}#{number}", None, "ana").source for number in range(3)]
    taken = [one.source for one in (store.take(), store.take(), store.take()) if one]
    assert taken == asked
    assert [one.source for one in store.recent(2)] == asked[:0:-1]


def test_what_ran_when_the_keeper_ended_waits_again(engine: Engine) -> None:
    store = PublicationStore(engine)
    asked = store.ask(SOURCE, None, "ana")
    store.take()
    store.resume()
    assert store.get(asked.id).state is State.WAITING
    again = store.take()
    assert again is not None and again.id == asked.id


def test_a_log_without_end_keeps_its_end(engine: Engine) -> None:
    store = PublicationStore(engine)
    asked = store.ask(SOURCE, None, "ana")
    store.tell(asked.id, "x" * MOST_LOG + "the end")
    assert len(store.get(asked.id).log) == MOST_LOG
    assert store.get(asked.id).log.endswith("the end")


def test_one_person_has_only_so_many_waiting(engine: Engine) -> None:
    store = PublicationStore(engine)
    for _ in range(MOST_WAITING):
        store.ask(SOURCE, None, "ines")
    with pytest.raises(TooManyWaiting):
        store.ask(SOURCE, None, "ines")
    assert store.ask(SOURCE, None, "ana").by == "ana"
    first = store.take()
    assert first is not None
    store.end(first.id, "")
    assert store.ask(SOURCE, None, "ines").by == "ines"
    assert {one.by for one in store.recent(by="ines")} == {"ines"}


def test_an_unknown_publication_is_refused(engine: Engine) -> None:
    with pytest.raises(UnknownPublication):
        PublicationStore(engine).get("none")


def test_a_module_is_for_everyone_until_it_is_said_otherwise(engine: Engine) -> None:
    store = OfferStore(engine)
    modules = Modules([module("03_network"), module("08_segmentation")])
    assert store.seen_by(modules, []).ids == ["03_network", "08_segmentation"]
    store.offer("08_segmentation", ["radiology"], "ines")
    assert store.seen_by(modules, ["oncology"]).ids == ["03_network"]
    assert store.seen_by(modules, ["radiology"]).ids == ["03_network", "08_segmentation"]
    store.withdraw("03_network", "ana")
    assert store.seen_by(modules, ["radiology"]).ids == ["08_segmentation"]
    assert store.seen_by(modules, ["administrators"]).ids == ["08_segmentation"]
    store.offer("03_network", None, "ana")
    assert store.audiences() == {"03_network": None, "08_segmentation": ("radiology",)}


def test_what_is_shown_is_kept_and_renewed(engine: Engine) -> None:
    store = ProgressStore(engine)
    store.keep("sam", [report(), report("03_network")], published)
    store.keep("sam", [report(points=5)], published)
    found = {one.module: one for one in store.of(["sam", "oda"])}
    assert set(found) == {"03_network", "08_segmentation"}
    kept = found["08_segmentation"]
    assert kept.exercises == {"dice": Tried(passed=True, points=5, tries=3, hints=1)}
    assert kept.quiz == {"leak": Answered(right=True, tries=1)}


def test_consent_that_is_taken_back_removes_it_at_once(engine: Engine) -> None:
    store = ProgressStore(engine)
    store.keep("sam", [report()], published)
    store.keep("oda", [report()], published)
    taken_back = Report(module="08_segmentation", consent=False)
    store.keep("sam", [taken_back], published)
    assert [one.username for one in store.of(["sam", "oda"])] == ["oda"]


def test_without_consent_nothing_is_kept(engine: Engine) -> None:
    store = ProgressStore(engine)
    store.keep("sam", [report(consent=False)], published)
    assert store.of(["sam"]) == []


def test_of_what_was_never_published_nothing_is_kept(engine: Engine) -> None:
    store = ProgressStore(engine)
    told = [report(f"{number:02}_made_up") for number in range(40)]
    store.keep("eve", told, lambda module, version: False)
    assert store.of(["eve"]) == []


def test_the_same_said_again_is_not_written(engine: Engine) -> None:
    store = ProgressStore(engine)
    store.keep("sam", [report()], published)
    (first,) = store.of(["sam"])
    store.keep("sam", [report()], published)
    assert store.of(["sam"]) == [first]


def test_a_scheme_is_what_the_published_files_say(tmp_path: Path) -> None:
    folder = tmp_path / "08_segmentation" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "exercises.yaml").write_text("- {id: dice, points: 3}\n- {id: loss, points: 1.5}\n")
    (folder / "quiz.yaml").write_text("- {id: leak, ask: {en: Why}}\n")
    assert scheme_of(tmp_path, "08_segmentation", "1.0.0") == Scheme(
        {"dice": 3, "loss": 1.5}, frozenset({"leak"})
    )
    assert scheme_of(tmp_path, "08_segmentation", "2.0.0") == Scheme()


@pytest.mark.parametrize("broken", ["", "{", "5", "- 5\n- {points: 3}\n", "- {id: a, points: x}"])
def test_files_that_cannot_be_read_give_nothing(tmp_path: Path, broken: str) -> None:
    folder = tmp_path / "08_segmentation" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "exercises.yaml").write_text(broken)
    assert scheme_of(tmp_path, "08_segmentation", "1.0.0").points == {}
