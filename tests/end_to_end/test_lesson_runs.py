"""Each course module, whole, in the image, with the limits and without the network of its students.

The proof (`./radlab course check`) is what publishing asks for: each check refuses the open gap and
every known wrong answer and passes the solution; the notebook runs within the budget of the profile
`ci`; each claim of its text holds. Runs after the story, on its datasets.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import docker
import pytest

from hub_config.machine.course_run import LABEL
from hub_config.offers.lessons import sources
from hub_config.offers.modules import NOTEBOOKS

pytestmark = [pytest.mark.engine, pytest.mark.images]
ROOT = Path(__file__).parents[2]
LESSONS = [path.name for path in sources(ROOT / "courses")]
NEW = "90_walk"
README = ROOT / "datasets" / "archive" / "README.md"
# The commands that the archive's README gives, by the folder of real images that each is for.
COMMANDS = {
    found[1].split("/")[-1].split()[0]: found[0]
    for found in re.findall(r"`\./radlab (dataset import [^`]*(DATA/[^`]*))`", README.read_text())
}
MISTAKE = ("return number * 2\n    # END", "return number * 3\n    # END")


def check(platform: Any, module: str, *words: str) -> dict[str, Any]:
    done = platform.run("course", "check", module, *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert isinstance(told, dict) and told["problems"] == []
    return told


@pytest.mark.parametrize("module", LESSONS)
def test_a_lesson_proves_its_checks_and_its_claims(platform: Any, module: str) -> None:
    told = check(platform, module)
    assert len(told["exercises"]) >= 4
    assert all(mistakes >= 1 for mistakes in told["exercises"].values())
    assert told["claims"] and told["seconds"] > 0


@pytest.mark.parametrize("module", LESSONS)
def test_a_page_whose_gaps_are_open_runs_to_its_end_in_chinese(platform: Any, module: str) -> None:
    told = check(platform, module, "--untouched", "--language", "zh_CN")
    assert told["first_figure_seconds"] is not None


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("module", "folder"),
    [
        ("05_classification", "chest-film"),
        ("08_segmentation", "nuclei"),
        ("10_detection", "blood-cells"),
    ],
)
def test_a_lesson_runs_on_real_images_by_one_parameter(
    platform: Any, shared_data: Path, module: str, folder: str
) -> None:
    words = shlex.split(COMMANDS[folder].replace(f"DATA/{folder}", str(shared_data / folder)))
    done = platform.run(*words, "--declare-deidentified")
    assert done.returncode == 0, done.stdout + done.stderr
    assert check(platform, module, "--set", f"dataset={words[2]}")["seconds"] > 0


@pytest.fixture(scope="module")
def repository(platform: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Git repository with the module that `course new` makes."""
    folder = tmp_path_factory.mktemp("teacher")
    assert platform.run("course", "new", NEW, "--in", str(folder)).returncode == 0
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    return folder


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.check_output(command, text=True).strip()


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A change")
    return git(folder, "rev-parse", "HEAD")


def test_a_new_module_is_published_from_git_for_one_group(platform: Any, repository: Path) -> None:
    assert platform.run("group", "create", "spring").returncode == 0
    address = f"file://{repository}#{NEW}"
    done = platform.run("course", "publish", address, "--to", "spring", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["id"], told["version"], told["changed"]) == (NEW, "1.0.0", True)
    facts = json.loads(Path(told["folder"], "module.json").read_text())
    assert facts["source"]["commit"] == git(repository, "rev-parse", "HEAD")
    (listed,) = [one for one in platform.json("course", "list") if one["id"] == NEW]
    assert listed["offered_to"] == ["spring"]


def test_a_module_whose_check_passes_a_wrong_answer_is_not_published(
    platform: Any, repository: Path
) -> None:
    lesson, facts = repository / NEW / "lesson.py", repository / NEW / "module.yaml"
    assert MISTAKE[0] in lesson.read_text()
    lesson.write_text(lesson.read_text().replace(*MISTAKE, 1))
    facts.write_text(facts.read_text().replace("version: 1.0.0", "version: 1.1.0"))
    commit(repository)
    done = platform.run("course", "publish", f"file://{repository}#{NEW}", "--to", "spring")
    assert done.returncode != 0
    assert "double: its check refuses the solution" in done.stdout + done.stderr
    folder = platform.state / "modules" / NEW
    assert [path.name for path in folder.iterdir()] == ["1.0.0"]


def test_a_students_notebook_is_graded_by_the_published_checks(
    platform: Any, repository: Path, tmp_path: Path
) -> None:
    fresh = platform.state / "modules" / NEW / "1.0.0" / NOTEBOOKS["en"]
    notebook = json.loads(fresh.read_text())
    for cell in notebook["cells"]:
        if cell["id"] == "double":
            cell["source"] = ["def double(number):\n", "    return number + number"]
        if cell["id"] == "half":
            cell["source"] = ["def half(number):\n", "    return number / 3"]
    (tmp_path / "anna.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "ben.ipynb").write_text("no notebook")
    paths = [str(tmp_path / name) for name in ("anna.ipynb", "ben.ipynb")]
    anna, ben = platform.json("course", "grade", NEW, *paths)
    assert (anna["points"], anna["of"]) == (1, 4)
    assert anna["exercises"]["double"]["passed"] and not anna["exercises"]["half"]["passed"]
    assert ben["points"] == 0 and "no notebook" in ben["problem"]


def test_no_run_leaves_a_container_behind(platform: Any) -> None:
    client = docker.from_env()
    try:
        assert client.containers.list(all=True, filters={"label": LABEL}) == []
    finally:
        client.close()


def test_a_withdrawn_module_is_offered_to_nobody(platform: Any) -> None:
    assert platform.run("course", "withdraw", NEW).returncode == 0
    (listed,) = [one for one in platform.json("course", "list") if one["id"] == NEW]
    assert listed["offered_to"] == []
