"""Whole slides as VL Whole Slide Microscopy Images (PS3.3 A.32.8): tiles, tiled whole.

A slide comes as a folder of tiles whose names tell column and row, or as a tiled TIFF whose pages
are the levels of a pyramid. Missing tiles (glass without tissue is often left out) become white,
so that every slide is TILED_FULL and a frame's number says where it lies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from pydicom.dataset import Dataset
from pydicom.uid import VLWholeSlideMicroscopyImageStorage

from dicom_archive.errors import BadImage
from dicom_archive.importing.sources import Found
from dicom_archive.labels import Key
from dicom_archive.wrap import Fields, patient_and_study, read_picture
from dicom_synthetic.uids import derived_uid

TILE = 256
LARGEST_LEVEL = 200_000_000
GUESSED_SPACING = 0.0005  # mm: 20x, where nobody says
_BY_LETTER = re.compile(
    r"(?:^|[_-])(?P<first>x|col|c|y|row|r)[_-]?(?P<one>\d+)"
    r"[_-](?P<second>x|col|c|y|row|r)[_-]?(?P<two>\d+)$",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"(?:^|[_-])(?P<one>\d+)[_-](?P<two>\d+)$")


@dataclass(frozen=True)
class Level:
    """One resolution of a slide: tiles (rows, columns, 3) uint8 by (column, row) of the grid."""

    tiles: Mapping[tuple[int, int], NDArray[np.uint8]]
    rows: int
    columns: int
    spacing: float
    lossy: bool


def tile_place(name: str) -> tuple[int, int] | None:
    """(column, row) that a tile's name tells: `x3_y5`, `row5_col3`, `3_5` (column first)."""
    stem = Path(name).stem
    match = _BY_LETTER.search(stem)
    if match:
        column_first = match["first"].lower() in ("x", "col", "c")
        second_is_column = match["second"].lower() in ("x", "col", "c")
        if column_first == second_is_column:
            return None
        one, two = int(match["one"]), int(match["two"])
        return (one, two) if column_first else (two, one)
    plain = _PLAIN.search(stem)
    return (int(plain["one"]), int(plain["two"])) if plain else None


def gather(found: Sequence[Found]) -> list[Found]:
    """The same files, the tiles of each folder taken together as one slide."""
    folders: dict[Path, list[Found]] = {}
    for one in found:
        if one.kind == "picture" and tile_place(one.path.name) is not None:
            folders.setdefault(one.path.parent, []).append(one)
    parts = {one.path for ones in folders.values() for one in ones}
    made = [one for one in found if one.path not in parts]
    for folder, ones in folders.items():
        relative = ones[0].key.path.rpartition("/")[0] or folder.name
        made.append(Found(folder, Key(relative), "tiles", tuple(one.path for one in ones)))
    return sorted(made, key=lambda one: one.key.path)


def read_tiles(paths: Sequence[Path], spacing: float | None) -> list[Level]:
    """The one level that a folder of tiles is; numbers may count tiles or pixels."""
    places: dict[tuple[int, int], Path] = {}
    for path in paths:
        place = tile_place(path.name)
        if place is None or place in places:
            raise BadImage(f"two tiles have one place, or none: {path.name}")
        places[place] = path
    pictures = {place: _coloured(read_picture(path.read_bytes())) for place, path in places.items()}
    height, width = (max(p.shape[axis] for p in pictures.values()) for axis in (0, 1))
    if len(pictures) > 1 and all(c % width == 0 and r % height == 0 for c, r in pictures):
        pictures = {(c // width, r // height): p for (c, r), p in pictures.items()}
    first_column, first_row = (min(place[axis] for place in pictures) for axis in (0, 1))
    pictures = {(c - first_column, r - first_row): p for (c, r), p in pictures.items()}
    columns, rows = _extent(pictures, width, height)
    if columns * rows > LARGEST_LEVEL:
        raise BadImage(f"its tiles span {columns} x {rows} pixels; {LARGEST_LEVEL} are taken")
    lossy = any(path.suffix.lower() in (".jpg", ".jpeg") for path in paths)
    tiles = {place: _padded(picture, height, width) for place, picture in pictures.items()}
    return [Level(tiles, rows, columns, spacing or GUESSED_SPACING, lossy)]


def _extent(
    pictures: Mapping[tuple[int, int], NDArray[Any]], width: int, height: int
) -> tuple[int, int]:
    right = max(column * width + picture.shape[1] for (column, _), picture in pictures.items())
    bottom = max(row * height + picture.shape[0] for (_, row), picture in pictures.items())
    return right, bottom


def _coloured(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype != np.uint8:
        raise BadImage("a tile has 16 bits; tiles have 8")
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def _padded(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    down, right = height - picture.shape[0], width - picture.shape[1]
    # White is glass: a border tile of a slide ends in it.
    return np.pad(picture, ((0, down), (0, right), (0, 0)), constant_values=255)


def read_pyramid(path: Path, spacing: float | None) -> list[Level]:
    """The levels of a tiled TIFF that fit into memory, the finest first."""
    previous = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # levels that are too large are skipped by their size below
    try:
        with Image.open(path, formats=("TIFF",)) as opened:
            levels = _pages(opened, spacing)
    # Pillow and libtiff raise OSError, SyntaxError, struct.error and more on broken files.
    except Exception as error:
        raise BadImage(f"it is no readable TIFF ({error})") from error
    finally:
        Image.MAX_IMAGE_PIXELS = previous
    if not levels:
        raise BadImage(f"none of its levels has at most {LARGEST_LEVEL} pixels")
    return levels


def _pages(opened: Image.Image, spacing: float | None) -> list[Level]:
    levels: list[Level] = []
    whole = opened.width
    shape = opened.height / opened.width
    for page in range(getattr(opened, "n_frames", 1)):
        opened.seek(page)
        # Label, macro and thumbnail pages are photographs of the glass: they have another shape.
        if abs(opened.height / opened.width - shape) > 0.02 * shape:
            continue
        if opened.width * opened.height > LARGEST_LEVEL:
            continue
        if levels and opened.width >= levels[-1].columns:
            continue
        pixels = np.asarray(opened.convert("RGB"))
        finest = spacing or _told_spacing(opened) or GUESSED_SPACING
        lossy = str(opened.info.get("compression", "")) in ("jpeg", "tiff_jpeg", "webp")
        levels.append(_cut(pixels, finest * whole / pixels.shape[1], lossy))
    return levels


def _told_spacing(opened: Image.Image) -> float | None:
    tags = getattr(opened, "tag_v2", {})
    told = re.search(r"MPP\s*=\s*([\d.]+)", str(tags.get(270, "")))  # Aperio's description
    return float(told[1]) / 1000 if told and float(told[1]) > 0 else None


def _cut(pixels: NDArray[np.uint8], spacing: float, lossy: bool) -> Level:
    rows, columns = pixels.shape[:2]
    tiles = {
        (column, row): _padded(
            pixels[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE], TILE, TILE
        )
        for row in range(-(-rows // TILE))
        for column in range(-(-columns // TILE))
    }
    return Level(tiles, rows, columns, spacing, lossy)


def wrap_slide(
    levels: Sequence[Level], name: str, path: str, patient: str, fields: Fields
) -> list[Dataset]:
    """A slide's levels as uncompressed DICOM objects of one series."""
    made = []
    for number, level in enumerate(levels, start=1):
        dataset = Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        patient_and_study(dataset, patient)
        dataset.Modality = "SM"
        dataset.SOPClassUID = VLWholeSlideMicroscopyImageStorage
        dataset.StudyInstanceUID = derived_uid("study", "import", name, path)
        dataset.SeriesInstanceUID = derived_uid("series", "import", name, path)
        dataset.SOPInstanceUID = derived_uid("instance", "import", name, path, number)
        dataset.FrameOfReferenceUID = derived_uid("frame", "import", name, path)
        dataset.PositionReferenceIndicator = "SLIDE_CORNER"
        dataset.InstanceNumber = number
        _equipment_and_context(dataset)
        _specimen(dataset, name, path, fields)
        _image(dataset, level, resampled=number > 1)
        _dimensions(dataset)
        _pixels(dataset, level)
        made.append(dataset)
    return made


def _equipment_and_context(dataset: Dataset) -> None:
    # Enhanced General Equipment is mandatory here (PS3.3 A.32.8.3), and nobody knows the scanner.
    dataset.Manufacturer = dataset.ManufacturerModelName = "Unknown"
    dataset.DeviceSerialNumber = dataset.SoftwareVersions = "Unknown"
    # Dates are type 1 here; the day of an imported slide is not known, and says so by being no day
    # on which any was scanned.
    dataset.ContentDate, dataset.ContentTime = "19000101", "000000"
    dataset.AcquisitionDateTime = "19000101000000"
    dataset.AcquisitionContextSequence = []
    dataset.BurnedInAnnotation = "NO"


def _specimen(dataset: Dataset, name: str, path: str, fields: Fields) -> None:
    dataset.ContainerIdentifier = derived_uid("slide", name, path)[-16:]
    dataset.IssuerOfTheContainerIdentifierSequence = []
    dataset.ContainerTypeCodeSequence = [_code("433466003", "SCT", "Microscope slide")]
    specimen = Dataset()
    specimen.SpecimenIdentifier = dataset.ContainerIdentifier
    specimen.SpecimenUID = derived_uid("specimen", name, path)
    specimen.IssuerOfTheSpecimenIdentifierSequence = []
    specimen.SpecimenPreparationSequence = []
    if fields.body_part:
        specimen.SpecimenShortDescription = fields.body_part[:64]
    dataset.SpecimenDescriptionSequence = [specimen]
    optical = Dataset()
    optical.OpticalPathIdentifier = "1"
    optical.IlluminationTypeCodeSequence = [_code("111744", "DCM", "Brightfield illumination")]
    optical.IlluminationColorCodeSequence = [_code("371251000", "SCT", "White color")]
    optical.ICCProfile = _srgb()
    dataset.OpticalPathSequence = [optical]
    dataset.NumberOfOpticalPaths = 1
    dataset.TotalPixelMatrixFocalPlanes = 1


def _image(dataset: Dataset, level: Level, resampled: bool) -> None:
    kind = ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED" if resampled else "NONE"]
    dataset.ImageType = kind
    dataset.TotalPixelMatrixColumns, dataset.TotalPixelMatrixRows = level.columns, level.rows
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = "0"
    dataset.TotalPixelMatrixOriginSequence = [origin]
    dataset.ImageOrientationSlide = ["0", "-1", "0", "-1", "0", "0"]
    dataset.ImagedVolumeWidth = level.columns * level.spacing
    dataset.ImagedVolumeHeight = level.rows * level.spacing
    dataset.ImagedVolumeDepth = 0.001
    dataset.SpecimenLabelInImage = "NO"
    dataset.FocusMethod = "AUTO"
    dataset.ExtendedDepthOfField = "NO"
    dataset.VolumetricProperties = "VOLUME"
    dataset.LossyImageCompression = "01" if level.lossy else "00"
    if level.lossy:
        dataset.LossyImageCompressionRatio = "10"
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
    measures, frame = Dataset(), Dataset()
    measures.PixelSpacing = [f"{level.spacing:.10g}"] * 2
    measures.SliceThickness = "0.001"
    frame.FrameType = kind
    optical, shared = Dataset(), Dataset()
    optical.OpticalPathIdentifier = "1"
    shared.PixelMeasuresSequence = [measures]
    shared.WholeSlideMicroscopyImageFrameTypeSequence = [frame]
    shared.OpticalPathIdentificationSequence = [optical]
    dataset.SharedFunctionalGroupsSequence = [shared]


def _dimensions(dataset: Dataset) -> None:
    uid = derived_uid("dimensions", dataset.SOPInstanceUID)
    organization = Dataset()
    organization.DimensionOrganizationUID = uid
    dataset.DimensionOrganizationSequence = [organization]
    dataset.DimensionIndexSequence = []
    for pointer in (0x0048021E, 0x0048021F):  # column and row in the total matrix
        index = Dataset()
        index.DimensionOrganizationUID = uid
        index.DimensionIndexPointer = pointer
        index.FunctionalGroupPointer = 0x0048021A
        dataset.DimensionIndexSequence.append(index)


def _pixels(dataset: Dataset, level: Level) -> None:
    height, width = next(iter(level.tiles.values())).shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
    dataset.PlanarConfiguration = dataset.PixelRepresentation = 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.Rows, dataset.Columns = height, width
    across, down = -(-level.columns // width), -(-level.rows // height)
    glass = np.full((height, width, 3), 255, np.uint8)
    places = [(column, row) for row in range(down) for column in range(across)]
    dataset.NumberOfFrames = len(places)
    dataset.DimensionOrganizationType = "TILED_FULL"
    data = b"".join(
        np.ascontiguousarray(level.tiles.get(place, glass)).tobytes() for place in places
    )
    dataset.PixelData = data + b"\x00" * (len(data) % 2)
    dataset["PixelData"].VR = "OB"


@cache
def _srgb() -> bytes:
    """The sRGB profile, which colours need to mean something (PS3.3 C.11.15)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # ICC.1 7.2.1: bytes 24 to 35 are the time at which it was made; same input, same bytes.
    profile[24:36] = bytes.fromhex("07c6 0001 0001 0000 0000 0000")
    return bytes(profile)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
