"""Pictures: a sheet by matplotlib and a viewer by ipywidgets, where an image has them."""

from __future__ import annotations

import builtins
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dicom_archive.store import Published
from dicom_catalog import Catalog, Dataset, viewing
from dicom_catalog.errors import NotInstalled


@pytest.fixture
def films(sample: Published) -> Dataset:
    return Catalog(sample.folder.parents[1])["chest-film"]


def test_an_image_shows_itself_as_png_without_any_package(films: Dataset) -> None:
    picture = np.asarray(Image.open(io.BytesIO(films[0]._repr_png_())))
    assert np.array_equal(picture, np.rint(films[0].windowed() * 255).astype(np.uint8))


@pytest.mark.parametrize("name", ["matplotlib", "ipywidgets"])
def test_a_missing_package_is_named_with_what_to_do(
    films: Dataset, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real = builtins.__import__

    def without(wanted: str, *rest: Any) -> Any:
        if wanted.split(".")[0] == name:
            raise ImportError(wanted)
        return real(wanted, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    call = viewing.show if name == "matplotlib" else viewing.look
    with pytest.raises(NotInstalled, match=f"{name}.*imaging image"):
        call(films)


def test_a_sheet_has_a_titled_picture_for_each_image(films: Dataset) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is in the imaging image, not here")
    figure = viewing.show(films, count=3, columns=2)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [str(films[k].label) for k in range(3)] + [""]
    shown = figure.axes[0].images[0].get_array()
    assert np.allclose(shown, films[0].windowed())


def test_the_viewer_says_that_there_is_nothing_to_see(films: Dataset) -> None:
    pytest.importorskip("ipywidgets", reason="ipywidgets is in the imaging image, not here")
    nothing = films._part(films.table()["split"] == "nowhere")
    assert "no images" in viewing.look(nothing).value
