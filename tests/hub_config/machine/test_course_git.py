"""A module from a Git address: real clones of local repositories, and what they may not bring."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hub_config.machine import course_git
from hub_config.machine.course_git import CannotClone, cloned, is_address

FACTS = "id: 20_films\nversion: 1.0.0\n"


def git(folder: Path, *words: str) -> str:
    identity = {
        f"GIT_{who}_{what}": "t@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *words],
        env={**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one module in `courses/20_films`, on the branch `main`."""
    folder = tmp_path / "origin"
    module = folder / "courses" / "20_films"
    module.mkdir(parents=True)
    (module / "module.yaml").write_text(FACTS)
    (module / "lesson.py").write_text("first = 1\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    return folder


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A change")
    return git(folder, "rev-parse", "HEAD")


def address(repository: Path, inside: str = "") -> str:
    return f"file://{repository}" + (f"#{inside}" if inside else "")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("https://example.org/films.git", True),
        ("https://example.org/films.git#courses/20_films", True),
        ("ssh://git@example.org/films.git", True),
        ("git@example.org:teachers/films.git", True),
        ("file:///srv/films", True),
        ("05_classification", False),
        ("../films", False),
        ("/srv/films", False),
        ("http://example.org/films.git", False),
        ("ext::sh -c touch% /tmp/x", False),
        ("--upload-pack=touch /tmp/x", False),
    ],
)
def test_an_address_is_told_from_a_folder_and_an_id(word: str, expected: bool) -> None:
    assert is_address(word) is expected


def test_a_clone_gives_the_folder_and_its_commit_and_goes_away(repository: Path) -> None:
    word = address(repository, "courses/20_films")
    with cloned(word) as clone:
        assert clone.folder.name == "20_films"
        assert (clone.folder / "lesson.py").read_text() == "first = 1\n"
        assert clone.commit == git(repository, "rev-parse", "HEAD")
        assert clone.address == address(repository)
        folder = clone.folder
    assert not folder.exists()


def test_a_module_at_the_top_is_named_by_its_id(tmp_path: Path) -> None:
    folder = tmp_path / "anything"
    folder.mkdir()
    (folder / "module.yaml").write_text(FACTS)
    git(folder, "init", "--quiet")
    commit(folder)
    with cloned(address(folder)) as clone:
        assert clone.folder.name == "20_films"
        assert (clone.folder / "module.yaml").read_text() == FACTS


def test_a_tag_names_what_stood_there_then(repository: Path) -> None:
    git(repository, "tag", "spring")
    (repository / "courses" / "20_films" / "lesson.py").write_text("second = 2\n")
    commit(repository)
    with cloned(address(repository, "courses/20_films"), "spring") as clone:
        assert (clone.folder / "lesson.py").read_text() == "first = 1\n"


@pytest.mark.parametrize(
    ("inside", "ref", "said"),
    [
        ("", None, r"name one of them: file://.*#courses/20_films"),
        ("courses", None, "there is no module.yaml in courses"),
        ("../../etc", None, "leads out of it"),
        ("courses/20_films", "winter", "winter"),
        ("courses/20_films", "--upload-pack=x", "is no name of a branch or tag"),
    ],
)
def test_what_gives_no_module_says_why(
    repository: Path, inside: str, ref: str | None, said: str
) -> None:
    with pytest.raises(CannotClone, match=said), cloned(address(repository, inside), ref):
        pass


def test_an_address_that_nobody_answers_says_so(tmp_path: Path) -> None:
    with pytest.raises(CannotClone, match="nothing"), cloned(f"file://{tmp_path}/nothing"):
        pass


def test_a_link_arrives_as_text_and_shows_no_file_of_this_machine(
    repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("a secret")
    module = repository / "courses" / "20_films"
    (module / "checks.py").symlink_to(tmp_path / "secret")
    commit(repository)
    with cloned(address(repository, "courses/20_films")) as clone:
        assert not (clone.folder / "checks.py").is_symlink()
        assert (clone.folder / "checks.py").read_text() == str(tmp_path / "secret")


def test_a_clone_runs_no_hook_and_no_filter(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    template = tmp_path / "template" / "hooks"
    template.mkdir(parents=True)
    hook = template / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    command = f"sh -c 'touch {ran}; cat'"
    (home / ".gitconfig").write_text(
        f"[init]\n\ttemplateDir = {template.parent}\n"
        f'[filter "lfs"]\n\tsmudge = "{command}"\n\tprocess = "{command}"\n\trequired = true\n'
    )
    monkeypatch.setenv("HOME", str(home))
    (repository / ".gitattributes").write_text("*.py filter=lfs\n")
    commit(repository)
    with cloned(address(repository, "courses/20_films")) as clone:
        assert (clone.folder / "lesson.py").read_text() == "first = 1\n"
    assert not ran.exists()


def test_a_submodule_is_not_fetched(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "evil.py").write_text("evil = True\n")
    git(other, "init", "--quiet")
    commit(other)
    inside = "courses/20_films/other"
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", str(other), inside)
    commit(repository)
    with cloned(address(repository, "courses/20_films")) as clone:
        assert list((clone.folder / "other").iterdir()) == []


def test_what_is_small_when_packed_and_large_when_written_is_refused_unwritten(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_git, "MOST_BYTES", 1_000_000)
    (repository / "zeros").write_bytes(bytes(1_000_001))
    commit(repository)
    with (
        pytest.raises(CannotClone, match="bytes; 1,000,000 are allowed"),
        cloned(address(repository, "courses/20_films")),
    ):
        pass


def test_a_pack_that_is_too_large_is_cut_off(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_git, "MOST_BYTES", 100_000)
    (repository / "noise").write_bytes(os.urandom(400_000))
    commit(repository)
    with pytest.raises(CannotClone), cloned(address(repository, "courses/20_films")):
        pass
