"""Building notebooks from a lesson, and publishing them as versions that never change."""

from __future__ import annotations

import ast
import json
import stat
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from hub_config.offers.lessons import (
    BrokenLesson,
    ModuleChanged,
    build_files,
    build_notebook,
    publish_module,
    publish_modules,
    read_lesson,
    with_gaps,
    with_solutions,
)
from hub_config.offers.modules import load_modules, read_module
from hub_config.offers.prose import BadTranslation, digest, read_prose, seen_texts
from hub_config.settings import Settings

LESSON = """\
# %% [markdown] name="card"
# # A film
#
# Look *twice*
# before you say.

# %% name="parameters" tags=["parameters"]
size = 8  # pixels a side

# %% name="count" tags=["folded"]
# BEGIN SOLUTION
total = size * size
# END SOLUTION
print("All pixels:", "key")
"""


def prose(**changes: str) -> str:
    blocks = {
        "title": f"<!-- card {digest('# A film')} -->\n# 一张片",
        "words": f"<!-- card {digest('Look *twice* before you say.')} -->\n看*两遍*再说。",
        "parameters": "<!-- parameters: code -->\n- pixels a side => 每边像素数",
        "count": "<!-- count: code -->\n- All pixels: => 所有像素：",
    }
    return "\n\n".join({**blocks, **changes}.values()) + "\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "courses" / "05_film"
    folder.mkdir(parents=True)
    facts = {
        "id": "05_film",
        "version": "1.0.0",
        "title": {"en": "Film", "zh_CN": "片"},
        "summary": {"en": "Film.", "zh_CN": "片。"},
        "objectives": {"en": ["Look"], "zh_CN": ["看"]},
        "minutes": 30,
        "image": "imaging",
        "languages": ["en", "zh_CN"],
        "order": 5,
    }
    (folder / "module.yaml").write_text(yaml.safe_dump(facts, allow_unicode=True))
    (folder / "lesson.py").write_text(LESSON)
    (folder / "lesson.zh.md").write_text(prose())
    return folder


def notebook(source: Path, name: str = "lesson.ipynb") -> Any:
    return nbformat.reads(build_files(source)[1][name].decode(), as_version=4)


def test_a_built_notebook_is_valid_and_has_no_outputs(source: Path) -> None:
    built = notebook(source)
    nbformat.validate(built)
    assert built.metadata.kernelspec.name == "python3"
    assert [cell.id for cell in built.cells] == ["card", "parameters", "count"]
    code = [cell for cell in built.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert code[0].metadata.tags == ["parameters"]


def test_a_folded_cell_hides_its_code(source: Path) -> None:
    count = notebook(source).cells[2]
    assert count.metadata.jupyter.source_hidden is True


def test_building_twice_gives_the_same_bytes(source: Path) -> None:
    assert build_files(source) == build_files(source)


def test_a_solution_is_a_gap_in_the_students_copy(source: Path) -> None:
    text = notebook(source).cells[2].source
    assert text == '...  # your turn\nprint("All pixels:", "key")'
    assert notebook(source, "lesson.zh.ipynb").cells[2].source.startswith("...  # 轮到你了\n")


def test_a_gap_keeps_the_indentation_and_runs() -> None:
    code = "def double(x):\n    # BEGIN SOLUTION\n    y = 2 * x\n    return y\n    # END SOLUTION\n"
    assert with_gaps(code) == "def double(x):\n    ...  # your turn\n"
    ast.parse(with_gaps(code))
    assert with_solutions(code) == "def double(x):\n    y = 2 * x\n    return y\n"


def test_the_instructors_copy_has_the_solution(source: Path) -> None:
    cells = read_lesson(source / "lesson.py")
    built = nbformat.reads(build_notebook(read_module(source), cells, solutions=True), 4)
    assert built.cells[2].source == 'total = size * size\nprint("All pixels:", "key")'


def test_prose_and_seen_texts_are_translated_and_keys_are_not(source: Path) -> None:
    card, parameters, count = (cell.source for cell in notebook(source, "lesson.zh.ipynb").cells)
    assert card == "# 一张片\n\n看*两遍*再说。"
    assert parameters == "size = 8  # 每边像素数"
    assert 'print("所有像素：", "key")' in count


def test_line_breaks_do_not_make_a_translation_stale(source: Path) -> None:
    (source / "lesson.py").write_text(LESSON.replace("*twice*\n# before", "*twice* before"))
    assert "看*两遍*再说" in notebook(source, "lesson.zh.ipynb").cells[0].source


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("before you say.", "before you speak.", "the cell 'card' has no translation of “Look"),
        ("# Look", "# One more.\n#\n# Look", "has no translation of “One more.”"),
        ("pixels a side", "pixels a line", "the translation of “pixels a side” in the cell"),
        ('"key"', '"two more words"', "has no translation of “two more words”"),
        ("# # A film\n#\n", "", "in the cell 'card' is stale"),
        ('name="count"', 'name="sum"', "the cell 'sum' has no translation of “All pixels:”"),
    ],
)
def test_an_edit_of_the_lesson_names_the_translation_that_it_broke(
    source: Path, old: str, new: str, said: str
) -> None:
    assert old in LESSON
    (source / "lesson.py").write_text(LESSON.replace(old, new))
    with pytest.raises(BadTranslation) as refused:
        build_files(source)
    assert said in str(refused.value)


def test_a_missing_paragraph_says_the_line_that_opens_its_block(source: Path) -> None:
    (source / "lesson.zh.md").write_text(prose(words=""))
    expected = f"<!-- card {digest('Look *twice* before you say.')} -->"
    with pytest.raises(BadTranslation) as refused:
        build_files(source)
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": "<!-- card -->\n# 一张片"}, "line 1: a block opens with"),
        ({"title": "片\n<!-- card 00000000 -->"}, "line 1: this stands before the first block"),
        ({"count": "<!-- count: code -->\n- All pixels"}, "a phrase reads"),
        ({"words": f"<!-- card {digest('# A film')} -->\n又一次"}, "was translated above"),
        ({"words": "<!-- card 0123abcd -->\n"}, "the block is empty"),
    ],
)
def test_an_unreadable_translation_names_its_line(
    source: Path, changes: dict[str, str], said: str
) -> None:
    (source / "lesson.zh.md").write_text(prose(**changes))
    with pytest.raises(BadTranslation) as refused:
        read_prose(source / "lesson.zh.md")
    assert said in str(refused.value)


def test_texts_that_a_reader_sees_are_comments_and_strings_of_two_words() -> None:
    code = 'x = f"{a:.2f} of all films"  # so many\ny = "key"\nz = "%d, %d"'
    assert seen_texts(code) == ["# so many", " of all films"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (' name="card"', "", "cell 1 (“# A film"),
        ('name="count"', 'name="card"', "two cells are named 'card'"),
        ('name="count"', 'name="Count it"', "cell 3"),
        ("# END SOLUTION\n", "", "a solution in the cell 'count' is not closed"),
        ("size = 8", "size = ", "the code of the cell 'parameters'"),
        ("[markdown]", "[raw]", "only code and markdown"),
        (LESSON, "", "it has no cell"),
    ],
)
def test_a_broken_lesson_names_the_cell(source: Path, old: str, new: str, said: str) -> None:
    (source / "lesson.py").write_text(LESSON.replace(old, new, 1))
    with pytest.raises(BrokenLesson) as refused:
        build_files(source)
    assert said in str(refused.value)


def test_publishing_writes_notebooks_that_everyone_may_read(source: Path, tmp_path: Path) -> None:
    published = publish_module(source, tmp_path / "out")
    assert published.changed
    assert published.folder == tmp_path / "out" / "05_film" / "1.0.0"
    names = sorted(path.name for path in published.folder.iterdir())
    assert names == ["lesson.ipynb", "lesson.zh.ipynb", "module.json"]
    assert stat.S_IMODE(published.folder.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in published.folder.iterdir()} == {0o644}
    assert json.loads((published.folder / "module.json").read_text())["id"] == "05_film"


def test_publishing_again_changes_nothing(source: Path, tmp_path: Path) -> None:
    publish_module(source, tmp_path / "out")
    assert not publish_module(source, tmp_path / "out").changed


def test_a_published_version_never_changes(source: Path, tmp_path: Path) -> None:
    before = publish_module(source, tmp_path / "out").folder
    text = (before / "lesson.ipynb").read_bytes()
    (source / "lesson.py").write_text(LESSON.replace("size = 8", "size = 9"))
    with pytest.raises(ModuleChanged, match=r"version: 1\.0\.1") as refused:
        publish_module(source, tmp_path / "out")
    assert refused.value.status == 409
    assert str(source / "module.yaml") in str(refused.value)
    assert (before / "lesson.ipynb").read_bytes() == text


def test_a_raised_version_stands_beside_the_old_one(source: Path, tmp_path: Path) -> None:
    publish_module(source, tmp_path / "out")
    facts = (source / "module.yaml").read_text().replace("version: 1.0.0", "version: 1.0.1")
    (source / "module.yaml").write_text(facts)
    (source / "lesson.py").write_text(LESSON.replace("size = 8", "size = 9"))
    assert publish_module(source, tmp_path / "out").changed
    assert load_modules(tmp_path / "out").module("05_film").version == "1.0.1"
    assert (tmp_path / "out" / "05_film" / "1.0.0" / "lesson.ipynb").exists()


def test_what_a_page_needs_is_shipped_and_what_tells_the_answers_is_not(source: Path) -> None:
    shipped = ["checks.py", "quiz.yaml", "drawing.py", "pictures/deep/heart.svg"]
    for name in [*shipped, "wrong/count_all.py", "instructor.md", "README.md", "claims.txt"]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("x = 1\n")
    _, files = build_files(source)
    notebooks = {"lesson.ipynb", "lesson.zh.ipynb", "module.json"}
    assert set(files) == notebooks | set(shipped)
    assert files["pictures/deep/heart.svg"] == b"x = 1\n"


@pytest.mark.parametrize("name", ["checks.py", "lesson.py", "pictures"])
def test_a_link_is_refused_since_it_would_show_another_file(
    source: Path, tmp_path: Path, name: str
) -> None:
    (source / name).unlink(missing_ok=True)
    (source / name).symlink_to(tmp_path)
    with pytest.raises(BrokenLesson, match=f"{name} cannot be built: it is a link"):
        build_files(source)


def test_files_too_large_to_ship_are_refused(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub_config.offers.lessons.MOST_BYTES", 10)
    (source / "checks.py").write_text("x" * 11)
    with pytest.raises(BrokenLesson, match="11 bytes; 10 are allowed"):
        build_files(source)


def test_where_it_came_from_is_kept_and_makes_no_other_version(
    source: Path, tmp_path: Path
) -> None:
    origin = {"address": "https://example.org/films.git", "commit": "0" * 40}
    first = publish_module(source, tmp_path / "out", origin)
    assert load_modules(tmp_path / "out").module("05_film").source == origin
    assert not publish_module(source, tmp_path / "out", {**origin, "commit": "1" * 40}).changed
    assert not publish_module(source, tmp_path / "out").changed
    assert json.loads((first.folder / "module.json").read_text())["source"] == origin


def test_a_version_published_before_a_key_existed_is_still_that_version(
    source: Path, tmp_path: Path
) -> None:
    path = publish_module(source, tmp_path / "out").folder / "module.json"
    facts = json.loads(path.read_text())
    del facts["budgets"], facts["changes"], facts["source"]
    path.write_text(json.dumps(facts))
    assert not publish_module(source, tmp_path / "out").changed


def test_a_refused_build_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    (source / "lesson.zh.md").write_text("")
    with pytest.raises(BadTranslation):
        publish_module(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_all_modules_of_the_courses_are_published(source: Path, settings: Settings) -> None:
    (source.parent / "notes").mkdir()
    published = publish_modules(settings, source.parent)
    assert [one.module.id for one in published] == ["05_film"]
    assert load_modules(settings.path("modules")).ids == ["05_film"]
    assert [one.changed for one in publish_modules(settings, source.parent)] == [False]
