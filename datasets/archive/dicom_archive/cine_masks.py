"""Masks of a cine: frames that lie nowhere in the patient, told apart by their number only.

Each frame of the SEG names the frame of the image that it marks (PS3.3 C.7.6.16.2.6), and its place
in the one stack, which is the second dimension of the object (C.7.6.17).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pack_bits
from pydicom.uid import SecondaryCaptureImageStorage

IN_STACK_POSITION, FRAME_CONTENT = 0x00209057, 0x00209111


def as_single_image(header: Dataset) -> Dataset:
    """The header of an image or cine as that of a single one, which highdicom takes as a source."""
    single = Dataset()
    single.update(header)
    # The elements are the header's own: new ones, or the header would change with them.
    for keyword in ("SOPClassUID", "NumberOfFrames"):
        single.pop(keyword, None)
    single.SOPClassUID = SecondaryCaptureImageStorage
    single.file_meta = header.file_meta
    return single


def name_source(made: Dataset, header: Dataset) -> None:
    """Name the true SOP class of the source wherever the SEG names the single image's."""

    def correct(dataset: Dataset, element: DataElement) -> None:
        if element.keyword == "ReferencedSOPClassUID":
            element.value = header.SOPClassUID

    made.walk(correct)


def add_cine_frames(made: Dataset, marked: Sequence[int], values: NDArray[Any]) -> None:
    """Replace the one frame of the SEG `made` by those of `marked`, image frames from 0.

    `values` are the numbered segments of all frames, (frames, rows, columns).
    """
    # What one frame shares with itself, several may not share.
    made.SharedFunctionalGroupsSequence[0].pop("SegmentIdentificationSequence", None)
    template = made.PerFrameFunctionalGroupsSequence[0]
    groups, planes = [], []
    for frame in marked:
        for number, plane in _planes(made, values[frame]):
            groups.append(_group(template, frame, number))
            planes.append(plane)
    made.PerFrameFunctionalGroupsSequence = groups
    made.NumberOfFrames = len(planes)
    stored = np.stack(planes)
    if int(made.BitsAllocated) == 1:
        made.PixelData = pack_bits(stored)
    else:
        data = stored.astype(f"<u{int(made.BitsAllocated) // 8}").tobytes()
        made.PixelData = data + b"\0" * (len(data) % 2)
    _add_dimension(made)


def _planes(made: Dataset, values: NDArray[Any]) -> list[tuple[int | None, NDArray[Any]]]:
    if made.SegmentationType == "LABELMAP":
        return [(None, values)]
    numbers = [int(number) for number in np.unique(values) if number] or [1]
    return [(number, np.asarray(values == number, np.uint8)) for number in numbers]


def _group(template: Dataset, frame: int, number: int | None) -> Dataset:
    group = deepcopy(template)
    source = group.DerivationImageSequence[0].SourceImageSequence[0]
    source.ReferencedFrameNumber = frame + 1
    content = group.FrameContentSequence[0]
    content.StackID, content.InStackPositionNumber = "1", frame + 1
    own = 1 if number is None else number
    content.DimensionIndexValues = [own, frame + 1]
    if number is not None:
        segment = Dataset()
        segment.ReferencedSegmentNumber = number
        group.SegmentIdentificationSequence = [segment]
    return group


def _add_dimension(made: Dataset) -> None:
    dimension = Dataset()
    dimension.DimensionIndexPointer = IN_STACK_POSITION
    dimension.FunctionalGroupPointer = FRAME_CONTENT
    dimension.DimensionOrganizationUID = made.DimensionIndexSequence[0].DimensionOrganizationUID
    dimension.DimensionDescriptionLabel = "In-Stack Position Number"
    made.DimensionIndexSequence.append(dimension)
