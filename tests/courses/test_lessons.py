"""What every lesson of `courses/` keeps to: its STYLE.md, as far as a machine can read."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest

from hub_config.offers.lessons import build_files, read_lesson, sources, with_gaps
from hub_config.offers.modules import NOTEBOOKS, read_module
from hub_config.offers.prose import digest, paragraphs, read_prose, seen_texts

ROOT = Path(__file__).parents[2]
LESSONS = sources(ROOT / "courses")
OWN_PACKAGES = {"dicom_catalog", "dicom_synthetic", "dicom_archive", "hub_config"}
each_lesson = pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.name)


def notebook(source: Path, language: str = "en") -> Any:
    return nbformat.reads(build_files(source)[1][NOTEBOOKS[language]].decode(), as_version=4)


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


def test_there_are_lessons_to_check() -> None:
    assert [path.name for path in LESSONS] == ["05_classification"]


@each_lesson
def test_a_lesson_imports_of_our_code_only_what_students_have(source: Path) -> None:
    used = set().union(*(imported(cell.source) for cell in code_cells(source)))
    assert used & OWN_PACKAGES <= {"dicom_catalog", "dicom_synthetic"}
    assert "dicom_catalog" in used


@each_lesson
def test_imports_come_first_and_exercises_last(source: Path) -> None:
    cells = code_cells(source)
    assert imported(cells[0].source)
    assert not set().union(*(imported(cell.source) for cell in cells[1:]))
    assert cells[-1].id == notebook(source).cells[-1].id == "exercises"


@each_lesson
def test_one_cell_holds_the_parameters(source: Path) -> None:
    tagged = [cell for cell in code_cells(source) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    statements = ast.parse(tagged[0].source).body
    assert all(isinstance(line, ast.Assign) for line in statements)
    assert f"dataset = {read_module(source).datasets[0]!r}".replace("'", '"') in tagged[0].source


@each_lesson
def test_cells_are_short_and_nothing_is_installed(source: Path) -> None:
    for cell in code_cells(source):
        assert len(cell.source.splitlines()) <= 40, cell.id
        assert "pip install" not in cell.source


@each_lesson
def test_the_chinese_prose_covers_every_cell(source: Path) -> None:
    prose = read_prose(source / "lesson.zh.md")
    cells = read_lesson(source / "lesson.py")
    wanted = {
        (cell.name, digest(text))
        for cell in cells
        if cell.kind == "markdown"
        for text in paragraphs(cell.source)
    }
    assert set(prose.paragraphs) == wanted
    spoken = {cell.name for cell in cells if cell.kind == "code" and seen_texts(cell.source)}
    assert spoken <= set(prose.phrases)


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


def test_numbers_that_the_prose_states_are_those_of_the_code() -> None:
    lesson = ROOT / "courses" / "05_classification" / "lesson.py"
    cells = {cell.name: with_gaps(cell.source) for cell in read_lesson(lesson)}
    parameters = ast.parse(cells["parameters"]).body
    assert len(parameters) == 5 and "These five settings" in cells["parameters-words"]
    # One definition, four uses.
    assert cells["build"].count("layer(") == 1 + 4 and "four layers" in cells["build-words"]
    assert "weigh = torch.nn.Linear(2 * 48, 1)" in cells["build"]
    assert "48 patterns" in " ".join(cells["build-words"].split())
    assert "subplots(2, 4" in cells["first-look"] and "eight of them" in cells["first-look-words"]
    assert "subplots(1, 5" in cells["augment"] and "one film five times" in cells["augment-words"]
    assert "(1, 2, 3, 4)" in cells["classical"] and "four sizes" in cells["floor-words"]
    assert "[0.025, 0.975]" in cells["judge"] and "95 of 100 draws" in cells["judge-words"]
    defaults = {line.targets[0].id: line.value for line in parameters}  # type: ignore[attr-defined]
    for name, other in (("seed", 2), ("size", 32), ("epochs", 10)):
        assert f"`{name} = {other}`" in cells["change-words"]
        assert ast.literal_eval(defaults[name]) != other
