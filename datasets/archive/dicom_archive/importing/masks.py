"""Masks that lie in files of their own: which mask belongs to which image, and its values.

A mask is known by its name: `<image>_mask.png` beside the image (or `_masks`, `_label`, `_labels`,
`_seg`, `_segmentation`, each perhaps with a number), or the image's name in a folder called so.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicom_archive.errors import BadImage, BadLabels
from dicom_archive.importing.marks import Naming
from dicom_archive.importing.sources import Found

_WORDS = r"(?:masks?|labels?|seg|segs|segmentations?|annotations?|gt|groundtruth)"
_SUFFIX = re.compile(rf"^(?P<stem>.+?)[ _.-]{_WORDS}(?:[ _.-]?\d+)?$", re.IGNORECASE)
_FOLDER = re.compile(rf"^{_WORDS}(?:Tr|Ts)?$", re.IGNORECASE)
_CHANNEL = re.compile(r"_\d{4}$")  # nnU-Net: image_0000.nii.gz, its mask image.nii.gz


def stem(path: str) -> str:
    """A file's name without its ending, `.nii.gz` being one ending."""
    name = PurePosixPath(path).name
    return name[:-7] if name.lower().endswith(".nii.gz") else PurePosixPath(name).stem


def pair(found: Sequence[Found]) -> tuple[list[Found], dict[str, list[Found]]]:
    """Images, and the masks of each by its path.

    A file is a mask only where the image that it names is there: a folder full of pictures called
    `..._seg` without their images is a folder of images.
    """
    images: dict[tuple[str, str], str] = {}
    for one in found:
        if one.kind in ("picture", "nifti", "dicom"):
            images.setdefault((_place(one.key.path), stem(one.key.path)), one.key.path)
    by_stem: dict[str, list[str]] = {}
    for (_, name), path in images.items():
        by_stem.setdefault(name, []).append(path)
        by_stem.setdefault(_CHANNEL.sub("", name), []).append(path)
    masks: dict[str, list[Found]] = {}
    plain = []
    for one in found:
        owner = _owner(one, images, by_stem) if one.kind in ("picture", "nifti") else None
        if owner is None:
            plain.append(one)
        else:
            masks.setdefault(owner, []).append(one)
    return plain, masks


def _place(path: str) -> str:
    return PurePosixPath(path).parent.as_posix()


def _in_mask_folder(path: str) -> bool:
    return any(_FOLDER.match(part) for part in PurePosixPath(path).parts[:-1])


def _owner(
    one: Found, images: Mapping[tuple[str, str], str], by_stem: Mapping[str, Sequence[str]]
) -> str | None:
    path, name = one.key.path, stem(one.key.path)
    match = _SUFFIX.match(name)
    names = [name, match["stem"]] if match else [name]
    if match and (_place(path), match["stem"]) in images:
        return images[_place(path), match["stem"]]
    if not _in_mask_folder(path):
        return None
    owners = {
        owner
        for candidate in names
        for owner in by_stem.get(candidate, ())
        if not _in_mask_folder(owner)
    }
    return min(owners) if owners else None


def read_mask(data: bytes) -> NDArray[Any]:
    """The values of a PNG mask, (rows, columns), integers; of a palette picture, its indices."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as opened:
            if opened.format == "JPEG":
                raise BadImage("its mask is a JPEG, whose values are not exact; a mask is a PNG")
            if opened.mode in ("RGB", "RGBA", "LA"):
                colour = np.asarray(opened.convert("RGB"))
                if (colour != colour[:, :, :1]).any():
                    raise BadImage("its mask is coloured; a mask has one value a pixel")
                return np.ascontiguousarray(colour[:, :, 0])
            values = np.asarray(opened)
    except BadImage:
        raise
    # As in `read_picture`: Pillow raises many kinds on broken files.
    except Exception as error:
        raise BadImage(f"its mask is no readable picture ({error})") from error
    return values.astype(np.uint8) if values.dtype == bool else values


def joined(masks: Sequence[NDArray[Any]], naming: Naming) -> list[NDArray[Any]]:
    """Several masks of one image as few arrays.

    As one structure they are joined; as objects each file is one, numbered, in a layer where it
    covers none.
    """
    if len(masks) == 1:
        return [masks[0]]
    if len({mask.shape for mask in masks}) != 1:
        raise BadImage("its masks differ in size")
    if not naming.objects:
        if any(len(np.unique(mask[mask != 0])) > 1 for mask in masks):
            raise BadImage("it has several masks of several values each; join them in one file")
        return [np.maximum.reduce(list(masks))]
    layers: list[NDArray[Any]] = []
    for number, mask in enumerate(masks, start=1):
        here = mask != 0
        free = next((layer for layer in layers if not layer[here].any()), None)
        if free is None:
            free = np.zeros(mask.shape, np.uint16)
            layers.append(free)
        free[here] = number
    return layers


def naming(structures: Iterable[str], objects: str) -> Naming:
    """What `--structure` and `--objects` say: NUMBER=NAME for each value, or one NAME for all."""
    named: dict[int, str] = {}
    for text in structures:
        number, equals, name = text.partition("=")
        if not equals:
            number, name = "0", text
        if not number.strip().isdigit() or not name.strip() or int(number) in named:
            raise BadLabels(
                f"--structure {text}: say NUMBER=NAME for each value of the masks, such as "
                "1=liver, or one NAME for all that is marked."
            )
        named[int(number)] = name.strip()
    if 0 in named and len(named) > 1:
        raise BadLabels("--structure: give one NAME for all that is marked, or only NUMBER=NAME.")
    if named and objects:
        raise BadLabels(
            "--structure and --objects exclude one another: a value is a kind, or one object."
        )
    return Naming(named, objects.strip())


def mask_png(values: NDArray[Any], path: Path) -> None:
    """Write a mask as PNG, 8 or 16 bits, values as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(values)).save(path)
