"""The tag browser of module 01: what it says of a header is what stands in the file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from course_kit.widgets import tags
from course_kit.widgets.tags import TagBrowser


@pytest.fixture
def header() -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "43799004", "SCT", "Chest"
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, "2.25.7"
    header.PatientName = "SYNTHETIC^Ång"
    header.SpecificCharacterSet = "ISO_IR 192"
    header.AnatomicRegionSequence = [item]
    header.PixelSpacing = [1.4, 0.7]
    header.RescaleIntercept = -1024
    header.BitsAllocated, header.BitsStored, header.PixelRepresentation = 16, 12, 0
    header.PixelData = bytes(5000)
    header["PixelData"].VR = "OW"
    return header


def rows(header: Dataset) -> dict[str, dict[str, object]]:
    return {row["keyword"]: row for row in TagBrowser(header).rows}


def test_the_bytes_of_an_element_are_those_of_the_file(header: Dataset) -> None:
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    header.save_as(file, enforce_file_format=True)
    for keyword, row in rows(header).items():
        if keyword != "AnatomicRegionSequence":
            assert bytes(row["bytes"]) in file.getvalue(), keyword  # type: ignore[call-overload]


def test_elements_of_a_sequence_stand_below_it_and_further_in(header: Dataset) -> None:
    shown = TagBrowser(header).rows
    names = [row["keyword"] for row in shown]
    place = names.index("AnatomicRegionSequence")
    assert [row["level"] for row in shown[place : place + 4]] == [0, 1, 1, 1]


def test_a_uid_is_named_and_pixels_are_counted_not_listed(header: Dataset) -> None:
    shown = rows(header)
    assert shown["SOPClassUID"]["value"] == "CT Image Storage"
    assert shown["PixelData"]["value"] == "5,000 bytes"
    assert shown["PixelData"]["length"] == 5012
    assert len(shown["PixelData"]["bytes"]) == tags.SHOWN_BYTES  # type: ignore[arg-type]


def test_a_page_without_widgets_shows_a_table_that_nothing_in_the_header_can_break(
    header: Dataset,
) -> None:
    header.PatientName = "<script>alert(1)</script>"
    table = TagBrowser(header)._table()
    assert "<script>" not in table and "&lt;script&gt;" in table


def test_what_is_no_header_is_refused_with_its_kind() -> None:
    with pytest.raises(ValueError, match="given: str"):
        TagBrowser("scan.dcm")  # type: ignore[arg-type]


def test_it_speaks_the_readers_language(header: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADLAB_LANGUAGE", "zh_CN")
    browser = TagBrowser(header)
    assert browser.words["choose"] == tags.TEXTS["choose"]["zh_CN"]
    assert rows(header)["PixelSpacing"]["says"] == (tags.MEANINGS["PixelSpacing"]["zh_CN"])


def test_its_texts_are_in_both_languages_and_its_script_stands_beside_it() -> None:
    for texts in (tags.TEXTS, tags.KINDS, tags.MEANINGS):
        for key, text in texts.items():
            assert set(text) == {"en", "zh_CN"} and all(text.values()), key
    assert Path(tags.__file__).with_suffix(".js").is_file()


def test_a_value_that_cannot_be_written_again_is_shown_without_bytes(header: Dataset) -> None:
    header.add_new(0x00280010, "US", 256)
    header["Rows"]._value = 10**9
    assert rows(header)["Rows"]["bytes"] == []
    assert rows(header)["Rows"]["value"] == "1000000000"
