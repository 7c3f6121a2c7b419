"""Any image as a plain one: Explicit VR Little Endian, pixels uncompressed and the last element.

Grey stays as it is stored. Colour becomes RGB by pixel, as every decoder gives it: YBR is converted
(PS3.3 C.7.6.3.1.2), a palette is looked up (C.7.9). That the pixels once were compressed with loss
stays said in Lossy Image Compression (C.7.6.1.1.5).
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pack_bits, pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from dicom_archive.errors import BadImage
from dicom_synthetic.uids import derived_uid

PIXEL_TAGS = {
    "PixelData": 0x7FE00010,
    "FloatPixelData": 0x7FE00008,
    "DoubleFloatPixelData": 0x7FE00009,
}
IMPLEMENTATION_UID = derived_uid("radlab", "dicom_archive")
MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_ALWAYS_LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless)
_OFFSET_TABLES = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")


def is_plain(dataset: Dataset) -> bool:
    """Whether the file, as it is, can be published."""
    if dataset.file_meta.TransferSyntaxUID != ExplicitVRLittleEndian:
        return False
    if any(one in dataset for one in _OFFSET_TABLES):
        return False
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    interleaved = photometric == "RGB" and not dataset.get("PlanarConfiguration", 0)
    grey = photometric in MONOCHROME or _is_float(dataset)
    last = max(dataset.keys())
    if not (grey or interleaved) or last not in PIXEL_TAGS.values():
        return False
    return len(dataset[last].value) % 2 == 0  # PS3.5 7.1.1: some writers forget the padding


def stored(dataset: Dataset) -> NDArray[Any]:
    """Stored values; colour as RGB. BadImage where no decoder can read them."""
    try:
        # Of the whole module, because `Dataset.pixel_array` leaves uncompressed YBR as it is.
        return np.asarray(pixel_array(dataset))
    except (RuntimeError, NotImplementedError) as error:
        name = dataset.file_meta.TransferSyntaxUID.name
        raise BadImage(f"its transfer syntax {name} cannot be decoded here") from error


def make_plain(dataset: Dataset) -> NDArray[Any]:
    """Change `dataset` into a plain one and give its stored values; BadImage with the reason."""
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    syntax = dataset.file_meta.TransferSyntaxUID
    pixels = stored(dataset)
    if photometric == "PALETTE COLOR":
        pixels = _looked_up(dataset, pixels)
    elif int(dataset.get("SamplesPerPixel", 1) or 1) == 1 and not _is_float(dataset):
        if photometric not in MONOCHROME:
            given = photometric or "is absent"
            raise BadImage(f"its photometric interpretation {given} is not taken")
    elif photometric != "RGB" and not photometric.startswith("YBR") and not _is_float(dataset):
        raise BadImage(f"its photometric interpretation {photometric} is not taken")
    if syntax in _ALWAYS_LOSSY:
        dataset.LossyImageCompression = "01"
    last = max(tag for tag in PIXEL_TAGS.values() if tag in dataset)
    for tag in sorted(dataset.keys()):
        if tag > last:
            del dataset[tag]  # trailing padding and signatures, which no longer hold
    for keyword in _OFFSET_TABLES:
        dataset.pop(keyword, None)
    _set_pixels(dataset, pixels)
    return pixels


def written(dataset: Dataset) -> bytes:
    """The file of a plain dataset, with file meta information of our own."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "RADLAB"
    dataset.file_meta = meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _is_float(dataset: Dataset) -> bool:
    return "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset


def _looked_up(dataset: Dataset, pixels: NDArray[Any]) -> NDArray[Any]:
    try:
        colours = apply_color_lut(pixels, dataset)
    except (AttributeError, ValueError, KeyError) as error:
        raise BadImage(f"its photometric interpretation is PALETTE COLOR, but {error}") from error
    for element in list(dataset.group_dataset(0x0028)):
        if "PaletteColorLookupTable" in element.keyword:
            del dataset[element.tag]
    dataset.BitsStored = colours.dtype.itemsize * 8
    return np.asarray(colours[..., :3])


def _set_pixels(dataset: Dataset, pixels: NDArray[Any]) -> None:
    if pixels.dtype.kind == "f":
        keyword = "FloatPixelData" if pixels.dtype.itemsize == 4 else "DoubleFloatPixelData"
        setattr(dataset, keyword, pixels.astype(pixels.dtype.newbyteorder("<")).tobytes())
        return
    if int(dataset.BitsAllocated) == 1:
        # PS3.5 8.1.1: bits of all frames in one row, without a byte's end between them.
        dataset.PixelData = pack_bits(pixels)
        dataset["PixelData"].VR = "OB"
        return
    if not str(dataset.PhotometricInterpretation).startswith("MONOCHROME"):
        dataset.SamplesPerPixel = 3
        dataset.PhotometricInterpretation = "RGB"
        dataset.PlanarConfiguration = 0
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated = bits
    dataset.BitsStored = min(int(dataset.get("BitsStored") or bits), bits)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
