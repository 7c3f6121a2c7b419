"""Where frames lie: volumes equal to SimpleITK's affine, everything else with the reason."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_catalog.geometry import Arrangement, Frame, affine_of, arrange

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def frames(
    positions: list[tuple[float, float, float]],
    orientation: tuple[float, ...] = AXIAL,
    facets: list[dict[str, float]] | None = None,
) -> list[Frame]:
    return [
        Frame(
            f"1.{k}",
            0,
            6,
            8,
            position=position,
            orientation=orientation,
            spacing=(0.5, 0.7),
            instance_number=k,
            facets=facets[k] if facets else {},
        )
        for k, position in enumerate(positions)
    ]


def mixed(given: list[Frame]) -> tuple[list[Frame], Arrangement]:
    shuffled = list(given)
    random.Random(3).shuffle(shuffled)
    return shuffled, arrange(shuffled)


def test_even_slices_are_a_volume_whose_affine_maps_indices_to_millimetres() -> None:
    shuffled, found = mixed(frames([(-10, 20, 3 * k) for k in range(9)]))
    assert (found.kind, found.reason, found.slice_spacing, found.tilt) == ("volume", None, 3, 0)
    assert [shuffled[k].position[2] for k in found.order] == [3 * k for k in range(9)]  # type: ignore[index]
    assert found.affine is not None
    assert (found.affine @ [2, 4, 5, 1]).tolist() == [-10 + 2 * 0.7, 20 + 4 * 0.5, 15, 1]


def test_a_stack_that_runs_against_its_normal_begins_at_the_other_end() -> None:
    _, found = mixed(frames([(0, 0, -2 * k) for k in range(5)]))
    assert found.affine is not None
    assert found.affine[:3, 3].tolist() == [0, 0, -8]
    assert found.affine[2, 2] == 2


@given(
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.floats(0.3, 8),
    st.integers(2, 40),
    st.tuples(*[st.floats(-300, 300)] * 3),
)
def test_any_turned_even_stack_gets_the_affine_of_every_slices_own_place(
    turn: tuple[float, ...], step: float, count: int, origin: tuple[float, ...]
) -> None:
    rotation = turned(turn)
    orientation = (*rotation[:, 0].tolist(), *rotation[:, 1].tolist())
    places = [np.array(origin) + rotation[:, 2] * step * k for k in range(count)]
    shuffled, found = mixed(frames([tuple(p.tolist()) for p in places], orientation))
    assert found.kind == "volume" and found.affine is not None
    for place, k in enumerate(found.order):
        assert np.allclose((found.affine @ [0, 0, place, 1])[:3], shuffled[k].position, atol=1e-6)


def turned(angles: tuple[float, ...]) -> np.ndarray:
    rotation = np.eye(3)
    for axis, angle in enumerate(angles):
        one = np.eye(3)
        a, b = [k for k in range(3) if k != axis]
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        rotation = rotation @ one
    return rotation


def test_a_tilted_gantry_is_a_stack_that_says_its_angle() -> None:
    tilted = [(0.0, 4 * k * np.tan(np.radians(12)), 4.0 * k) for k in range(8)]
    _, found = mixed(frames(tilted))
    assert found.kind == "stack" and found.affine is None and found.gaps is None
    assert found.tilt == pytest.approx(12, abs=1e-6)
    assert "12.00 degrees" in str(found.reason)


def test_a_missing_slice_is_named_by_its_gap() -> None:
    _, found = mixed(frames([(0, 0, z) for z in (0, 2, 4, 8, 10)]))
    assert found.kind == "stack"
    assert found.gaps == (2, 2, 4, 2)
    assert found.slice_spacing == 2
    assert "2 to 4 mm" in str(found.reason)


def test_positions_rounded_in_the_file_are_even_all_the_same() -> None:
    _, found = mixed(frames([(0, 0, round(k * 2 / 3, 2)) for k in range(60)]))
    assert found.kind == "volume"
    assert found.slice_spacing == pytest.approx(2 / 3, abs=1e-4)


def test_slices_off_their_common_line_are_no_volume() -> None:
    places = [(0.0, 0.0, float(k)) for k in range(6)]
    places[3] = (5.0, 0.0, 3.0)
    assert "one line" in str(arrange(frames(places)).reason)


@pytest.mark.parametrize("name", ["time", "b_value", "echo_time"])
def test_several_frames_at_one_place_are_sorted_into_stacks_by_what_tells_them_apart(
    name: str,
) -> None:
    values = [30.0, 10.0, 20.0]
    places = [(0.0, 0.0, 2.0 * k) for k in range(4) for _ in values]
    facets = [{name: value, "flip_angle": 90.0} for _ in range(4) for value in values]
    shuffled, found = mixed(frames(places, facets=facets))
    assert found.kind == "stack"
    assert [(part.name, part.first, part.last) for part in found.parts] == [
        (f"{name}=10.0", 0, 3),
        (f"{name}=20.0", 4, 7),
        (f"{name}=30.0", 8, 11),
    ]
    sorted_frames = [shuffled[k] for k in found.order]
    assert [one.facets[name] for one in sorted_frames] == [10.0] * 4 + [20.0] * 4 + [30.0] * 4
    assert [one.position[2] for one in sorted_frames] == [0, 2, 4, 6] * 3  # type: ignore[index]


def test_frames_at_one_place_that_nothing_tells_apart_are_refused_as_a_volume() -> None:
    found = arrange(frames([(0, 0, 0), (0, 0, 0), (0, 0, 2)]))
    assert found.kind == "stack" and not found.parts
    assert "2 of its frames lie at one place" in str(found.reason)


def test_slices_that_turn_are_images_each_for_itself() -> None:
    other = replace(frames([(0, 0, 1)], (0, 1, 0, 0, 0, -1))[0], instance_uid="2")
    given = [*frames([(0, 0, 0)]), other]
    assert (arrange(given).kind, "localizer" in str(arrange(given).reason)) == ("images", True)


def test_without_positions_frames_of_one_file_are_a_stack_and_files_are_images() -> None:
    cine = [Frame("1", k, 6, 8, instance_number=1) for k in (2, 0, 1)]
    assert arrange(cine).kind == "stack"
    assert arrange(cine).order == (1, 2, 0)
    films = [Frame(f"{k}", 0, 6, 8, instance_number=-k) for k in range(3)]
    assert arrange(films).kind == "images"
    assert arrange(films).order == (2, 1, 0)
    assert "no position" in str(arrange(films).reason)


def test_images_of_two_sizes_and_an_empty_series_are_told() -> None:
    assert "differ in size" in str(arrange([Frame("1", 0, 6, 8), Frame("2", 0, 6, 9)]).reason)
    with pytest.raises(ValueError, match="at least one"):
        arrange([])


def test_rounded_cosines_are_made_perpendicular() -> None:
    affine = affine_of((0, 0, 0), (0.9848, 0.1736, 0, -0.1737, 0.9848, 0), (1, 1), 1)
    assert np.allclose(affine[:3, :3].T @ affine[:3, :3], np.eye(3), atol=1e-12)


SITK_FILES = (
    "CT_small.dcm",
    "MR_small.dcm",
    "rtdose.dcm",
    "693_J2KI.dcm",
    "J2K_pixelrep_mismatch.dcm",
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SITK_FILES)
def test_the_affine_of_real_files_equals_simpleitks(name: str) -> None:
    from dicom_catalog.header import describe, series_rows

    path = str(pydicom.data.get_testdata_file(name, download=False))
    header = pydicom.dcmread(path, stop_before_pixels=True)
    _, _, found = series_rows([describe(header, 0, 0)])
    assert found.affine is not None
    assert np.allclose(found.affine, itk_affine([path]), rtol=0, atol=1e-9)


@pytest.mark.shared_data
def test_the_affine_of_a_brain_equals_simpleitks_series_readers(shared_data: Path) -> None:
    import SimpleITK

    from dicom_catalog.header import describe, series_rows

    folder = shared_data / "brain-mr"
    headers = [pydicom.dcmread(p, stop_before_pixels=True) for p in sorted(folder.glob("*.dcm"))]
    random.Random(1).shuffle(headers)
    row, rows, found = series_rows([describe(one, 0, 0) for one in headers])
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    assert (row["kind"], len(rows)) == ("volume", 192)
    assert found.affine is not None
    assert np.allclose(found.affine, itk_affine(list(names)), rtol=0, atol=1e-9)
    sorted_uids = [str(pydicom.dcmread(n, stop_before_pixels=True).SOPInstanceUID) for n in names]
    assert [one["instance_uid"] for one in rows] == sorted_uids


def itk_affine(names: list[str]) -> np.ndarray:
    import SimpleITK

    read = SimpleITK.ReadImage(names if len(names) > 1 else names[0])
    affine = np.eye(4)
    affine[:3, :3] = np.array(read.GetDirection()).reshape(3, 3) * read.GetSpacing()
    affine[:3, 3] = read.GetOrigin()
    return affine
