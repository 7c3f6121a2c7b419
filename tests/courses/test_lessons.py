"""What every lesson of `courses/` keeps to: its STYLE.md, as far as a machine can read.

That the pages run, that their checks refuse what is wrong and that their claims hold is asked in
the image that students get: tests/end_to_end/test_lesson_runs.py.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from course_kit.files import Files, read_files
from course_kit.prove import Report, prove_files
from hub_config.offers.lessons import (
    Cell,
    build_files,
    publish_module,
    read_lesson,
    sources,
    with_gaps,
)
from hub_config.offers.modules import NOTEBOOKS, read_module
from hub_config.offers.prose import digest, paragraphs, read_prose, seen_texts

ROOT = Path(__file__).parents[2]
LESSONS = sources(ROOT / "courses")
OURS = {"dicom_catalog", "dicom_synthetic", "dicom_archive", "course_kit", "hub_config"}
STUDENTS_HAVE = {"dicom_catalog", "dicom_synthetic", "course_kit"}
LONGEST = {"class": 180, "ci": 60, "gpu_short": 60, "gpu_medium": 600}
# A number on its own: not the 2 of "2D" or "T2", nor the count of a list.
NUMBER = re.compile(r"(?<![\w.,])\d(?:[\d,]*\d)?(?:\.\d+)?(?!\w)")
NO_PROSE = re.compile(r"^\s*\d+\.\s|<[^>]*>|\]\([^)]*\)|https?://\S+", re.MULTILINE)
each_lesson = pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.name)


@functools.cache
def cells_of(source: Path) -> list[Cell]:
    return read_lesson(source / "lesson.py")


@functools.cache
def built(source: Path) -> dict[str, bytes]:
    return build_files(source)[1]


def notebook(source: Path, language: str = "en") -> Any:
    return nbformat.reads(built(source)[NOTEBOOKS[language]].decode(), as_version=4)  # type: ignore[no-untyped-call]


def code_cells(source: Path, language: str = "en") -> list[Any]:
    return [cell for cell in notebook(source, language).cells if cell.cell_type == "code"]


def imported(code: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def parameters(source: Path) -> dict[str, Any]:
    (cell,) = [cell for cell in cells_of(source) if "parameters" in cell.tags]
    lines = ast.parse(cell.source).body
    assert all(isinstance(line, ast.Assign) for line in lines), "plain assignments"
    pairs = [(line.targets[0], line.value) for line in lines if isinstance(line, ast.Assign)]
    return {name.id: ast.literal_eval(value) for name, value in pairs if isinstance(name, ast.Name)}


def numbers(text: str) -> list[str]:
    return [found.replace(",", "") for found in NUMBER.findall(NO_PROSE.sub(" ", text))]


def numbers_of_code(source: Path) -> set[float]:
    helpers = [path for path in source.glob("*.py") if path.name != "lesson.py"]
    codes = [cell.source for cell in cells_of(source) if cell.kind == "code"]
    codes += [path.read_text(encoding="utf-8") for path in helpers]
    nodes = [node for code in codes for node in ast.walk(ast.parse(code))]
    values = [node.value for node in nodes if isinstance(node, ast.Constant)]
    found = {float(value) for value in values if isinstance(value, int | float)}
    texts = [number for value in values if isinstance(value, str) for number in numbers(value)]
    return found | set(map(float, texts))


@pytest.fixture
def files(source: Path, tmp_path: Path) -> Files:
    return read_files(publish_module(source, tmp_path / "out").folder)


def test_there_are_lessons_to_check() -> None:
    numbers_taught = [path.name[:2] for path in LESSONS]
    assert numbers_taught == ["00", "01", "02", "03", "04", "05", "06", "08", "09", "10", "13"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. look\n2. read", []),
        ("at least 0.2, and 1,000 HU", ["0.2", "1000"]),
        ("a 2D image, T2-weighted, `seed = 2`", ["2"]),
        ("[film 3](pictures/4.svg) at 1/8 and 95 %.", ["3", "1", "8", "95"]),
        ("It ended in 2024.", ["2024"]),
    ],
)
def test_a_number_in_prose_is_found(text: str, expected: list[str]) -> None:
    assert numbers(text) == expected


@each_lesson
def test_a_lesson_imports_of_our_code_only_what_students_have(source: Path) -> None:
    helpers = {path.stem: path.read_text() for path in source.glob("*.py")}
    del helpers["lesson"]
    codes = [cell.source for cell in code_cells(source)] + list(helpers.values())
    used = set().union(*map(imported, codes))
    assert used & OURS <= STUDENTS_HAVE
    assert "course_kit" in used
    assert "checks" not in used, "a student's page never imports the checks"


@each_lesson
def test_the_page_opens_with_a_card_and_its_imports_and_ends_with_what_was_reached(
    source: Path,
) -> None:
    cells = cells_of(source)
    code = [cell for cell in cells if cell.kind == "code"]
    assert (cells[0].name, cells[0].kind) == ("card", "markdown")
    assert code[0].name == "imports"
    opened = code[0].source.rstrip().splitlines()[-1]
    assert opened == f'page = open_page("{source.name}", globals())'
    assert not set().union(*(imported(with_gaps(cell.source)) for cell in code[1:]))
    assert cells[-1].name == "finish" and "page.finish()" in cells[-1].source


@each_lesson
def test_the_page_has_its_desk_a_prediction_a_viewer_a_quiz_and_its_limit(source: Path) -> None:
    sources = {cell.name: cell.source for cell in cells_of(source)}
    code = "\n".join(cell.source for cell in cells_of(source) if cell.kind == "code")
    assert sources["desk"].startswith("desk = page.desk()")
    assert "page.predict(" in code
    assert re.search(r"\blook\(|course_kit\.widgets", code)
    assert "page.quiz()" in sources["quiz"]
    assert "take-away" in sources


@each_lesson
def test_the_parameters_are_those_of_the_class_and_every_budget_keeps_its_limit(
    source: Path,
) -> None:
    budgets, usual = read_module(source).budgets, parameters(source)
    assert {"class", "ci"} <= set(budgets)
    for name, value in budgets["class"].set.items():
        assert usual.get(name) == value, f"class: {name}"
    for profile, budget in budgets.items():
        assert budget.seconds <= LONGEST[profile], profile
        assert set(budget.set) <= set(usual), profile
    memory = budgets["class"].memory_gb
    assert memory is not None and memory <= 3


@each_lesson
def test_each_exercise_is_a_cell_with_a_gap_and_its_check_follows(
    source: Path, files: Files
) -> None:
    code = [cell for cell in cells_of(source) if cell.kind == "code"]
    names = [cell.name for cell in code]
    assert "# BEGIN SOLUTION" not in "".join(
        c.source for c in code if c.name not in files.exercises
    )
    for id in files.exercises:
        following = code[names.index(id) + 1]
        assert following.name == f"check-{id}"
        assert f'page.check("{id}")' in following.source


@each_lesson
def test_the_files_of_a_lesson_are_whole(source: Path, files: Files) -> None:
    report = Report()
    prove_files(files, report)
    assert report.problems == []
    for name in ("instructor.md", "README.md"):
        assert (source / name).read_text().strip()
    for path in (source / "wrong").glob("*.py"):
        assert any(path.stem.startswith(f"{id}_") for id in files.exercises), path.name


@each_lesson
def test_each_exercise_serves_an_objective_and_so_does_each_question(files: Files) -> None:
    served = {one.objective for one in files.exercises.values()}
    served |= {one.objective for one in files.questions.values()}
    assert served == set(range(1, len(files.facts["objectives"]["en"]) + 1))


@each_lesson
def test_every_number_of_the_prose_is_a_claim_or_has_its_source(source: Path, files: Files) -> None:
    prose = {cell.name: cell.source for cell in cells_of(source) if cell.kind == "markdown"}
    usual = {str(value) for value in parameters(source).values()}
    known: dict[str, set[str]] = {}
    for cell, text in stated(files):
        known.setdefault(cell, set()).update(numbers(text))
    unproved = {
        name: left
        for name, text in prose.items()
        if (left := set(numbers(text)) - known.get(name, set()) - usual)
    }
    assert unproved == {}


def stated(files: Files) -> Iterator[tuple[str, str]]:
    for claim in files.claims.values():
        yield claim.cell, claim.text
    for fact in files.stated:
        yield fact["in"], str(fact["text"])


@each_lesson
def test_what_claims_and_facts_say_stands_in_the_prose(source: Path, files: Files) -> None:
    prose = {
        cell.name: " ".join(cell.source.split())
        for cell in cells_of(source)
        if cell.kind == "markdown"
    }
    for cell, text in stated(files):
        assert cell in prose, f"there is no such cell of prose: {cell}"
        assert text in prose[cell], f"{cell} no longer says {text}"
    for fact in files.stated:
        assert set(fact) == {"in", "text", "source"} and fact["source"].strip()


@each_lesson
def test_a_number_that_is_said_to_be_of_the_code_stands_in_it(source: Path, files: Files) -> None:
    of_code = numbers_of_code(source)
    for fact in files.stated:
        if fact["source"] == "code":
            assert set(map(float, numbers(str(fact["text"])))) <= of_code, fact


@each_lesson
def test_each_claim_is_held_against_a_run(source: Path, files: Files) -> None:
    code = "\n".join(cell.source for cell in cells_of(source) if cell.kind == "code")
    called = set(re.findall(r'page\.claim\(\s*"([^"]+)"', code))
    assert called == set(files.claims)
    assert files.claims, "a text that claims nothing proves nothing"
    profiles = set(read_module(source).budgets)
    for id, claim in files.claims.items():
        assert claim.profiles and set(claim.profiles) <= profiles, id


@each_lesson
def test_cells_are_short_and_nothing_is_installed(source: Path) -> None:
    for cell in code_cells(source):
        assert len(cell.source.splitlines()) <= 40, cell.id
        assert "pip install" not in cell.source
        assert not re.search(r"^\s*[%!]", cell.source, re.MULTILINE), cell.id


@each_lesson
def test_the_chinese_prose_covers_every_cell(source: Path) -> None:
    prose = read_prose(source / "lesson.zh.md")
    cells = cells_of(source)
    wanted = {
        (cell.name, digest(text))
        for cell in cells
        if cell.kind == "markdown"
        for text in paragraphs(cell.source)
    }
    assert set(prose.paragraphs) == wanted
    for cell in cells:
        # The gap's own words are translated by the build.
        spoken = cell.kind == "code" and seen_texts(with_gaps(cell.source, "zh_CN"))
        if spoken and not all("轮到你了" in text for text in spoken):
            assert cell.name in prose.phrases
    text = (source / "lesson.zh.md").read_text(encoding="utf-8")
    assert "[[" not in text, "some texts are still to be translated"


@each_lesson
def test_both_languages_run_the_same_code(source: Path) -> None:
    class WithoutTexts(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            return ast.Constant("") if isinstance(node.value, str) else node

    def shape(code: str) -> list[str]:
        tree = WithoutTexts().visit(ast.parse(code))
        kinds = [type(node).__name__ for node in ast.walk(tree)]
        # A translated sentence has its numbers in another order, and other words between them.
        return sorted(kind for kind in kinds if kind not in ("Constant", "JoinedStr"))

    pairs = zip(code_cells(source), code_cells(source, "zh_CN"), strict=True)
    for english, chinese in pairs:
        assert english.id == chinese.id
        assert shape(english.source) == shape(chinese.source), english.id


@each_lesson
def test_lessons_are_taught_in_the_order_of_their_numbers(source: Path) -> None:
    assert read_module(source).order == int(source.name[:2])
