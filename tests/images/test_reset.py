"""A page that is begun anew: the published notebook in its place, the student's beside it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from radlab_session import desk
from radlab_session.reset import NotReset, reset

NOW = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
BACKUP = "lesson.backup-20260301-123005.ipynb"


def notebook(text: str, **radlab: str) -> str:
    return json.dumps({"cells": [text], "metadata": {"radlab": radlab} if radlab else {}})


def published(version: str, language: str) -> str:
    return notebook(
        f"{version} {language}", module="03_network", version=version, language=language
    )


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    for version in ("1.0.0", "1.1.0"):
        folder = tmp_path / "modules" / "03_network" / version
        folder.mkdir(parents=True)
        (folder / "lesson.ipynb").write_text(published(version, "en"))
        (folder / "lesson.zh.ipynb").write_text(published(version, "zh_CN"))
        (folder / "module.json").write_text(json.dumps({"id": "03_network", "version": version}))
        (folder / "lesson.ipynb").chmod(0o444)
    return tmp_path / "modules"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def page(home: Path, modules: Path) -> Path:
    """The student's lesson, with their work in it."""
    path = desk.lay("03_network", "1.0.0", "en", home, modules).notebook
    assert path is not None
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"cells": ["my work"]}))
    return path


def cells(path: Path) -> Any:
    return json.loads(path.read_text())["cells"]


def test_the_page_is_as_it_was_given_out_and_the_work_is_beside_it(
    page: Path, home: Path, modules: Path
) -> None:
    made = reset(page, home, NOW, modules)
    assert (made.page, made.backup) == ("lesson.ipynb", BACKUP)
    assert cells(page) == ["1.0.0 en"]
    assert cells(page.with_name(BACKUP)) == ["my work"]
    assert page.stat().st_mode & 0o200
    assert not list(page.parent.glob(".radlab-draft*"))


def test_two_resets_in_one_second_keep_two_backups(page: Path, home: Path, modules: Path) -> None:
    reset(page, home, NOW, modules)
    page.write_text(notebook("second", module="03_network", version="1.0.0", language="en"))
    made = reset(page, home, NOW, modules)
    assert made.backup == "lesson.backup-20260301-123005-2.ipynb"
    assert cells(page.with_name(BACKUP)) == ["my work"]
    assert cells(page.with_name(made.backup)) == ["second"]


def test_a_renamed_page_in_another_folder_says_itself_what_it_was(
    page: Path, home: Path, modules: Path
) -> None:
    (home / "mine").mkdir()
    renamed = page.rename(home / "mine" / "week 3.ipynb")
    assert reset(renamed, home, NOW, modules).page == "week 3.ipynb"
    assert cells(renamed) == ["1.0.0 en"]


def test_a_page_comes_back_in_its_own_language(page: Path, home: Path, modules: Path) -> None:
    chinese = page.with_name("lesson.zh.ipynb")
    reset(chinese, home, NOW, modules)
    assert cells(chinese) == ["1.0.0 zh_CN"]


def test_a_page_comes_back_in_its_own_version(page: Path, home: Path, modules: Path) -> None:
    newer = desk.lay("03_network", "1.1.0", "en", home, modules).notebook
    assert newer is not None
    reset(page, home, NOW, modules)
    reset(newer, home, NOW, modules)
    assert (cells(page), cells(newer)) == (["1.0.0 en"], ["1.1.0 en"])


@pytest.mark.parametrize(
    "broken", ["", "{", "[]", '{"metadata": 5}', '{"metadata": {"radlab": 1}}']
)
def test_a_page_that_says_nothing_is_known_by_its_folder(
    page: Path, home: Path, modules: Path, broken: str
) -> None:
    page.write_text(broken)
    made = reset(page, home, NOW, modules)
    assert cells(page) == ["1.0.0 en"]
    assert page.with_name(made.backup).read_text() == broken


def test_a_notebook_of_the_students_own_stays(home: Path, modules: Path) -> None:
    own = home / "own.ipynb"
    own.write_text(notebook("mine"))
    with pytest.raises(NotReset, match="not_published"):
        reset(own, home, NOW, modules)
    assert cells(own) == ["mine"]
    assert os.listdir(home) == ["own.ipynb"]


@pytest.mark.parametrize("module", ["..", "../../etc", "/etc", "", "99_none"])
def test_a_page_that_names_a_path_reads_nothing_there(
    home: Path, modules: Path, module: str
) -> None:
    own = home / "own.ipynb"
    own.write_text(notebook("mine", module=module, version="1.0.0", language="en"))
    with pytest.raises(NotReset, match="not_published"):
        reset(own, home, NOW, modules)


def test_a_page_outside_the_home_is_none(home: Path, modules: Path) -> None:
    outside = modules / "03_network" / "1.0.0" / "lesson.ipynb"
    (home / "link.ipynb").symlink_to(outside)
    for path in (outside, home / "gone.ipynb", home, home / "link.ipynb"):
        with pytest.raises(NotReset, match="no_page"):
            reset(path, home, NOW, modules)
    assert cells(outside) == ["1.0.0 en"]


def _no_room() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_a_full_home_costs_no_work(page: Path, home: Path, modules: Path) -> None:
    # In a process of its own that can write no byte, as in a full home.
    program = (
        "import signal, sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from radlab_session.reset import NotReset, reset\n"
        "try: reset(*map(Path, sys.argv[1:3]), datetime.now(UTC), Path(sys.argv[3]))\n"
        "except NotReset as refused: sys.stderr.write(refused.code)\n"
    )
    before = sorted(os.listdir(page.parent))
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, page, home, modules],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=_no_room,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "no_room"
    assert cells(page) == ["my work"]
    assert sorted(os.listdir(page.parent)) == before
