"""Where a series' frames lie in the patient: the order they have, and whether an affine holds.

Frames are sorted along the normal of their plane, which is row x column direction (PS3.3
C.7.6.2.1.1), never by Instance Number. Where equal steps lead from slice to slice along that normal
the series is a volume with one affine, the same that ITK's series reader gives; where not, it says
why: a tilted gantry, gaps, several frames at one place, slices that turn.

Tolerances: a slice may be off the even grid by 1 % of the step (or 0.01 mm), because positions
are decimal strings of at most 16 characters; 0.05 degrees of tilt shift the last slice of a chest
by a quarter of a millimetre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Facet = str | int | float

OFF_GRID = 0.01  # of the distance from slice to slice
OFF_GRID_MM = 0.01
TILT_DEGREES = 0.05
ORIENTATION = 1e-3  # of a direction cosine; scanners round to four decimals and more
SPACING = 1e-4  # of a pixel's size, relative

# What tells frames at one place apart, the likeliest first, and how a person calls it.
FACETS = {
    "time": "points in time",
    "b_value": "b-values",
    "gradient": "diffusion directions",
    "echo_time": "echo times",
    "trigger_time": "trigger times",
    "inversion_time": "inversion times",
    "flip_angle": "flip angles",
    "energy": "energies",
    "stack": "stacks",
    "image_type": "image types",
    "acquisition": "acquisitions",
    "acquisition_time": "acquisition times",
    "content_time": "content times",
}


@dataclass(frozen=True)
class Frame:
    """One frame of a series before it is sorted; positions and spacings in mm, LPS.

    `facets` hold what may tell it from another frame at the same place, by names of FACETS.
    """

    instance_uid: str
    frame: int
    rows: int
    columns: int
    samples: int = 1
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    spacing: tuple[float, float] | None = None  # from row to row, from column to column
    step: float | None = None  # Spacing Between Slices (0018,0088)
    instance_number: int | None = None
    facets: Mapping[str, Facet] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """Places `first` to `last` (included) of a series that are one sorted stack of their own."""

    name: str
    first: int
    last: int


@dataclass(frozen=True)
class Arrangement:
    """How a series' frames lie: `order[place]` is the index of the frame given to `arrange`.

    `kind` is that of layout.py: "volume" (`affine` holds), "stack" (frames of one size; `reason`
    says why there is no affine) or "images" (each for itself). `affine` is (4, 4) float64 in LPS,
    from (column, row, slice, 1) to mm. `gaps` are the distances from slice to slice where they
    differ. `parts` name the stacks of a series that holds several at the same places.
    """

    order: tuple[int, ...]
    kind: str
    reason: str | None = None
    affine: NDArray[np.float64] | None = None
    slice_spacing: float | None = None
    tilt: float | None = None
    gaps: tuple[float, ...] | None = None
    parts: tuple[Part, ...] = ()


def arrange(frames: Sequence[Frame]) -> Arrangement:
    """Sort the frames of one series and say what they make; `frames` may come in any order.

    Raises ValueError where there is no frame.
    """
    if not frames:
        raise ValueError("A series has at least one frame.")
    by_number = sorted(range(len(frames)), key=lambda k: _number_key(frames[k]))
    sizes = {(one.rows, one.columns, one.samples) for one in frames}
    if len(sizes) > 1:
        return Arrangement(tuple(by_number), "images", "its images differ in size")
    reason = _without_geometry(frames)
    if reason:
        return Arrangement(tuple(by_number), _kind_without(frames), reason)
    return _along_the_normal(frames, by_number)


def affine_of(
    position: Sequence[float],
    orientation: Sequence[float],
    spacing: Sequence[float],
    slice_spacing: float,
) -> NDArray[np.float64]:
    """The (4, 4) affine of an even stack: (column, row, slice, 1) to mm in LPS.

    `position` and `orientation` are the first slice's (0020,0032) and (0020,0037), `spacing` the
    distances from row to row and from column to column (PS3.3 equation C.7.6.2.1-1).
    """
    normal = np.cross(orientation[:3], orientation[3:])
    normal /= np.linalg.norm(normal)
    # Rounded cosines are made perpendicular as ITK's GDCMImageIO does it: the column's stay.
    row = np.cross(np.array(orientation[3:], float), normal)
    row /= np.linalg.norm(row)
    affine = np.eye(4)
    affine[:3, 0] = row * spacing[1]
    affine[:3, 1] = np.cross(normal, row) * spacing[0]
    affine[:3, 2] = normal * slice_spacing
    affine[:3, 3] = position
    return affine


def _number_key(frame: Frame) -> tuple[float, str, int]:
    number = float("inf") if frame.instance_number is None else float(frame.instance_number)
    return number, frame.instance_uid, frame.frame


def _kind_without(frames: Sequence[Frame]) -> str:
    several = len(frames) > 1
    return "stack" if several and len({one.instance_uid for one in frames}) == 1 else "images"


def _without_geometry(frames: Sequence[Frame]) -> str | None:
    """Why these frames have no common place in the patient, or None."""
    if any(one.position is None or one.orientation is None for one in frames):
        missing = sum(one.position is None or one.orientation is None for one in frames)
        some = "it has" if missing == len(frames) else f"{missing} of {len(frames)} frames have"
        return f"{some} no position in the patient (0020,0032) or no orientation (0020,0037)"
    if any(one.spacing is None for one in frames):
        return "it has no pixel spacing (0028,0030)"
    orientations = np.array([one.orientation for one in frames], float)
    if not np.isfinite(orientations).all() or not _is_orthonormal(orientations[0]):
        return "its orientation (0020,0037) is not that of two perpendicular directions"
    turned = float(np.abs(orientations - orientations[0]).max())
    if turned > ORIENTATION:
        return "its slices are turned against each other, as those of a localizer"
    spacings = np.array([one.spacing for one in frames], float)
    if np.abs(spacings - spacings[0]).max() > SPACING * float(spacings[0].min()):
        return "its slices differ in pixel spacing"
    return None


def _is_orthonormal(orientation: Vector) -> bool:
    row, column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    # SimpleITK and GDCM take cosines that are off by a few thousandths, as rounded files have.
    return bool(np.abs(np.array(lengths) - 1).max() < 1e-2 and abs(float(row @ column)) < 1e-2)


def _along_the_normal(frames: Sequence[Frame], by_number: Sequence[int]) -> Arrangement:
    positions = np.array([one.position for one in frames], float)
    orientation = np.array(frames[0].orientation, float)
    normal = np.cross(orientation[:3], orientation[3:])
    normal /= np.linalg.norm(normal)
    along = positions @ normal
    # Stable in the order of numbers, so that equal places keep it.
    order = sorted(by_number, key=lambda k: float(along[k]))
    if len(order) == 1:
        return _one_slice(frames[0])
    steps = np.diff(along[order])
    if (steps <= OFF_GRID_MM / 10).any():
        return _several_at_one_place(frames, by_number, along)
    first = frames[order[0]]
    assert first.position and first.orientation and first.spacing
    tilt, gaps, reason = _uneven(positions[order], normal)
    spacing = float(np.linalg.norm(positions[order[-1]] - positions[order[0]]) / len(steps))
    if reason:
        return Arrangement(tuple(order), "stack", reason, None, float(np.median(steps)), tilt, gaps)
    affine = affine_of(first.position, first.orientation, first.spacing, spacing)
    return Arrangement(tuple(order), "volume", None, affine, spacing, 0.0)


def _one_slice(frame: Frame) -> Arrangement:
    assert frame.position and frame.orientation and frame.spacing
    spacing = frame.step or 1.0
    affine = affine_of(frame.position, frame.orientation, frame.spacing, spacing)
    return Arrangement((0,), "volume", None, affine, spacing, 0.0)


def _uneven(
    positions: Vector, normal: Vector
) -> tuple[float, tuple[float, ...] | None, str | None]:
    """Tilt in degrees, distances where they differ, and the reason why no affine holds."""
    line = positions[-1] - positions[0]
    depth = float(line @ normal)
    sideways = float(np.linalg.norm(line - depth * normal))
    tilt = float(np.degrees(np.arctan2(sideways, depth)))
    along = (positions - positions[0]) @ normal
    step = depth / (len(positions) - 1)
    allowed = max(OFF_GRID * step, OFF_GRID_MM)
    reasons = []
    gaps = None
    if np.abs(along - step * np.arange(len(positions))).max() > allowed:
        distances = np.diff(along)
        gaps = tuple(round(float(one), 6) for one in distances)
        reasons.append(
            f"the distance from slice to slice is not even: {distances.min():g} to "
            f"{distances.max():g} mm"
        )
    expected = positions[0] + (along / depth)[:, None] * line
    if float(np.linalg.norm(positions - expected, axis=1).max()) > max(allowed, 0.1):
        reasons.append("its slices do not lie along one line")
    elif tilt > TILT_DEGREES:
        reasons.append(f"its slices are tilted by {tilt:.2f} degrees (gantry tilt)")
    return (tilt if tilt > TILT_DEGREES else 0.0), gaps, "; ".join(reasons) or None


def _several_at_one_place(
    frames: Sequence[Frame], by_number: Sequence[int], along: Vector
) -> Arrangement:
    places = _places(by_number, along)
    counts = {len(place) for place in places}
    name = _what_tells_apart(frames, places) if len(counts) == 1 else None
    if name is None:
        order = [k for place in places for k in place]
        most = max(counts)
        reason = f"up to {most} of its frames lie at one place, and nothing tells them apart"
        return Arrangement(tuple(order), "stack", reason)
    values = sorted({frames[k].facets[name] for k in places[0]}, key=_facet_key)
    order = [k for value in values for k in _with(frames, places, name, value)]
    length = len(places)
    parts = tuple(
        Part(f"{name}={value}", at * length, (at + 1) * length - 1)
        for at, value in enumerate(values)
    )
    reason = f"it holds {len(values)} stacks at the same places, told apart by {FACETS[name]}"
    return Arrangement(tuple(order), "stack", reason, parts=parts)


def _with(
    frames: Sequence[Frame], places: Sequence[Sequence[int]], name: str, value: Facet
) -> list[int]:
    return [k for place in places for k in place if frames[k].facets[name] == value]


def _facet_key(value: Facet) -> tuple[int, float, str]:
    return (1, 0.0, value) if isinstance(value, str) else (0, float(value), "")


def _places(by_number: Sequence[int], along: Vector) -> list[list[int]]:
    """Indices of frames by place along the normal, each place in the order of numbers."""
    order = sorted(by_number, key=lambda k: float(along[k]))
    places = [[order[0]]]
    for before, after in pairwise(order):
        if along[after] - along[before] > OFF_GRID_MM / 10:
            places.append([])
        places[-1].append(after)
    rank = {k: at for at, k in enumerate(by_number)}
    return [sorted(place, key=rank.__getitem__) for place in places]


def _what_tells_apart(frames: Sequence[Frame], places: Sequence[Sequence[int]]) -> str | None:
    """The facet that has, at each place, each of its values once."""
    for name in FACETS:
        found = [[frames[k].facets.get(name) for k in place] for place in places]
        values = set(found[0])
        if None in values or len(values) != len(found[0]):
            continue
        if all(set(one) == values and len(one) == len(values) for one in found):
            return name
    return None
