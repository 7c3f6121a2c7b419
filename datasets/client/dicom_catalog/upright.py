"""Slices that lie unevenly in the patient, resampled to an even and upright volume.

Each slice is placed where its position says: shifted within its plane by what a tilted gantry moved
it (as CT workstations do before they show a tilted head), then interpolated linearly between the
two slices on either side. Also the systems of coordinates and the volume that comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dicom_catalog import itk
from dicom_catalog.errors import NotAVolume
from dicom_catalog.volume import StoredFrame, read_frames

if TYPE_CHECKING:
    import SimpleITK

System = Literal["LPS", "RAS"]
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
_TURNED = 1e-3  # of a direction cosine, as geometry.py has it
_SAME_PLACE = 1e-3  # mm, and of a pixel
_ENDS = 1e-6  # of a step, so that rounding loses no last slice


def in_system(matrix: NDArray[np.float64], system: System) -> NDArray[np.float64]:
    """An LPS affine in `system`; ValueError for another than LPS and RAS."""
    if system == "LPS":
        return matrix
    if system == "RAS":
        return np.asarray(_FLIP @ matrix, np.float64)
    raise ValueError(f"An affine is in 'LPS' (DICOM, ITK) or 'RAS' (nibabel), not in '{system}'.")


def flat(spacing: tuple[float, float] | None) -> NDArray[np.float64]:
    """The affine of one image without a place in the patient, as ITK has it."""
    rows, columns = spacing or (1.0, 1.0)
    return np.diag([columns, rows, 1.0, 1.0])


@dataclass(frozen=True)
class Volume:
    """An even, upright volume: `array` [slice, row, column] and where it lies in the patient."""

    array: NDArray[Any]
    matrix: NDArray[np.float64]  # LPS

    def affine(self, system: System = "LPS") -> NDArray[np.float64]:
        """The (4, 4) matrix that takes (column, row, slice, 1) to mm, in "LPS" or "RAS"."""
        return in_system(self.matrix.copy(), system)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres from slice to slice, row to row, column to column."""
        column, row, step = np.linalg.norm(self.matrix[:3, :3], axis=0)
        return float(step), float(row), float(column)

    def to_sitk(self) -> SimpleITK.Image:
        """The volume as a SimpleITK image."""
        return itk.image_of(self.array, self.matrix)


def even(
    frames: Sequence[StoredFrame],
    plane: tuple[float, float] | None,
    uid: str,
    reason: str,
    spacing: float | None = None,
    values: str = "rescaled",
) -> Volume:
    """The frames resampled to slices `spacing` mm apart, upright; NotAVolume where none can be.

    `plane` is the distance from row to row and from column to column in mm.
    """
    if spacing is not None and not spacing > 0:
        raise ValueError(f"Slices are more than 0 mm apart, not {spacing}.")
    row, column, places = _geometry(frames, uid, reason)
    if plane is None:
        raise _no_volume(uid, "it has no pixel spacing")
    normal = np.cross(row, column)
    along = (places - places[0]) @ normal
    if len(frames) > 1 and np.diff(along).min() <= _SAME_PLACE:
        raise _no_volume(uid, reason or "several of its slices lie at one place")
    step = spacing or (float(np.median(np.diff(along))) if len(frames) > 1 else 1.0)
    # In pixels, of each slice: how far right and down of the first one it begins.
    shifts = (places - places[0]) @ np.stack([column / plane[0], row / plane[1]]).T
    stored: NDArray[Any] = read_frames(frames, values, _precise(frames))
    laid, corner = _laid(stored, shifts)
    wanted = np.arange(int(along[-1] / step + _ENDS) + 1) * step
    array = _between(laid, along, wanted)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = row * plane[1], column * plane[0], normal * step
    matrix[:3, 3] = places[0] + matrix[:3, 1] * corner[0] + matrix[:3, 0] * corner[1]
    return Volume(array, matrix)


def _no_volume(uid: str, reason: str) -> NotAVolume:
    return NotAVolume(
        f"Series {uid} cannot be resampled to a volume: {reason}. Its slices are in .array().",
        given=uid,
    )


def _geometry(
    frames: Sequence[StoredFrame], uid: str, reason: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Directions of row and column, and the positions of all frames."""
    places = [one.position for one in frames]
    turns = [one.orientation for one in frames]
    if any(one is None for one in (*places, *turns)):
        raise _no_volume(uid, reason or "its slices have no position in the patient")
    turned = np.array(turns, np.float64)
    if np.abs(turned - turned[0]).max() > _TURNED:
        raise _no_volume(uid, "its slices are turned against each other")
    row, column = turned[0, :3], turned[0, 3:]
    row = row / np.linalg.norm(row)
    column = column - row * (column @ row)
    return row, column / np.linalg.norm(column), np.array(places, np.float64)


def _precise(frames: Sequence[StoredFrame]) -> np.dtype[Any]:
    wide = any(one.format.dtype == np.float64 for one in frames)
    return np.dtype(np.float64 if wide else np.float32)


def _laid(
    slices: NDArray[Any], shifts: NDArray[np.float64]
) -> tuple[NDArray[Any], tuple[int, int]]:
    """Each slice shifted by its (rows, columns) into one common plane, and its corner."""
    whole = np.rint(shifts)
    shifts = np.where(np.abs(shifts - whole) < _SAME_PLACE, whole, shifts)
    low, high = np.floor(shifts.min(axis=0)), np.ceil(shifts.max(axis=0))
    corner = (int(low[0]), int(low[1]))
    if not shifts.any():
        return slices, (0, 0)
    wider = (high - low).astype(int)
    shape = (len(slices), slices.shape[1] + wider[0], slices.shape[2] + wider[1], *slices.shape[3:])
    laid = np.full(shape, slices.min(), slices.dtype)
    for one, target, (down, right) in zip(slices, laid, shifts - low, strict=True):
        _lay(one, target, float(down), float(right))
    return laid, corner


def _lay(one: NDArray[Any], target: NDArray[Any], down: float, right: float) -> None:
    """`one` into `target`, shifted by parts of a pixel, linear between neighbours."""
    for axis, shift in ((0, down), (1, right)):
        part = shift - int(shift)
        if part > 0:
            # Between two pixels: the share of the one before; the rim has one neighbour only.
            edge = np.take(one, [0], axis)
            before = np.concatenate([edge, np.delete(one, -1, axis)], axis)
            one = np.asarray(one * (1 - part) + before * part, dtype=target.dtype)
    rows, columns = one.shape[:2]
    target[int(down) : int(down) + rows, int(right) : int(right) + columns] = one


def _between(
    slices: NDArray[Any], along: NDArray[np.floating[Any]], wanted: NDArray[np.floating[Any]]
) -> NDArray[Any]:
    """Slices at `wanted` mm, linear between those at `along` mm."""
    if len(slices) == 1:
        return slices
    after = np.clip(np.searchsorted(along, wanted, side="right"), 1, len(along) - 1)
    part = (wanted - along[after - 1]) / (along[after] - along[after - 1])
    made = np.empty((len(wanted), *slices.shape[1:]), slices.dtype)
    for target, k, share in zip(made, after, np.clip(part, 0, 1), strict=True):
        weight = slices.dtype.type(share)
        np.multiply(slices[k - 1], 1 - weight, out=target)
        target += slices[k] * weight
    return made
