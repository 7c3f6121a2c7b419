"""Where an import's files come from: zip files under limits, DICOMDIRs, and what each file is."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.fileset import FileSet

from dicom_archive.errors import BadSource, NothingToPublish
from dicom_archive.importing import sources
from dicom_archive.importing.sources import opened, scan


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / name)
    return folder


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"inner/{file.name}")
    return path


def test_a_zip_file_is_read_as_the_folder_that_it_holds(pictures: Path, tmp_path: Path) -> None:
    path = zipped(pictures, tmp_path / "x.zip")
    with opened(path, tmp_path / "scratch") as folder:
        found = scan(folder).found
        assert [one.key.path for one in found] == ["inner/a.png", "inner/b.png"]
        first = [one.journal_key for one in found]
    assert list((tmp_path / "scratch").iterdir()) == []
    with opened(path, tmp_path / "scratch") as folder:
        assert [one.journal_key for one in scan(folder).found] == first


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "a/../../out.png", "a\\..\\b.png"])
def test_a_zip_file_that_leads_out_of_its_folder_is_refused_whole(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good.png", b"x")
        archive.writestr(name, b"x")
    with (
        pytest.raises(BadSource, match="leads out"),
        opened(path, tmp_path / "scratch") as _,
    ):
        pass
    assert [one for one in tmp_path.rglob("*.png")] == []


def test_a_zip_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.dcm", bytes(8 * 2**20))
    with pytest.raises(BadSource, match="200 times"), opened(path, tmp_path / "s") as _:
        pass


def test_links_locked_and_broken_zip_files_are_refused(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link.zip"
    with zipfile.ZipFile(link, "w") as archive:
        member = zipfile.ZipInfo("passwd.png")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(BadSource, match="is a link"), opened(link, tmp_path / "s") as _:
        pass
    broken = zipped(pictures, tmp_path / "broken.zip")
    data = bytearray(broken.read_bytes())
    data[50] ^= 0xFF
    broken.write_bytes(data)
    with pytest.raises(BadSource, match="cannot be unpacked"), opened(broken, tmp_path / "s") as _:
        pass
    monkeypatch.setattr(sources, "ROOM_KEPT", 2**60)
    whole = zipped(pictures, tmp_path / "whole.zip")
    with pytest.raises(BadSource, match="MiB free"), opened(whole, tmp_path / "s") as _:
        pass


def test_a_path_that_is_nothing_to_import_from_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(BadSource, match="no zip file"), opened(tmp_path / "x.txt", tmp_path) as _:
        pass
    with pytest.raises(NothingToPublish), opened(tmp_path / "gone", tmp_path) as _:
        pass


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    """A file set as on a disc: two images that its DICOMDIR lists."""
    made = FileSet()
    for name in ("CT_small.dcm", "MR_small.dcm"):
        path = get_testdata_file(name)
        assert isinstance(path, str)
        made.add(path)
    made.write(tmp_path / "disc")
    return tmp_path / "disc"


def test_a_dicomdir_says_which_files_are_images_and_which_are_gone(disc: Path) -> None:
    with opened(disc / "DICOMDIR", disc) as folder:
        whole = scan(folder)
    assert len(whole.found) == 2 and whole.left_out == []
    gone, kept = whole.found
    gone.path.unlink()
    (disc / "stray.dcm").write_bytes(kept.path.read_bytes())
    listing = scan(disc)
    assert [one.key.path for one in listing.found] == [kept.key.path]
    assert dict(listing.left_out) == {
        gone.key.path: "the DICOMDIR lists it, but it is not there",
        "stray.dcm": "the DICOMDIR does not list it",
    }


def test_a_file_is_what_its_bytes_say_whatever_its_name(tmp_path: Path, pictures: Path) -> None:
    path = get_testdata_file("CT_small.dcm")
    assert isinstance(path, str)
    data = Path(path).read_bytes()
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "noname").write_bytes(data)
    dataset = pydicom.dcmread(path)
    (tmp_path / "f" / "old").write_bytes(data[132:])  # no preamble, as before 1993
    (tmp_path / "f" / "wrong.txt").write_bytes((pictures / "a.png").read_bytes())
    (tmp_path / "f" / "text.dcm").write_text("no")
    (tmp_path / "f" / "notes").write_text("no")
    listing = scan(tmp_path / "f")
    assert {one.key.path: one.kind for one in listing.found} == {
        "noname": "dicom",
        "old": "dicom",
        "wrong.txt": "picture",
    }
    assert {one.key.uid for one in listing.found if one.kind == "dicom"} == {
        str(dataset.SOPInstanceUID)
    }
    assert dict(listing.left_out) == {"text.dcm": "it is called .dcm but is no DICOM file"}
    assert [one.name for one in listing.others] == ["notes"]


def test_a_pipe_among_the_files_is_left_be(pictures: Path) -> None:
    os.mkfifo(pictures / "pipe.png")
    listing = scan(pictures)
    assert [path.name for path in listing.others] == ["pipe.png"]
    assert listing.found and not listing.left_out
