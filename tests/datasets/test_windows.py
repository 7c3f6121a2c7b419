"""Window and level against pydicom, area averages against the mean, and the PNG writer."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_windowing

from dicom_catalog.pictures import html_table, png_bytes, text_table
from dicom_catalog.resample import centre, resize, shrink
from dicom_catalog.windows import FUNCTIONS, apply_window

sides = st.integers(1, 40)


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
@pytest.mark.parametrize(("center", "width"), [(2048, 4096), (600, 200.5), (100, 2)])
def test_grey_values_equal_pydicoms(function: str, center: float, width: float) -> None:
    values = np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)
    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored, dataset.PixelRepresentation = 12, 0
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = center, width, function
    expected = apply_windowing(values, dataset) / 4095
    found = apply_window(values.astype(np.float32), center, width, function=function)
    assert np.allclose(found, expected, atol=2e-4)


def test_inverted_grey_is_one_minus_grey() -> None:
    values = np.linspace(0, 100, 50, dtype=np.float32)
    straight, turned = (apply_window(values, 40, 30, inverted=flag) for flag in (False, True))
    assert np.allclose(straight + turned, 1)


@pytest.mark.parametrize("width", [0, -1, float("nan")])
def test_a_window_without_width_is_refused(width: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        apply_window(np.zeros((2, 2), np.float32), 0, width)


@given(sides, sides, sides, sides, st.integers(0, 100))
def test_resizing_keeps_the_mean_and_the_range(
    rows: int, columns: int, to_rows: int, to_columns: int, seed: int
) -> None:
    image = np.random.default_rng(seed).random((rows, columns)).astype(np.float32)
    small = resize(image, to_rows, to_columns)
    assert small.shape == (to_rows, to_columns)
    assert small.dtype == np.float32
    assert abs(small.mean() - image.mean()) < 1e-4
    assert image.min() - 1e-5 <= small.min() and small.max() <= image.max() + 1e-5


def test_halving_is_the_mean_of_four() -> None:
    image = np.arange(64, dtype=np.float32).reshape(8, 8)
    assert np.allclose(resize(image, 4, 4), image.reshape(4, 2, 4, 2).mean(axis=(1, 3)))


@given(sides, sides, st.integers(1, 50))
def test_a_shrunken_image_keeps_its_shape_in_the_middle_of_black(
    rows: int, columns: int, size: int
) -> None:
    square = centre(shrink(np.ones((rows, columns), np.float32), size), size)
    assert square.shape == (size, size)
    lit = square > 0.5
    height, width = lit.any(axis=1).sum(), lit.any(axis=0).sum()
    assert max(height, width) == size
    assert lit.sum() == height * width
    assert abs(min(height, width) - max(1, size * min(rows, columns) / max(rows, columns))) <= 1


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_a_png_is_read_back_by_pillow(shape: tuple[int, ...]) -> None:
    grey = np.random.default_rng(1).random(shape).astype(np.float32)
    picture = np.asarray(Image.open(io.BytesIO(png_bytes(grey))))
    assert np.array_equal(picture, np.rint(grey * 255).astype(np.uint8))


def test_tables_escape_what_comes_from_a_card() -> None:
    assert "<script>" not in html_table(("a",), [("<script>alert(1)</script>",)])
    assert text_table(("a", "b"), [("long word", 1)]) == "a          b\nlong word  1"
