"""`./radlab bench read`: reading images beside pydicom, SimpleITK and MONAI, in one run.

    volume      a CT of 300 slices of 512 x 512, page cache warm, into one sorted array with affine
    slice       one slice of it, the series open
    JPEG-LS ... the same CT's first 64 slices as compressed loose files, into one sorted array

    preadv      the pixels' byte ranges alone, in order, by one thread, into one new array
    catalog     Catalog()[...].series[0]: open catalog, version and series; array and affine
    catalog HU  the same as int16 Hounsfield units
    pydicom     dcmread of each file, sorted by position, stacked
    SimpleITK   ImageSeriesReader, its sorting of the file names included
    MONAI       LoadImage with its PydicomReader, where MONAI is installed

The arms take turns; arrays are compared before anything is measured.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import ct_version
import numpy as np
import pydicom
import SimpleITK
from numpy.typing import NDArray
from pydicom.uid import UID, JPEG2000Lossless, JPEGLSLossless, RLELossless
from ranges import judge

from dicom_catalog import Catalog, read_folder

Arm = Callable[[], Any]
COMPRESSED = {"JPEG-LS": JPEGLSLossless, "JPEG 2000": JPEG2000Lossless, "RLE": RLELossless}
COMPRESSED_SLICES = 64


def bare(root: Path) -> Arm:
    """The same bytes by `preadv` alone: places known, no sorting, no checks."""
    frames = Catalog(root)[ct_version.NAME].series[0].frames
    shape = (len(frames), *frames[0].format.shape)

    def read() -> NDArray[np.int16]:
        array: NDArray[np.int16] = np.empty(shape, np.int16)
        for frame, target in zip(frames, array, strict=True):
            file = os.open(frame.path, os.O_RDONLY)
            os.preadv(file, [target], frame.offset)
            os.close(file)
        return array

    return read


def by_catalog(root: Path, values: str, dtype: Any = None) -> Arm:
    """Our client from the start: nothing is kept from run to run."""

    def read() -> NDArray[Any]:
        series = Catalog(root)[ct_version.NAME].series[0]
        series.affine()
        return series.array(values, dtype)

    return read


def by_pydicom(folder: Path) -> NDArray[Any]:
    """What a notebook does with pydicom."""
    slices = [pydicom.dcmread(path) for path in folder.glob("*.dcm")]
    slices.sort(key=lambda one: float(one.ImagePositionPatient[2]))
    return np.stack([one.pixel_array for one in slices])


def by_simpleitk(folder: Path) -> NDArray[Any]:
    """What a notebook does with SimpleITK."""
    reader: Any = SimpleITK.ImageSeriesReader()  # type: ignore[no-untyped-call]
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), ct_version.SERIES))
    array: NDArray[Any] = SimpleITK.GetArrayFromImage(reader.Execute())
    return array


def by_monai(folder: Path) -> Arm | None:
    """What a notebook does with MONAI, where it is installed."""
    if not importlib.util.find_spec("monai"):
        return None
    transforms: Any = importlib.import_module("monai.transforms")
    load = transforms.LoadImage(image_only=True, reader="PydicomReader")
    return lambda: load(folder)


def by_folder(folder: Path) -> NDArray[Any]:
    """Loose compressed files by our client."""
    array: NDArray[Any] = read_folder(folder)[0].array()
    return array


def volume_arms(root: Path, folder: Path) -> dict[str, Arm]:
    """The ways to read the whole CT."""
    arms: dict[str, Arm | None] = {
        "preadv": bare(root),
        "catalog": by_catalog(root, "stored"),
        "catalog HU": by_catalog(root, "hu", np.int16),
        "pydicom": lambda: by_pydicom(folder),
        "SimpleITK": lambda: by_simpleitk(folder),
        "MONAI": by_monai(folder),
    }
    return {name: arm for name, arm in arms.items() if arm is not None}


def slice_arms(root: Path) -> dict[str, Arm]:
    """The ways to read one slice, of a series that is open."""
    series = Catalog(root)[ct_version.NAME].series[0]
    place = len(series) // 2
    path = series.frames[place].path
    return {
        "catalog": lambda: series.slice(place),
        "catalog HU": lambda: series.slice(place, "hu", np.int16),
        "pydicom": lambda: pydicom.dcmread(path).pixel_array,
        "SimpleITK": lambda: SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)),
    }


def compressed_arms(folder: Path) -> dict[str, Arm]:
    """The ways to read compressed loose files."""
    return {
        "catalog": lambda: by_folder(folder),
        "pydicom": lambda: by_pydicom(folder),
        "SimpleITK": lambda: by_simpleitk(folder),
    }


def compress(folder: Path, target: Path, syntax: UID) -> None:
    """The first slices of the CT in `syntax`."""
    target.mkdir()
    for path in folder.glob("*.dcm"):
        image = pydicom.dcmread(path)
        if image.InstanceNumber <= COMPRESSED_SLICES:
            image.compress(syntax, generate_instance_uid=False)
            image.save_as(target / path.name)


def compared(arms: dict[str, Arm]) -> None:
    """Stop where an arm reads something else than the first."""
    expected = np.asarray(next(iter(arms.values()))())
    for name, arm in arms.items():
        found = np.asarray(arm())
        if name == "MONAI":  # (column, row, slice), as MONAI has it
            found = found.T
        shift = 0 if name in ("preadv", "catalog", "pydicom") else 1024
        if not np.array_equal(found.reshape(expected.shape) + shift, expected):
            raise SystemExit(f"{name} reads other pixels.")


def timed(arms: dict[str, Arm], runs: int) -> dict[str, float]:
    """The median of each arm in milliseconds; the arms take turns."""
    found: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(runs):
        for name, arm in arms.items():
            began = time.perf_counter()
            array = arm()
            found[name].append((time.perf_counter() - began) * 1e3)
            del array
    return {name: round(median(values), 4) for name, values in found.items()}


def rows(
    root: Path, folder: Path, given: argparse.Namespace
) -> Iterator[tuple[str, dict[str, Arm]]]:
    """Each thing that is measured, with its arms."""
    yield f"volume {given.slices}", volume_arms(root, folder)
    yield "slice", slice_arms(root)
    for name, syntax in COMPRESSED.items():
        target = root.parent / name
        compress(folder, target, syntax)
        yield name, compressed_arms(target)


def measure(given: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Medians in milliseconds, by row and arm."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "datasets"
        version = ct_version.write(root, given.slices, given.size)
        # The same files without the index, for those who take each file for an image.
        folder = Path(place) / "loose"
        folder.mkdir()
        for path in version.glob("*.dcm"):
            (folder / path.name).hardlink_to(path)
        for name, arms in rows(root, folder, given):
            compared(arms)
            found[name] = timed(arms, given.runs * (10 if name == "slice" else 1))
    return found


def ratios(found: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """How many times as long as the catalog each arm takes; the catalog itself against preadv."""
    made = {}
    for row, arms in found.items():
        made[row] = {name: round(ms / arms["catalog"], 2) for name, ms in arms.items()}
        if "preadv" in arms:
            made[row]["catalog"] = round(arms["catalog"] / arms["preadv"], 2)
    return made


def shown(found: dict[str, dict[str, float]]) -> str:
    """The figures as a table."""
    made = ratios(found)
    lines = [f"{'':<12}{'arm':<12}{'median ms':>12}  as long as the catalog"]
    for row, arms in found.items():
        for name, ms in arms.items():
            against = f"{made[row][name]:.2f}"
            if name == "catalog":
                against = f"({against} of preadv)" if "preadv" in arms else ""
            first = row if name == next(iter(arms)) else ""
            lines.append(f"{first:<12}{name:<12}{ms:>12.3f}  {against}")
    return "\n".join(lines)


def judged(found: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """What ranges.yaml keeps: ratios, which another machine shares, and the slice's time."""
    made = ratios(found)
    volume = next(iter(made.values()))
    figures = {"preadv_to_catalog": volume["catalog"]}
    figures |= {f"{name.lower()}_to_catalog": volume[name] for name in ("pydicom", "SimpleITK")}
    return {"volume": figures, "slice": {"catalog_ms": found["slice"]["catalog"]}}


def main() -> int:
    """Measure, print, and judge where that is asked for."""
    parser = argparse.ArgumentParser(
        prog="radlab bench read",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=7, help="readings by each arm")
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--size", type=int, default=512, help="rows and columns")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--check", action="store_true", help="fail where ranges.yaml is not kept")
    given = parser.parse_args()
    found = measure(given)
    if given.json:
        content = {"bench": "read", "runs": given.runs, "cores": os.cpu_count()}
        print(json.dumps(content | {"median_ms": found, "ratios": ratios(found)}, indent=1))
    else:
        print(shown(found))
    return judge("read", judged(found)) if given.check else 0


if __name__ == "__main__":
    sys.exit(main())
