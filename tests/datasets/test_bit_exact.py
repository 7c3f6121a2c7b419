"""What we read equals what pydicom and SimpleITK read, bit for bit, on real files of many kinds.

The files of pydicom's own package (no download), and `../shared/data` where it is. Each file that
is read differently by one of the two, or by none, is named here with the reason.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from dicom_catalog import Series, read_folder
from dicom_catalog.errors import NotAVolume, NotDecodable, NotReadable

sitk: Any = SimpleITK  # its own annotations cover a part of its methods only

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
READABLE = 87  # images in pydicom 3.0's package that pydicom itself reads

SAME_AS_SIMPLEITK = 70  # of those, with a type, pixels and geometry that are SimpleITK's

# What neither pydicom nor we read.
UNREADABLE = {
    "JPEG-lossy.dcm": "12-bit JPEG Extended with a wrong header; no decoder takes it",
    "JPEG2000-embedded-sequence-delimiter.dcm": "a delimiter within a frame, invalid by design",
    "MR_truncated.dcm": "62 bytes short, invalid by design",
}
# What SimpleITK reads otherwise; we agree with pydicom.
SIMPLEITK_DIFFERS = {
    "693_J2KI.dcm": "same values as int32: GDCM takes 16 bits from the stream, not the header's 14",
    "JPGExtended.dcm": "lossy 12-bit JPEG: decoders differ by grey levels",
    "SC_rgb_rle_16bit.dcm": "GDCM mixes up the bytes of its bars, of pure red, green, blue",
    "SC_rgb_rle_32bit.dcm": "GDCM mixes up the bytes of its bars, of pure red, green, blue",
    "examples_palette.dcm": "GDCM keeps the high byte of a 16-bit palette",
    "liver_1frame.dcm": "GDCM gives single bits as 0 and 255",
    "liver_expb_1frame.dcm": "GDCM gives single bits as 0 and 255",
    "rtdose.dcm": "a dose: SimpleITK leaves out Dose Grid Scaling",
    "rtdose_rle.dcm": "a dose: SimpleITK leaves out Dose Grid Scaling",
    "rtdose_expb.dcm": "a dose: SimpleITK leaves out Dose Grid Scaling, and the order of bytes",
}


def as_pydicom_reads(path: Path) -> np.ndarray | None:
    """What pydicom makes of the file; None where it is no image, or no file that it reads."""
    try:
        header = pydicom.dcmread(path)
        if not {"PixelData", "FloatPixelData", "DoubleFloatPixelData"} & set(header.dir()):
            return None
        found = pixel_array(path)
        if header.PhotometricInterpretation == "PALETTE COLOR":
            found = apply_color_lut(found, header)
        return found.astype(found.dtype.newbyteorder("="))
    # Whatever pydicom raises here means that it cannot read the file.
    except Exception:
        return None


def image_files() -> list[Path]:
    files = [path for path in PYDICOM_FILES.rglob("*") if path.is_file()]
    return sorted(path for path in files if path.suffix in ("", ".dcm"))


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Any:
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def read() -> dict[Path, tuple[np.ndarray, Series]]:
    """All files that pydicom reads, with its array and our series."""
    found = {}
    for path in image_files():
        expected = as_pydicom_reads(path)
        if expected is not None:
            (found_series,) = read_folder(path)
            found[path] = (expected, found_series)
    return found


def test_all_files_that_pydicom_reads_are_read(read: dict[Path, Any]) -> None:
    assert len(read) == READABLE


def test_stored_values_are_those_of_pydicom(read: dict[Path, tuple[np.ndarray, Series]]) -> None:
    for path, (expected, series) in read.items():
        # Frames of an enhanced object are sorted along their normal, pydicom's are not.
        order = [frame.frame for frame in series.frames]
        found = series.array()
        assert found.dtype == expected.dtype, path.name
        assert np.array_equal(found, expected.reshape(found.shape)[order]), path.name
        assert np.array_equal(series.slice(-1), found[-1]), path.name


def test_what_pydicom_cannot_read_is_refused_with_the_reason() -> None:
    for name in UNREADABLE:
        (path,) = PYDICOM_FILES.rglob(name)
        assert as_pydicom_reads(path) is None
        with pytest.raises((NotDecodable, NotReadable), match=name):
            read_folder(path)[0].array()


def test_rescaled_values_are_those_of_simpleitk(
    read: dict[Path, tuple[np.ndarray, Series]],
) -> None:
    same, different = 0, set()
    for path, (_, series) in read.items():
        theirs = by_simpleitk(path)
        if theirs is None:
            continue
        try:
            ours = series.to_sitk()
        except NotAVolume:
            assert series.kind == "stack" and series.reason, path.name
            continue
        assert_same_geometry(ours, theirs, path.name)
        if equal_pixels(ours, theirs):
            same += 1
        else:
            different.add(path.name)
    assert different == set(SIMPLEITK_DIFFERS)
    assert same == SAME_AS_SIMPLEITK


def by_simpleitk(path: Path) -> Any:
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError:
        return None


def equal_pixels(ours: Any, theirs: Any) -> bool:
    one, other = sitk.GetArrayViewFromImage(ours), sitk.GetArrayViewFromImage(theirs)
    return bool(one.dtype == other.dtype and np.array_equal(one, other))


def assert_same_geometry(ours: Any, theirs: Any, name: str) -> None:
    assert ours.GetSize() == theirs.GetSize(), name
    assert np.allclose(ours.GetSpacing(), theirs.GetSpacing(), rtol=1e-6), name
    assert np.allclose(ours.GetOrigin(), theirs.GetOrigin(), atol=1e-6), name
    assert np.allclose(ours.GetDirection(), theirs.GetDirection(), atol=1e-6), name


@pytest.mark.shared_data
def test_a_real_volume_is_that_of_simpleitks_series_reader(shared_data: Path) -> None:
    folder = shared_data / "brain-mr"
    reader = sitk.ImageSeriesReader()
    (uid,) = reader.GetGDCMSeriesIDs(str(folder))
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), uid))
    theirs = reader.Execute()
    (series,) = read_folder(folder)
    assert series.kind == "volume" and series.shape == (192, 256, 256)
    ours = series.to_sitk()
    assert equal_pixels(ours, theirs)
    assert_same_geometry(ours, theirs, "brain-mr")
    # The affine takes the middle of each voxel where SimpleITK says that it lies.
    for index in [(0, 0, 0), (255, 3, 190), (100, 200, 17)]:
        expected = theirs.TransformIndexToPhysicalPoint(index)
        assert np.allclose((series.affine() @ [*index, 1])[:3], expected, atol=1e-4)


@pytest.mark.shared_data
def test_real_images_of_derived_objects_are_those_of_pydicom(shared_data: Path) -> None:
    compared = 0
    for series in read_folder(shared_data / "seg-sr"):
        for image in series.images:
            expected = as_pydicom_reads(image.path)
            if expected is None:
                continue
            assert np.array_equal(image.pixels, expected.reshape(image.pixels.shape)), image.path
            compared += 1
    assert compared >= 20
