"""The contract of the breast ultrasound: masses where the masks say, dark, not too easy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from dicom_synthetic.breast_us import KNOBS, VIEWS, Picture, draw, make_picture
from dicom_synthetic.us_dicom import FIELD_LEFT, FIELD_TOP
from dicom_synthetic.us_tissue import COLUMNS, ROWS

DEFAULTS = {name: float(knob.default) for name, knob in KNOBS.items()}


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [make_picture(plan) for plan in draw(12, 2024, DEFAULTS)[::VIEWS]]


def baseline(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The most compact dark spot, by smoothing, a threshold and opening."""
    field = pixels[FIELD_TOP : FIELD_TOP + ROWS, FIELD_LEFT : FIELD_LEFT + COLUMNS].astype(float)
    broad = ndimage.gaussian_filter(field, 45)
    local = (ndimage.gaussian_filter(field, 4) - broad) / (broad + 10)
    dark = local < -0.28
    dark[:40] = dark[280:] = False
    spots, count = ndimage.label(ndimage.binary_opening(dark, iterations=4))
    found = np.zeros(pixels.shape, dtype=bool)
    if count:
        numbers = range(1, count + 1)
        areas = ndimage.sum_labels(dark, spots, numbers)
        depths = ndimage.mean(-local, spots, numbers)
        best = 1 + int(np.argmax(depths * np.sqrt(np.minimum(areas, 6000))))
        grown = ndimage.binary_dilation(spots == best, iterations=3)
        inside = found[FIELD_TOP : FIELD_TOP + ROWS, FIELD_LEFT : FIELD_LEFT + COLUMNS]
        inside[...] = ndimage.binary_fill_holes(grown)
    return found


def test_a_mass_is_darker_than_what_lies_around_it(pictures: list[Picture]) -> None:
    masses = [one for one in pictures if one.mask.any()]
    assert 6 < len(masses) < len(pictures)
    for one in masses:
        ring = ndimage.binary_dilation(one.mask, iterations=12) & ~one.mask
        assert one.pixels[one.mask].mean() < one.pixels[ring].mean()


def test_measures_are_those_of_the_mask(pictures: list[Picture]) -> None:
    for one in pictures:
        if one.labels["pathology"] == "normal":
            assert one.labels["area_mm2"] is None and not one.mask.any()
        else:
            assert one.labels["area_mm2"] == pytest.approx(one.mask.sum() * 0.01, abs=0.01)
            assert one.labels["width_mm"] == pytest.approx(one.mask.any(0).sum() * 0.1)


def test_as_many_masses_are_malignant_as_benign() -> None:
    kinds = [plan.kind for plan in draw(72, 1, DEFAULTS)]
    assert len(kinds) == 144
    assert kinds.count("carcinoma") == 60
    assert kinds.count("cyst") + kinds.count("fibroadenoma") == 60


def test_a_threshold_finds_masses_but_not_all(pictures: list[Picture]) -> None:
    dice = []
    for one in pictures:
        if one.mask.any():
            found = baseline(one.pixels)
            dice.append(2 * (found & one.mask).sum() / (found.sum() + one.mask.sum()))
    assert 0.4 < np.mean(dice) < 0.85


def test_less_contrast_makes_a_mass_less_dark() -> None:
    plan = next(one for one in draw(12, 4, DEFAULTS) if one.kind == "cyst")
    faint = draw(12, 4, DEFAULTS | {"contrast": 0.3})[plan.patient * VIEWS + plan.view]
    clear, pale = make_picture(plan), make_picture(faint)
    assert np.array_equal(clear.mask, pale.mask)
    assert pale.pixels[pale.mask].mean() > clear.pixels[clear.mask].mean() + 10
