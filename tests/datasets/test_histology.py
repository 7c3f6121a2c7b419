"""The contract of the H&E tiles: each nucleus an object, bluer than its surroundings, graded."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from dicom_synthetic.histology import KNOBS, TILES, Tile, draw, make_tile
from dicom_synthetic.histology_stain import HOSPITALS

DEFAULTS = {name: float(knob.default) for name, knob in KNOBS.items()}


@pytest.fixture(scope="module")
def tiles() -> list[Tile]:
    return [make_tile(plan) for plan in draw(9, 2024, DEFAULTS)[::TILES]]


def hematoxylin(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How much of the blue dye a pixel holds, by the textbook's stain vectors."""
    density = -np.log(np.maximum(pixels.astype(float), 4) / 245)
    dyes = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
    dyes /= np.linalg.norm(dyes, axis=1, keepdims=True)
    return np.asarray(ndimage.gaussian_filter((density @ np.linalg.inv(dyes))[..., 0], 1))


def otsu(values: NDArray[np.float64]) -> float:
    count, edges = np.histogram(values, 128)
    middle, below = (edges[1:] + edges[:-1]) / 2, np.cumsum(count)
    mass = np.cumsum(count * middle)
    share = below[:-1] * (below[-1] - below[:-1]) + 1e-9
    between = (mass[-1] * below[:-1] / below[-1] - mass[:-1]) ** 2 / share
    return float(middle[np.argmax(between)])


def test_every_nucleus_is_one_object_and_they_are_counted(tiles: list[Tile]) -> None:
    for tile in tiles:
        numbers = np.unique(tile.objects)
        assert np.array_equal(numbers, np.arange(len(numbers)))
        assert tile.labels["nuclei"] == len(numbers) - 1
        assert 60 < len(numbers) < 500


def test_nuclei_hold_more_of_the_blue_dye(tiles: list[Tile]) -> None:
    for tile in tiles:
        blue = hematoxylin(tile.pixels)
        ring = ndimage.binary_dilation(tile.objects > 0, iterations=3) & (tile.objects == 0)
        assert blue[tile.objects > 0].mean() > blue[ring].mean()


def threshold(tile: Tile) -> NDArray[np.bool_]:
    """Pixels that Otsu's threshold on the blue dye calls nucleus."""
    blue = hematoxylin(tile.pixels)
    return np.asarray(ndimage.binary_opening(blue > otsu(blue.ravel())))


def test_a_threshold_finds_nuclei_but_not_all(tiles: list[Tile]) -> None:
    dice = []
    for tile in tiles:
        found, truth = threshold(tile), tile.objects > 0
        dice.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
    assert 0.6 < np.mean(dice) < 0.82


def test_how_much_is_blue_tells_tumour_from_normal_only_in_part() -> None:
    tiles = [make_tile(plan) for plan in draw(24, 2024, DEFAULTS)[::TILES]]
    tiles += [make_tile(plan) for plan in draw(24, 2024, DEFAULTS)[1::TILES]]
    area = np.array([threshold(tile).mean() for tile in tiles])
    tumour = np.array([tile.labels["tumour"] == "yes" for tile in tiles])
    higher = area[tumour][:, None] > area[~tumour][None, :]
    assert 0.70 < higher.mean() < 0.85


def test_hospitals_differ_in_colour_and_in_nothing_else() -> None:
    plans = draw(30, 7, DEFAULTS)
    plan = plans[0]
    seen = []
    for number in range(len(HOSPITALS)):
        tile = make_tile(type(plan)(**{**vars(plan), "hospital": number}))
        seen.append(tile)
    assert all(np.array_equal(seen[0].objects, one.objects) for one in seen)
    means = [one.pixels.reshape(-1, 3).mean(0) for one in seen]
    assert min(abs(means[i] - means[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 8
    assert {one.hospital for one in plans} == {0, 1, 2}


def test_each_grade_has_a_third_of_the_patients() -> None:
    grades = [plan.grade for plan in draw(48, 1, DEFAULTS)]
    assert {grade: grades.count(grade) for grade in set(grades)} == {
        "normal": 48,
        "low": 48,
        "high": 48,
    }
