"""The catalog of images in a notebook: `Catalog()["chest-film"].split("train").arrays(size=128)`.

Needs no server and no network: datasets are folders of DICOM files, mounted read-only, each with
an index. Read `catalog.py` first, then `dataset.py`, `series.py` and `image.py`.
"""

from typing import TYPE_CHECKING, Any

from dicom_catalog.annotations import Box, LabelMap, Segment
from dicom_catalog.card import Card, Target
from dicom_catalog.catalog import Catalog
from dicom_catalog.dataset import Dataset
from dicom_catalog.errors import CatalogError
from dicom_catalog.image import Image
from dicom_catalog.series import Series
from dicom_catalog.upright import Volume

if TYPE_CHECKING:
    from dicom_catalog.folder import read_folder

__version__ = "0.2.0"

__all__ = [
    "Box",
    "Card",
    "Catalog",
    "CatalogError",
    "Dataset",
    "Image",
    "LabelMap",
    "Segment",
    "Series",
    "Target",
    "Volume",
    "read_folder",
]


def __getattr__(name: str) -> Any:
    # Reading loose files takes pydicom's decoders, which published versions never need.
    if name == "read_folder":
        from dicom_catalog.folder import read_folder

        return read_folder
    raise AttributeError(f"module 'dicom_catalog' has no attribute '{name}'")
