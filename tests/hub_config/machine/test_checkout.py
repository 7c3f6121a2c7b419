"""What is generated from the checkout equals what is committed, and a hash sees every change."""

from __future__ import annotations

import io
from pathlib import Path

from hub_config.machine import checkout, conda
from hub_config.machine.progress import Progress

ROOT = Path(__file__).parents[3]


def test_environment_yml_is_what_pyproject_says() -> None:
    """To mend: python -m hub_config.machine.conda > environment.yml"""
    assert (ROOT / "environment.yml").read_text() == conda.environment(ROOT)


def test_every_dependency_is_pinned() -> None:
    pins = (ROOT / "requirements.txt").read_text().lower().replace("_", "-")
    wanted = conda.environment(ROOT).split("- pip:\n")[1].replace('      - "', "").splitlines()
    names = [conda._name(line.rstrip('"')) for line in wanted]
    assert [name for name in names if f"\n{name}==" not in f"\n{pins}"] == []


def test_tests_and_platform_agree_on_versions() -> None:
    lines = {}
    for source in ("requirements.txt", "requirements-test.txt"):
        for line in (ROOT / source).read_text().splitlines():
            if "==" in line and ";" not in line:
                name, _, version = line.partition("==")
                assert lines.setdefault(name, version) == version


def test_the_hash_sees_names_contents_and_texts(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    seen = {checkout.digest([tmp_path])}
    (tmp_path / "a").write_text("2")
    seen.add(checkout.digest([tmp_path]))
    (tmp_path / "a").rename(tmp_path / "b")
    seen.add(checkout.digest([tmp_path]))
    seen.add(checkout.digest([tmp_path], "3.12"))
    assert len(seen) == 4


def test_what_tools_leave_behind_is_not_source(tmp_path: Path) -> None:
    before = checkout.digest([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").touch()
    assert checkout.digest([tmp_path]) == before


def test_the_root_is_this_checkout() -> None:
    assert checkout.root() == ROOT


def test_steps_are_numbered_and_a_step_without_work_says_so() -> None:
    stream, ticks = io.StringIO(), iter([0.0, 0.0, 0.0, 0.5, 0.5, 61.0, 61.0, 65.0, 66.0, 66.0])
    progress = Progress(stream, lambda: next(ticks))
    with progress.step("Quick"):
        pass
    with progress.step("Slow") as say:
        say("working")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "[ 0:00]  1. Quick" and lines[1].endswith("as it was")
    assert lines[2].endswith("2. Slow") and lines[3].endswith("working")
    assert lines[4].startswith("[ 1:0") and "done: Slow" in lines[4]
