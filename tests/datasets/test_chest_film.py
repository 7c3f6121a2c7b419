"""The contract of the chest-film generator: exact truth, no shortcut, the same bytes for a seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from dicom_synthetic import Film, Plan, draw_cohort, film_dicom, make_film
from dicom_synthetic.body import draw_body
from dicom_synthetic.chest_film import CLASSES, KNOBS, MIMICS, SIZE, SMALLEST_MM, _draw_mimics
from dicom_synthetic.detector import WHITE


def grey(film: Film) -> np.ndarray:
    values = film.pixels / WHITE
    return 1 - values if film.photometric == "MONOCHROME1" else values


@pytest.fixture(scope="module")
def films() -> list[Film]:
    return [make_film(plan) for plan in draw_cohort(10, seed=11)]


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Film, Film]]:
    """The same films without and with the opacity."""
    plans = [plan for plan in draw_cohort(6, seed=12) if plan.film == 0]
    normal, opacity = ([make_film(replace(p, finding=one)) for p in plans] for one in CLASSES)
    return list(zip(normal, opacity, strict=True))


def test_pixels_are_twelve_bits_and_use_them(films: list[Film]) -> None:
    for film in films:
        assert film.pixels.dtype == np.uint16
        assert film.pixels.shape == (SIZE, SIZE)
        assert film.pixels.max() <= WHITE
        assert film.pixels.max() - film.pixels.min() > 0.9 * WHITE
        assert 0.15 < grey(film).std() < 0.45


def test_lungs_are_dark_and_the_middle_is_bright(films: list[Film]) -> None:
    for film in films:
        image = grey(film)
        right, left = image[90:160, 55:95].mean(), image[90:160, 165:200].mean()
        assert image[90:160, 118:138].mean() > max(right, left) + 0.15


def test_half_of_the_patients_have_the_opacity() -> None:
    plans = draw_cohort(100, seed=5)
    labels = {plan.patient: plan.finding for plan in plans}
    assert Counter(labels.values()) == {"normal": 50, "opacity": 50}
    assert 130 < len(plans) < 210
    assert all(labels[plan.patient] == plan.finding for plan in plans)


def test_labels_say_what_was_drawn_and_nothing_where_nothing_was(films: list[Film]) -> None:
    measures = ("diameter_mm", "contrast", "center_row", "center_column")
    assert {film.labels["finding"] for film in films} == set(CLASSES)
    for film in films:
        values = [film.labels[name] for name in measures]
        if film.labels["finding"] == "normal":
            assert values == [None] * 4
        else:
            diameter, contrast, row, column = (float(value or 0) for value in values)
            assert SMALLEST_MM <= diameter < SMALLEST_MM + 22
            assert 0.3 < contrast < 0.8
            assert 0 < row < SIZE and 0 < column < SIZE


def test_the_opacity_is_where_the_label_says_and_as_large(pairs: list[tuple[Film, Film]]) -> None:
    line = np.arange(SIZE)
    for without, film in pairs:
        added = grey(film) - grey(without)
        row, column, diameter = (
            number(film, name) for name in ("center_row", "center_column", "diameter_mm")
        )
        radius = diameter / 2 * film.magnification / film.spacing_mm
        away = np.hypot(line[:, None] - row, line[None, :] - column)
        height = added[away < 0.4 * radius].mean()
        assert height > 0.05
        assert abs(added[away > 2 * radius]).mean() < height / 10
        # A sphere's chord is half of its longest at 0.87 radii.
        wide = np.sqrt((added[away < 2 * radius] > height / 2).sum() / np.pi)
        assert 0.75 < wide / radius < 1.05


def number(film: Film, name: str) -> float:
    value = film.labels[name]
    assert isinstance(value, float)
    return value


def test_nothing_but_the_opacity_tells_the_classes_apart(pairs: list[tuple[Film, Film]]) -> None:
    for without, film in pairs:
        assert without.labels["mimics"] == film.labels["mimics"]
        assert (without.sex, without.age) == (film.sex, film.age)
        assert without.photometric == film.photometric


def test_each_mimic_is_as_frequent_as_it_is_meant_to_be() -> None:
    seen: Counter[str] = Counter()
    places = np.zeros((1, 3))
    for seed in range(400):
        rng = np.random.default_rng(seed)
        seen.update(_draw_mimics(draw_body(rng, seed), places, rng).keys())
    for name, often in MIMICS.items():
        assert abs(seen[name] / 400 - often) < 0.08


def test_the_same_plan_gives_the_same_bytes_and_another_seed_others() -> None:
    plan = Plan(patient=2, film=1, seed=9, finding="opacity")
    first = film_dicom(make_film(plan))
    make_film(Plan(patient=7, film=0, seed=9, finding="normal"))  # what is made between is nothing
    assert film_dicom(make_film(plan)) == first
    assert film_dicom(make_film(replace(plan, seed=10))) != first


def test_films_of_a_patient_are_other_exposures_of_one_person() -> None:
    one, two = (make_film(Plan(4, film, 9, "opacity")) for film in (0, 1))
    assert (one.sex, one.age, one.labels["mimics"]) == (two.sex, two.age, two.labels["mimics"])
    assert not np.array_equal(one.pixels, two.pixels)
    assert number(two, "diameter_mm") >= number(one, "diameter_mm")


def test_the_mask_is_round_and_where_the_label_says(films: list[Film]) -> None:
    for film in films:
        assert film.mask.any() == (film.labels["finding"] == "opacity")
        if film.mask.any():
            rows, columns = np.nonzero(film.mask)
            assert rows.mean() == pytest.approx(number(film, "center_row"), abs=2)
            assert columns.mean() == pytest.approx(number(film, "center_column"), abs=2)
            wide = 2 * np.sqrt(film.mask.sum() / np.pi) * film.spacing_mm / film.magnification
            assert wide == pytest.approx(number(film, "diameter_mm"), rel=0.12)


def test_knobs_at_their_default_change_no_film() -> None:
    defaults = {name: float(knob.default) for name, knob in KNOBS.items()}
    assert draw_cohort(8, seed=3) == draw_cohort(8, seed=3, knobs=defaults)


def test_the_marker_changes_its_corner_and_nothing_else() -> None:
    plan = Plan(patient=2, film=0, seed=9, finding="opacity")
    plain, marked = make_film(plan), make_film(replace(plan, marker=True))
    rows, columns = np.nonzero(plain.pixels != marked.pixels)
    assert len(rows) and rows.min() > SIZE - 40 and columns.max() < 40
    assert (plain.labels["marker"], marked.labels["marker"]) == (0, 1)


def test_a_cohort_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one patient"):
        draw_cohort(0, seed=1)
