"""The one object that a notebook talks to: it never raises for what a student did."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for kit_module.py

from kit_module import ID, QUIZ, claim, write_module

from course_kit import explaining, finishing, open_page, page, predicting, quiz, show
from course_kit.errors import UnknownName
from course_kit.page import Page
from course_kit.texts import LANGUAGES, own_texts

Shown = list[Any]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What the page has displayed."""
    things: Shown = []
    monkeypatch.setattr(show, "render", things.append)
    return things


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RADLAB_MODULES", str(tmp_path / "modules"))
    monkeypatch.delenv("RADLAB_LANGUAGE", raising=False)
    monkeypatch.delenv("RADLAB_PROFILE", raising=False)
    write_module(
        tmp_path / "modules" / ID / "1.2.0",
        claims={"claims": [claim("lead"), claim("never") | {"profiles": ["class"]}]},
    )
    return tmp_path / "home"


@pytest.fixture
def names() -> dict[str, Any]:
    return {}


@pytest.fixture
def opened(home: Path, names: dict[str, Any], shown: Shown, tmp_path: Path) -> Page:
    return open_page(ID, names, here=tmp_path)


def written(home: Path) -> Any:
    return json.loads((home / ".radlab" / "progress" / f"{ID}.json").read_text())


def test_a_right_answer_earns_its_points(
    opened: Page, names: dict[str, Any], shown: Shown, home: Path
) -> None:
    names["area"] = lambda a, b: a * b
    assert opened.check("area")
    assert "Points: 2" in repr(shown[0])
    tried = {"passed": True, "points": 2, "tries": 1, "hints": 0, "of": 2}
    assert written(home)["exercises"]["area"] == tried


def test_the_first_write_names_all_exercises_and_questions(
    opened: Page, names: dict[str, Any], home: Path
) -> None:
    opened.check("area")
    content = written(home)
    assert {id: tried["of"] for id, tried in content["exercises"].items()} == dict.fromkeys(
        ("area", "level", "table", "word"), 2
    )
    assert content["quiz"] == {question["id"]: {"right": False, "tries": 0} for question in QUIZ}


def test_a_cell_that_was_not_run_or_was_deleted_is_told_so(opened: Page, shown: Shown) -> None:
    assert not opened.check("area")
    assert "Run the cell of the exercise 'area' first" in repr(shown[0])
    assert "Reset this page" in repr(shown[0])


def test_points_stay_when_the_answer_is_broken_later(
    opened: Page, names: dict[str, Any], home: Path
) -> None:
    names["level"] = 40
    opened.check("level")
    names["level"] = ...
    assert not opened.check("level")
    assert written(home)["exercises"]["level"]["passed"] is True


def test_an_answer_is_found_by_its_name_wherever_it_was_written(
    opened: Page, names: dict[str, Any]
) -> None:
    exec("# a copied cell\nlevel = 20 + 20", names)
    assert opened.check("level")


def test_a_helper_that_was_mended_counts_at_the_next_check(
    opened: Page, names: dict[str, Any]
) -> None:
    exec("def times(a, b): return a + b\ndef area(a, b): return times(a, b)", names)
    assert not opened.check("area")
    exec("def times(a, b): return a * b", names)
    assert opened.check("area")


def test_the_page_goes_on_with_its_own_answer_until_the_students_passes(
    opened: Page, names: dict[str, Any], shown: Shown
) -> None:
    assert opened.answer("level", otherwise=1) == 1
    assert "goes on with its own level" in repr(shown[-1])
    names["level"] = 40
    count = len(shown)
    assert opened.answer("level", otherwise=1) == 40
    assert len(shown) == count


def test_an_answer_that_was_just_judged_is_not_run_again(
    opened: Page, names: dict[str, Any]
) -> None:
    calls = []

    def area(a: int, b: int) -> int:
        calls.append(a)
        return a * b

    names["area"] = area
    opened.check("area")
    count = len(calls)
    assert opened.answer("area", otherwise=None) is area
    assert len(calls) == count


def test_hints_come_one_by_one_and_end_at_the_third(
    opened: Page, shown: Shown, home: Path, names: dict[str, Any]
) -> None:
    for number in (1, 2, 3, 3):
        opened.hint("area")
        assert f"{number}. area hint {number}" in repr(shown[-1])
        assert f"area hint {number + 1}" not in repr(shown[-1])
    assert "the last one" in repr(shown[-1])
    assert written(home)["exercises"]["area"]["hints"] == 3
    opened.check("area")
    assert "had all hints" in repr(shown[-1])


@pytest.mark.parametrize(
    "call",
    [
        lambda opened: opened.check("aera"),
        lambda opened: opened.hint("aera"),
        lambda opened: opened.answer("aera", otherwise=1),
        lambda opened: opened.quiz("q11"),
        lambda opened: opened.claim("leed", 1),
        lambda opened: opened.explain("aucc"),
        lambda opened: opened.predicted("dice"),
    ],
)
def test_a_name_that_is_not_there_lists_those_that_are(opened: Page, call: Any) -> None:
    with pytest.raises(UnknownName, match="There are: "):
        call(opened)


def test_a_full_disk_is_said_once_and_stops_nothing(
    opened: Page, names: dict[str, Any], shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    names["level"] = 40
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        assert opened.check("level")
        assert opened.check("level")
    said = [thing for thing in shown if "folder is full" in repr(thing)]
    assert len(said) == 1
    opened.check("level")
    assert opened.progress.points == 2


def test_the_desk_sets_what_fits_and_says_so(
    opened: Page,
    names: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RADLAB_PROFILE", "ci")
    names["epochs"] = 40
    desk = opened.desk()
    told = capsys.readouterr().out
    assert (desk.profile, names["epochs"]) == ("ci", 3)
    assert "Set to fit: epochs = 3" in told
    assert "ci: this page computes for 60 seconds at most" in told


def test_a_desk_smaller_than_the_page_needs_says_what_to_do(
    opened: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    opened.files.facts["budgets"]["class"]["memory_gb"] = 10_000
    opened.desk()
    assert "made for 10000 GB of memory" in capsys.readouterr().out


def test_a_claim_is_shown_and_recorded(
    opened: Page, shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADLAB_CLAIMS", str(tmp_path / "claims.jsonl"))
    assert opened.claim("lead", 0.23)
    assert "Here: 0.23. It holds." in repr(shown[-1])
    assert not opened.claim("lead", 0.1)
    assert "does not hold in this run" in repr(shown[-1])
    assert not opened.claim("lead", float("nan"))
    rows = [json.loads(line) for line in (tmp_path / "claims.jsonl").read_text().splitlines()]
    assert [row["held"] for row in rows] == [True, False, False]


def test_a_claim_that_a_short_run_need_not_meet_is_no_alarm(
    opened: Page, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADLAB_PROFILE", "ci")
    opened.desk()
    assert not opened.claim("never", 0.1)
    assert "need not" in repr(shown[-1])


def test_what_was_predicted_stands_beside_what_came(opened: Page, shown: Shown) -> None:
    opened.predict("auc", low=0.5, high=1.0, start=0.75, ask="How good?")
    shown[-1].slider.value = 0.8
    assert opened.predicted("auc") == 0.8
    opened.reveal("auc", 0.91)
    assert "You said 0.8. It is 0.91." in repr(shown[-1])
    assert shown[-1].data.count("<circle") == 2
    opened.predict("auc", low=0.5, high=1.0, start=0.75)
    assert shown[-1].slider.value == 0.8  # run again, it keeps what was set
    opened.reveal("dice", 0.5, unit="points")
    assert "It is 0.5 points. (You made no guess" in repr(shown[-1])


def test_a_result_that_is_nan_or_outside_the_slider_is_still_revealed(
    opened: Page, shown: Shown
) -> None:
    opened.predict("auc", low=0.5, high=1.0, start=0.75)
    opened.reveal("auc", float("nan"))
    assert "It is nan" in repr(shown[-1])
    opened.reveal("auc", 7)
    assert 'cx="490.0"' in shown[-1].data


def item(shown: Shown, number: int) -> quiz.Item:
    found = shown[-1].items[number]
    assert isinstance(found, quiz.Item)
    return found


def press(question: quiz.Item) -> str:
    question.button.click()
    return str(question.answer.value)


def test_each_answer_is_explained_right_or_wrong(opened: Page, shown: Shown, home: Path) -> None:
    opened.quiz("q1")
    question = item(shown, 0)
    assert "Choose one" in press(question)
    places = {label: place for label, place in question.field.options}
    question.field.value = places["the wrong one"]
    assert "because it is not" in press(question)
    assert written(home)["quiz"]["q1"] == {"right": False, "tries": 1}
    question.field.value = places["the right one"]
    assert "because it is" in press(question)
    assert written(home)["quiz"]["q1"] == {"right": True, "tries": 2}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("forty", "is no number"),
        ("", "is no number"),
        ("nan", "is no number"),
        ("4", "you divided by ten"),
        ("30", "more than that"),
        ("50", "less than that"),
        ("41,5", "forty it is"),
        (" 40 ", "forty it is"),
    ],
)
def test_a_number_is_judged_by_what_was_probably_thought(
    opened: Page, shown: Shown, given: str, says: str
) -> None:
    opened.quiz("hu")
    item(shown, 0).field.value = given
    assert says in press(item(shown, 0))


def test_the_right_option_is_not_always_the_first(opened: Page) -> None:
    first = [
        quiz.order(question)[0].right
        for question in opened.files.questions.values()
        if question.options
    ]
    assert {True, False} == set(first)


def test_consent_is_off_until_the_student_turns_it_on(
    opened: Page, shown: Shown, home: Path
) -> None:
    opened.finish()
    sheet = shown[-1]
    assert isinstance(sheet, finishing.Finish)
    assert written(home)["consent"] is False
    sheet.switch.value = True
    assert written(home)["consent"] is True
    assert "Your instructor sees these counts" in sheet.told.value
    sheet.switch.value = False
    assert written(home)["consent"] is False


def test_the_last_cell_says_what_comes_next(
    opened: Page, names: dict[str, Any], home: Path
) -> None:
    def told() -> str:
        return finishing.table(opened.files, opened.progress)

    assert "Next: <i>Title of area</i> is still open" in told()
    assert "width:0%" in told()
    for tried in opened.files.exercises:
        opened.progress.exercise(tried).passed = True
    assert "still open: 5." in told()
    for question in opened.files.questions:
        opened.progress.question(question).right = True
    assert "All of this page is done" in told()
    assert "width:100%" in told()


def html_of(widget: Any) -> str:
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    return str(data["text/html"])


def test_without_widgets_a_page_can_still_be_read(opened: Page, shown: Shown) -> None:
    opened.quiz()
    assert "Which, q1?" in html_of(shown[-1])
    opened.finish()
    assert "Title of area" in html_of(shown[-1])
    opened.predict("auc", low=0.5, high=1.0, start=0.75, ask="How good?")
    assert "How good?" in html_of(shown[-1])


def test_the_page_speaks_chinese(
    opened: Page, names: dict[str, Any], shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADLAB_LANGUAGE", "zh_CN")
    names["level"] = 40
    opened.check("level")
    assert "正确" in repr(shown[-1])
    opened.explain("dice")
    assert "Dice 系数" in repr(shown[-1])


def test_every_text_of_the_kit_is_in_every_language() -> None:
    for key, text in own_texts().items():
        assert set(text) == set(LANGUAGES), key
        values = [{part.split("}")[0] for part in words.split("{")[1:]} for words in text.values()]
        assert {name.split(":")[0] for name in values[0]} == {
            name.split(":")[0] for name in values[1]
        }, key
    for word, entry in explaining.words().items():
        for part in ("title", "text"):
            assert set(entry[part]) == set(LANGUAGES), word


@pytest.mark.parametrize(
    ("written", "shown_as"),
    [
        ("<script>", "&lt;script&gt;"),
        ("write `rows * columns`", "rows * columns</code>"),
        ("2**20 bytes, 2**20", "2**20 bytes, 2**20"),
        ("10 * hours, 3 * days", "10 * hours, 3 * days"),
        ("**bold** and *apart*", "<b>bold</b> and <i>apart</i>"),
        ("点“**粗体**”", "<b>粗体</b>"),
    ],
)
def test_the_words_of_a_card_are_words(written: str, shown_as: str) -> None:
    assert shown_as in show.words(written)


def test_where_nothing_can_be_bold_the_marks_are_left_out() -> None:
    assert show.plain("press *Reset*, **now**: `2**20 * 3`, 2 * 3 * 4") == (
        "press Reset, now: 2**20 * 3, 2 * 3 * 4"
    )


def test_importing_the_kit_is_cheap_and_its_names_are_there() -> None:
    import course_kit

    assert course_kit.open_page is page.open_page
    assert course_kit.Page is Page
    assert predicting.Predictions
    with pytest.raises(AttributeError, match="has no 'nothing'"):
        _ = course_kit.nothing


def test_the_pages_own_answer_is_worth_no_points(
    opened: Page, names: dict[str, Any], home: Path
) -> None:
    def ours(height: float, width: float) -> float:
        return height * width

    names["area"] = ...
    names["area"] = opened.answer("area", otherwise=ours)
    assert names["area"] is ours
    assert not opened.check("area")
    assert written(home)["exercises"]["area"]["passed"] is False
    # The cell run once more lends the same again; an answer of their own counts.
    assert opened.answer("area", otherwise=ours) is ours
    names["area"] = lambda height, width: width * height
    assert opened.check("area")
