"""`./radlab dataset`, as an administrator types it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from dicom_archive.manifest import read_manifest
from hub_config.cli.__main__ import main

Said = pytest.CaptureFixture[str]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADLAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with a generated set of two patients, made once."""
    made = tmp_path_factory.mktemp("generated") / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADLAB_STATE", str(made))
        assert main(["dataset", "generate", "chest-film", "--patients", "2"]) == 0
    return made


@pytest.fixture
def films(state: Path, generated: Path) -> Path:
    """The generated set in a state of the test's own; which files are one stays so."""
    subprocess.run(["cp", "-a", str(generated), str(state)], check=True)
    (folder,) = (state / "datasets" / "versions" / "chest-film").iterdir()
    return folder


def test_an_empty_list_says_how_to_fill_it(state: Path, capsys: Said) -> None:
    assert main(["dataset", "list"]) == 0
    assert "./radlab dataset generate chest-film" in capsys.readouterr().out
    assert main(["dataset", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_generated_set_is_listed_shown_and_verified(films: Path, capsys: Said) -> None:
    assert main(["dataset", "generate", "chest-film", "--patients", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["new"], result["patients"], result["folder"]) == (False, 2, str(films))
    assert main(["dataset", "generate", "chest-film"]) == 0
    assert "is there already; nothing changed" in capsys.readouterr().out
    assert main(["dataset", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["dataset"], listed["version"], listed["patients"]) == (
        "chest-film",
        films.name,
        2,
    )
    assert main(["dataset", "show", "chest-film"]) == 0
    assert listed["root"][:16] in capsys.readouterr().out
    assert main(["dataset", "show", f"chest-film@{films.name}", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["target"], shown["classes"]) == ("finding", ["normal", "opacity"])
    assert main(["dataset", "verify", "chest-film"]) == 0
    assert "is as it was published" in capsys.readouterr().out


def test_verify_names_the_damaged_file_and_fails(films: Path, capsys: Said) -> None:
    path = next(films.rglob("*.dcm"))
    os.chmod(path, 0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert main(["dataset", "verify", "chest-film"]) == 1
    assert str(path.relative_to(films)) in capsys.readouterr().err
    assert main(["dataset", "verify", "chest-film", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "dataset_damaged"


def test_a_refusal_is_one_sentence_with_what_to_do(films: Path, capsys: Said) -> None:
    cases: list[tuple[list[str], str]] = [
        (["generate", "chest-flim"], "Did you mean 'chest-film'"),
        (["generate", "chest-film", "--patients", "2", "--seed", "8"], "--version"),
        (["generate", "chest-film", "--version", "two"], "cannot be a version"),
        (["show", "chest"], "Did you mean 'chest-film'"),
        (["verify", "chest-film@9.9.9"], "has no version 9.9.9"),
        (["import", "mine", "/nowhere", "--target", "x", "--declare-deidentified"], "no folder"),
        (["import", "mine", "/nowhere", "--target", "x"], "nobody has declared"),
    ]
    for words, said in cases:
        assert main(["dataset", *words]) == 1
        out = capsys.readouterr()
        assert said in out.err
        assert "Traceback" not in out.err


def test_an_import_reports_what_it_left_out(films: Path, tmp_path: Path, capsys: Said) -> None:
    given = tmp_path / "given"
    given.mkdir()
    paths = sorted(films.rglob("*.dcm"))
    lines = ["file,kind"]
    for number, path in enumerate(paths):
        (given / f"{number}.dcm").write_bytes(path.read_bytes())
        lines.append(f"{number}.dcm,{'ab'[number % 2]}")
    (given / "broken.dcm").write_bytes(b"")
    (given / "labels.csv").write_text("\n".join(lines))
    words = ["import", "mine", str(given), "--target", "kind", "--declare-deidentified"]
    assert main(["dataset", *words]) == 0
    out = capsys.readouterr()
    images = read_manifest(films)["images"]
    assert f"Published mine@1.0.0: {images} images of 2 patients" in out.out
    assert "Left out broken.dcm: it is empty" in out.err
    assert "do not say Patient Identity Removed" in out.err
