"""How a container starts: the module on the desk, a full home, and what JupyterLab is told."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from radlab_session import desk, room, start
from radlab_session.session import session

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "images" / "base" / "labextension"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    for version in ("1.0.0", "1.1.0"):
        folder = tmp_path / "modules" / "05_classification" / version
        (folder / "figures").mkdir(parents=True)
        (folder / "lesson.ipynb").write_text(version)
        (folder / "lesson.zh.ipynb").write_text(version)
        (folder / "figures" / "film.png").write_bytes(b"png")
        (folder / "lesson.ipynb").chmod(0o444)
    return tmp_path / "modules"


def lay(home: Path, modules: Path, version: str = "1.0.0", language: str = "en") -> desk.Desk:
    return desk.lay("05_classification", version, language, home, modules)


def test_a_module_is_copied_into_the_home_and_can_be_written(home: Path, modules: Path) -> None:
    laid = lay(home, modules)
    assert laid.folder == home / "05_classification"
    assert laid.notebook == home / "05_classification" / "lesson.ipynb"
    assert laid.notice is None
    assert (laid.folder / "figures" / "film.png").read_bytes() == b"png"
    assert laid.notebook.stat().st_mode & 0o200


def test_the_notebook_of_the_students_language_is_opened(home: Path, modules: Path) -> None:
    assert lay(home, modules, language="zh_CN").notebook.name == "lesson.zh.ipynb"
    (home / "05_classification" / "lesson.zh.ipynb").unlink()
    assert lay(home, modules, language="zh_CN").notebook.name == "lesson.ipynb"


def test_a_second_start_leaves_the_students_work(home: Path, modules: Path) -> None:
    lay(home, modules).notebook.write_text("my work")
    assert lay(home, modules).notebook.read_text() == "my work"


def test_a_new_version_goes_beside_the_old_one(home: Path, modules: Path) -> None:
    lay(home, modules).notebook.write_text("my work")
    laid = lay(home, modules, "1.1.0")
    assert laid.folder == home / "05_classification-1.1.0"
    assert laid.notebook.read_text() == "1.1.0"
    assert laid.notice == "module_new_version"
    assert (home / "05_classification" / "lesson.ipynb").read_text() == "my work"
    laid.notebook.write_text("more work")
    again = lay(home, modules, "1.1.0")
    assert (again.notebook.read_text(), again.notice) == ("more work", None)


@pytest.mark.parametrize(
    ("language", "heading", "told"),
    [
        ("en", "# Chest films: version 1.1.0", "The figures are larger."),
        ("zh_CN", "# 胸片：版本 1.1.0", "图变大了。"),
    ],
)
def test_a_new_version_says_what_has_changed(
    home: Path, modules: Path, language: str, heading: str, told: str
) -> None:
    facts = {
        "title": {"en": "Chest films", "zh_CN": "胸片"},
        "changes": {"en": "The figures are larger.", "zh_CN": "图变大了。"},
    }
    path = modules / "05_classification" / "1.1.0" / "module.json"
    path.write_text(json.dumps(facts))
    lay(home, modules)
    note = (lay(home, modules, "1.1.0", language).folder / desk.NOTE).read_text()
    assert heading in note
    assert told in note
    assert "~/05_classification" in note
    assert not (home / "05_classification" / desk.NOTE).exists()


@pytest.mark.parametrize("facts", ["", "[]", '{"changes": null}', '{"title": 5, "changes": 7}'])
def test_a_new_version_without_a_note_is_laid_all_the_same(
    home: Path, modules: Path, facts: str
) -> None:
    (modules / "05_classification" / "1.1.0" / "module.json").write_text(facts)
    lay(home, modules)
    laid = lay(home, modules, "1.1.0")
    assert laid.notice == "module_new_version"
    assert laid.notebook.read_text() == "1.1.0"


def test_notebooks_are_laid_anew_where_none_is_left(home: Path, modules: Path) -> None:
    folder = lay(home, modules).folder
    for notebook in folder.glob("*.ipynb"):
        notebook.unlink()
    assert lay(home, modules).notebook == folder / "lesson.ipynb"
    assert (folder / "lesson.ipynb").read_text() == "1.0.0"


def test_the_lesson_is_opened_and_not_a_backup_or_another_notebook(
    home: Path, modules: Path
) -> None:
    folder = lay(home, modules).folder
    (folder / "lesson.backup-20260301-120000.ipynb").write_text("before")
    (folder / "answers.ipynb").write_text("mine")
    assert lay(home, modules).notebook.name == "lesson.ipynb"
    for name in ("lesson.ipynb", "lesson.zh.ipynb"):
        (folder / name).unlink()
    assert lay(home, modules).notebook.name == "answers.ipynb"


def test_a_folder_of_the_students_own_is_left_alone(home: Path, modules: Path) -> None:
    (home / "05_classification").mkdir()
    (home / "05_classification" / "mine.txt").write_text("mine")
    assert lay(home, modules).folder == home / "05_classification-1.0.0"
    assert os.listdir(home / "05_classification") == ["mine.txt"]


def test_a_copy_that_is_cut_short_leaves_nothing(home: Path, modules: Path) -> None:
    # A pipe among the files stops a copy half way, as a full disk does; no patch is needed.
    os.mkfifo(modules / "05_classification" / "1.0.0" / "figures" / "pipe")
    laid = lay(home, modules)
    assert laid.notice == "module_read_only"
    assert laid.folder == modules / "05_classification" / "1.0.0"
    assert os.listdir(home) == []


def test_a_draft_that_a_killed_start_left_is_no_obstacle(home: Path, modules: Path) -> None:
    draft = home / f".radlab-draft-{os.getpid()}"
    draft.mkdir()
    (draft / "half.ipynb").write_text("half")
    laid = lay(home, modules)
    assert (laid.folder, laid.notice) == (home / "05_classification", None)
    assert not (laid.folder / "half.ipynb").exists()
    assert os.listdir(home) == ["05_classification"]


@pytest.mark.parametrize(
    ("module", "version"),
    [("none", "1.0.0"), ("05_classification", "9.9.9"), ("..", ".."), ("05_classification", "")],
)
def test_a_module_that_is_not_there_is_said(
    home: Path, modules: Path, module: str, version: str
) -> None:
    laid = desk.lay(module, version, "en", home, modules)
    assert (laid.folder, laid.notice) == (None, "module_missing")
    assert os.listdir(home) == []


def test_no_module_is_no_notice(home: Path, modules: Path) -> None:
    assert desk.lay("", "", "en", home, modules) == desk.Desk(None, None)


def test_a_home_that_takes_no_file_is_full(home: Path) -> None:
    assert not room.is_full(home)
    assert room.is_full(home / "gone")
    assert os.listdir(home) == []


def test_a_full_home_sends_all_that_jupyter_writes_to_scratch() -> None:
    roomy: dict[str, str] = {}
    start.write_elsewhere(roomy, full=False)
    full: dict[str, str] = {}
    start.write_elsewhere(full, full=True)
    assert "JUPYTER_DATA_DIR" not in roomy
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        assert Path(full[name]).is_relative_to("/tmp")


def test_the_read_only_module_is_opened_from_the_root(
    home: Path, modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_DEFAULT_URL", "")
    folder = modules / "05_classification" / "1.0.0"
    laid = desk.Desk(folder, folder / "lesson.ipynb", "module_read_only")
    arguments = start.server_arguments(home, laid, ["--debug"])
    assert "--ServerApp.root_dir=/" in arguments
    assert f"--ServerApp.preferred_dir={home}" in arguments
    assert os.environ["JUPYTERHUB_DEFAULT_URL"] == f"/lab/tree{folder}/lesson.ipynb"
    assert arguments[-1] == "--debug"


def test_threads_that_wait_for_one_another_sleep_unless_told_otherwise() -> None:
    environ: dict[str, str] = {}
    start.count_threads(environ)
    assert environ["OMP_WAIT_POLICY"] == "PASSIVE"
    told = {"OMP_WAIT_POLICY": "ACTIVE"}
    start.count_threads(told)
    assert told["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.parametrize(
    ("unified", "quota", "expected"),
    [
        ("150000 100000", None, 2),
        ("50000 100000", None, 1),
        ("max 100000", None, None),
        (None, "400000", 4),
        (None, "-1", None),
        (None, None, None),
    ],
)
def test_threads_follow_the_containers_processors(
    tmp_path: Path, unified: str | None, quota: str | None, expected: int | None
) -> None:
    files = (tmp_path / "cpu.max", tmp_path / "cpu.cfs_quota_us")
    for path, content in zip(files, (unified, quota), strict=True):
        if content is not None:
            path.write_text(f"{content}\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    assert start.processors_allowed(files) == expected


def test_the_session_is_told_from_the_environment(home: Path) -> None:
    told = session(
        {
            "HOME": str(home),
            "RADLAB_LEASE": "l-1",
            "RADLAB_SESSION_ENDS": "2026-03-01T15:40:00Z",
            "RADLAB_WARN_MINUTES": "5",
            "RADLAB_GPUS": "GPU-a,GPU-b",
            "RADLAB_GPUS_SIMULATED": "1",
            "RADLAB_MODULE": "05_classification",
            "RADLAB_MODULE_VERSION": "1.1.0",
            "RADLAB_NOTICES": "module_read_only",
        }
    )
    free = told.pop("home_free_bytes")
    assert free > 0
    assert told == {
        "lease": "l-1",
        "ends_at": "2026-03-01T15:40:00Z",
        "warn_minutes": 5,
        "stop_why": None,
        "extend": None,
        "disk": None,
        "oom": None,
        "gpus": ["GPU-a", "GPU-b"],
        "simulated": True,
        "module": "05_classification",
        "module_version": "1.1.0",
        "home_full": False,
        "notices": ["module_read_only"],
    }


def test_an_empty_environment_is_a_session_without_an_end(home: Path) -> None:
    told = session({"HOME": str(home)})
    assert (told["ends_at"], told["gpus"], told["simulated"]) == (None, [], False)
    assert told["warn_minutes"] == 10


def notices() -> tuple[str, dict[str, list[tuple[str, str]]]]:
    """The extension's text, and its messages by language: code and words."""
    text = (EXTENSION / "static" / "remoteEntry.js").read_text()
    blocks = dict(re.findall(r"^    (en|zh): \{\n(.*?)^    \}", text, re.DOTALL | re.MULTILINE))
    return text, {
        name: re.findall(r"^      (\w+): '(.+)',?$", body, re.MULTILINE)
        for name, body in blocks.items()
    }


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_notice_is_longer_than_jupyterlab_shows(language: str) -> None:
    text, codes = notices()
    (longest_name,) = re.findall(r"MOST_OF_NAME = (\d+);", text)
    values = {
        "time": "20:30", "minutes": "1440", "limit": "127.5", "used": "127.6", "why": "",
        "module": "05_classification", "process": "python3.11 -m my",
        "notebooks": "n" * int(longest_name) + " +1", "page": "n" * int(longest_name),
        "module_version": "1.10.0", "backup": "lesson.zh.backup-20260301-120000.ipynb",
    }  # fmt: skip
    said = {code: words.format(**values) for code, words in codes[language]}
    for why in ("waited_for", "early", "longest", "hours"):
        refused = said["not_extended"] + said[why]
        said |= {f"{end} {why}": f"{said[end]} {refused}" for end in ("ends", "ends_soon")}
    assert {code: len(words) for code, words in said.items() if len(words) > 140} == {}


def test_every_notice_is_written_in_both_languages() -> None:
    text, codes = notices()
    assert [code for code, _ in codes["en"]] == [code for code, _ in codes["zh"]]
    shown = {"module_new_version", "reset_no_page", "reset_not_published", "reset_no_room"}
    shown |= set(re.findall(r"say\('(\w+)'", text)) | set(re.findall(r"[?:] '([a-z_]+)'", text))
    told = {"home_full", "module_missing", "module_read_only", "simulated", "ends", "ends_soon"}
    told |= {"idle", "recalled", "hours_used", "waited_for", "early", "longest", "hours"}
    assert {code for code, _ in codes["zh"]} == told | shown - {"en", "zh"}
    for (_, english), (_, chinese) in zip(codes["en"], codes["zh"], strict=True):
        assert re.search("[一-鿿]", chinese)
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese))


def test_the_extension_is_one_that_jupyterlab_loads_without_a_build() -> None:
    facts = json.loads((EXTENSION / "package.json").read_text())["jupyterlab"]["_build"]
    script = (EXTENSION / facts["load"]).read_text()
    assert "window._JUPYTERLAB['@radlab/session']" in script
    assert f"'{facts['extension']}'" in script
