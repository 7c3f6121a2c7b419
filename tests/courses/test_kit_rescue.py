"""Cells run out of order, a full disk, no memory left: each gets a sentence that helps."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from course_kit.rescue import makers, sentence


@pytest.fixture
def page(tmp_path: Path) -> Path:
    cells = [
        {"cell_type": "markdown", "source": ["voxels = 'in prose'"]},
        {"cell_type": "code", "source": ["import numpy as np\n", "page = None"]},
        {"cell_type": "code", "source": "# the gap\nvoxels = 1\ndef area(a):\n    inner = a"},
        {"cell_type": "code", "source": "voxels = 2"},
        {"cell_type": "code", "source": "this is no python"},
        {"cell_type": "code", "source": ""},
    ]
    (tmp_path / "module.json").write_text("{}")
    (tmp_path / "renamed by me.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "other.ipynb").write_text("{ broken")
    return tmp_path


def missing(name: str) -> NameError:
    return NameError(f"name '{name}' is not defined", name=name)


def test_a_name_is_traced_to_the_first_cell_that_makes_it(page: Path) -> None:
    assert "cell that begins with “# the gap”" in sentence(missing("voxels"), [], page)
    assert "“# the gap”" in sentence(missing("area"), [], page)
    assert "“import numpy as np”" in sentence(missing("np"), [], page)


def test_a_page_that_was_opened_anew_is_to_be_run_from_the_top(page: Path) -> None:
    assert "opened anew" in sentence(missing("page"), [], page)


def test_a_slip_of_the_pen_gets_the_nearest_name(page: Path) -> None:
    assert "Did you mean `threshold`?" in sentence(missing("treshold"), ["threshold"], page)
    assert "Did you mean `print`?" in sentence(missing("prnt"), [], page)
    assert sentence(missing("qqqq"), [], page) == ""


def test_outside_of_a_module_no_notebook_is_read(page: Path) -> None:
    (page / "module.json").unlink()
    assert makers(page) == {}
    assert sentence(missing("voxels"), [], page) == ""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_folder_says_what_to_delete(page: Path, number: int) -> None:
    assert "Your folder is full" in sentence(OSError(number, "full"), [], page)


def test_memory_that_is_used_up_says_how_to_free_it(page: Path) -> None:
    assert "Restart Kernel" in sentence(MemoryError(), [], page)


def test_other_errors_speak_for_themselves(page: Path) -> None:
    assert sentence(ZeroDivisionError(), [], page) == ""
    assert sentence(FileNotFoundError(errno.ENOENT, "no"), [], page) == ""
