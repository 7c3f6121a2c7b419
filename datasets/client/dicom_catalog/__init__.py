"""The catalog of images in a notebook: `Catalog()["chest-film"].split("train").arrays(size=128)`.

Needs no server and no network: datasets are folders of DICOM files, mounted read-only, each with
an index. Read `catalog.py` first, then `dataset.py` and `image.py`.
"""

from dicom_catalog.card import Card, Target
from dicom_catalog.catalog import Catalog
from dicom_catalog.dataset import Dataset
from dicom_catalog.errors import CatalogError
from dicom_catalog.image import Image

__version__ = "0.1.0"

__all__ = ["Card", "Catalog", "CatalogError", "Dataset", "Image", "Target"]
