"""Tables of labels: which row is an image's own, and which columns are numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_archive.errors import BadLabels
from dicom_archive.labels import Key, LabelTable, published_names
from dicom_catalog.index import IMAGE_COLUMNS


@pytest.fixture
def table(tmp_path: Path) -> LabelTable:
    path = tmp_path / "t.csv"
    path.write_text(
        "study,stem,sex,who,value\n007,one,f,A,1.5\n008,two,m,B,\n009,three,f,C,2\n", "utf-8-sig"
    )
    return LabelTable(path)


KEYS = [Key("png/one.png"), Key("png/two.png"), Key("png/four.png")]


def test_the_column_that_names_most_images_is_found(table: LabelTable) -> None:
    assert table.match(KEYS, None) == ("stem", {"png/one.png": 0, "png/two.png": 1})


@pytest.mark.parametrize(
    "key", [Key("a.dcm", uid="one"), Key("one"), Key("one.png"), Key("x/y/one.jpeg")]
)
def test_an_image_is_named_by_uid_path_file_or_stem(table: LabelTable, key: Key) -> None:
    assert table.match([key], None) == ("stem", {key.path: 0})


def test_a_column_with_a_value_on_two_lines_names_nobody(table: LabelTable) -> None:
    with pytest.raises(BadLabels, match="no column names any"):
        table.match([Key("f.png")], None)


def test_a_named_column_is_used_even_where_another_fits_better(table: LabelTable) -> None:
    assert table.match([Key("one.png", patient="C")], "who") == ("who", {"one.png": 2})
    with pytest.raises(BadLabels, match="Did you mean 'stem'"):
        table.match(KEYS, "stemm")


def test_numbers_are_numbers_identifiers_and_targets_stay_texts(table: LabelTable) -> None:
    names = {"study": "study", "value": "value", "sex": "sex"}
    assert table.labels(0, names, "sex") == {"study": "007", "value": 1.5, "sex": "f"}
    assert table.labels(1, names, "sex")["value"] is None
    assert table.labels(0, names, "value")["value"] == "1.5"


def test_whole_numbers_keep_their_digits_and_an_infinite_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("stem,n\na,9007199254740993\nb,12345678901234567890\nc,1e3\nd,1e30\ne,inf\n")
    table = LabelTable(path)
    found = [table.labels(row, {"n": "n"}, "")["n"] for row in range(5)]
    assert found == [9007199254740993, "12345678901234567890", 1000, 1e30, float("inf")]


@pytest.mark.parametrize("content", ["", "a,b\n", "\x00\x01\n\x02,\x03,\x04\n1\n2,2,2,2,2\n"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(BadLabels):
        LabelTable(path)


@given(st.lists(st.sampled_from([*IMAGE_COLUMNS, "age", "Rows", "label_rows"]), unique=True))
def test_published_columns_never_collide_with_one_another_or_the_index(names: list[str]) -> None:
    published = [name.lower() for name in published_names(names).values()]
    assert len(set(published)) == len(published) == len(names)
    assert not set(published) & set(IMAGE_COLUMNS)
