"""A series as SimpleITK's own DICOM reader gives it: the same pixels, type, origin and direction.

SimpleITK reads through GDCM, whose rescaler chooses the type of the result: integer slope and
intercept keep integers, in the smallest type that holds what the stored bits could become
(`gdcm::Rescaler::ComputeInterceptSlopePixelType`), others become float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dicom_catalog.errors import NotInstalled
from dicom_catalog.volume import StoredFrame, read_frames, rescale

if TYPE_CHECKING:
    import SimpleITK


def pixel_type(frame: StoredFrame) -> np.dtype[Any]:
    """The type of the rescaled values of this frame, as GDCM chooses it."""
    how = frame.format
    if how.dtype.kind == "f" or how.samples > 1:
        return how.dtype
    if frame.slope == 1 and frame.intercept == 0:
        return how.dtype
    if not (frame.slope.is_integer() and frame.intercept.is_integer()):
        return np.dtype(np.float64)
    ends = [end * frame.slope + frame.intercept for end in stored_range(frame)]
    return _smallest(min(ends), max(ends))


def stored_range(frame: StoredFrame) -> tuple[int, int]:
    """The least and the greatest number that Bits Stored (0028,0101) can hold."""
    bits, signed = frame.format.bits_stored, frame.format.signed
    return (-(1 << (bits - 1)) if signed else 0), (1 << (bits - signed)) - 1


def _smallest(low: float, high: float) -> np.dtype[Any]:
    kinds = (np.uint8, np.uint16, np.uint32) if low >= 0 else (np.int8, np.int16, np.int32)
    for kind in kinds:
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.float64)


def rescaled(frames: Sequence[StoredFrame], inverted: bool = False) -> NDArray[Any]:
    """The rescaled values in the type of the first frame's; `inverted` is for MONOCHROME1.

    ITK turns MONOCHROME1 round within the range of the stored bits, before it rescales.
    """
    kind = pixel_type(frames[0])
    if not inverted:
        return read_frames(frames, "rescaled", kind)
    stored = read_frames(frames)
    low, high = stored_range(frames[0])
    turned = np.subtract(stored.dtype.type(low + high), stored, out=stored)
    made = np.empty(turned.shape, kind)
    for one, target, frame in zip(turned, made, frames, strict=True):
        rescale(one, *frame.scale("rescaled"), target)
    return made


def image_of(array: NDArray[Any], matrix: NDArray[np.float64]) -> SimpleITK.Image:
    """A SimpleITK image of `array` [slice, row, column(, 3)] with the LPS affine `matrix`."""
    try:
        import SimpleITK
    except ImportError as error:
        raise NotInstalled(
            "This needs SimpleITK, which this image does not have. Start a session with the "
            "imaging image, or use .array() and .affine().",
        ) from error
    # SimpleITK annotates a part of its methods only.
    image: Any = SimpleITK.GetImageFromArray(array, isVector=array.ndim == 4)
    steps = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing([float(step) for step in steps])
    image.SetOrigin([float(number) for number in matrix[:3, 3]])
    image.SetDirection([float(number) for number in (matrix[:3, :3] / steps).ravel()])
    made: SimpleITK.Image = image
    return made
