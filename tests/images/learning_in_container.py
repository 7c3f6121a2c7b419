"""What needs torch and MONAI, run in a student's container on the small versions at /datasets.

Each `check_` function is one promise; `test_learning.py` starts this file in the container and
reads which were kept. It runs anywhere else with torch, too: RADLAB_DATASETS names the folder.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from monai.data import DataLoader, PydicomReader
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImage,
    LoadImaged,
    Orientationd,
    RandFlipd,
    ScaleIntensityd,
    Spacingd,
)

from dicom_catalog import Catalog
from dicom_catalog.errors import NoSuchLabel
from dicom_catalog.monai_reader import CatalogReader

SCANS, PHOTOS = "small-ct", "small-photo"
KEYS = ["image", "mask"]


def scans() -> Any:
    return Catalog()[SCANS]


def photos() -> Any:
    return Catalog()[PHOTOS]


def check_the_reader_gives_what_monais_own_gives() -> None:
    for item in scans().items():
        for lps_to_ras in (True, False):
            mine = LoadImage(reader=CatalogReader(lps_to_ras))(item["image"])
            other = LoadImage(reader=PydicomReader(affine_lps_to_ras=lps_to_ras))(item["image"])
            assert mine.shape == other.shape and mine.dtype == other.dtype
            assert torch.equal(mine, other)
            np.testing.assert_allclose(mine.affine, other.affine, atol=1e-4)
            assert mine.meta["space"] == other.meta["space"]


def check_the_reader_gives_what_itk_gives() -> None:
    for item in scans().items():
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(item["image"]))
        image = reader.Execute()
        mine = LoadImage(reader=CatalogReader())(item["image"])
        wanted = sitk.GetArrayFromImage(image).T.astype(np.float32)
        np.testing.assert_array_equal(np.asarray(mine), wanted)
        affine = np.eye(4)
        direction = np.array(image.GetDirection()).reshape(3, 3)
        affine[:3, :3] = direction * image.GetSpacing()
        affine[:3, 3] = image.GetOrigin()
        ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
        np.testing.assert_allclose(mine.affine, ras, atol=1e-6)


def check_a_monai_pipeline_keeps_masks_on_their_image() -> None:
    dataset = scans()
    load = Compose(
        [
            LoadImaged(KEYS, reader=CatalogReader()),
            EnsureChannelFirstd(KEYS),
            Orientationd(KEYS, axcodes="RAS"),
            Spacingd(KEYS, pixdim=(0.5, 0.75, 2.5), mode=("bilinear", "nearest")),
        ]
    )
    for item, series in zip(dataset.items(), dataset.series, strict=True):
        loaded = load(item)
        assert loaded["mask"].shape[0] == 2 and loaded["image"].shape[0] == 1
        assert loaded["image"].shape[1:] == loaded["mask"].shape[1:]
        assert torch.allclose(loaded["image"].affine, loaded["mask"].affine)
        wanted = sum(mask.sum() for mask in series.masks().values())
        assert abs(float(loaded["mask"].sum()) - wanted) <= 0.2 * wanted


def check_parts_of_a_mask_can_be_named() -> None:
    path = scans().items()[0]["image"]
    masks = scans().series[0].masks()
    load = LoadImage(reader=CatalogReader())
    np.testing.assert_array_equal(load(f"{path}#mask=lesion").numpy().T, masks["lesion"])
    try:
        load(f"{path}#mask=leson")
    except NoSuchLabel as error:
        assert "Did you mean 'lesion'" in str(error)
    else:
        raise AssertionError("a structure that does not exist was read")


def check_a_photograph_has_its_channels_last_then_first() -> None:
    item, image = photos().items()[0], photos()[0]
    loaded = Compose([LoadImaged(KEYS, reader=CatalogReader()), EnsureChannelFirstd(KEYS)])(item)
    wanted = np.moveaxis(image.values, -1, 0).transpose(0, 2, 1)
    np.testing.assert_array_equal(loaded["image"].numpy(), wanted)
    np.testing.assert_array_equal(loaded["mask"].numpy()[0], image.masks()["lesion"].T)


def check_a_torch_dataset_feeds_a_loader_with_workers() -> None:
    with tempfile.TemporaryDirectory() as folder:
        dataset = photos().torch(size=16, folder=folder)
        arrays, labels = photos().arrays(16)
        for workers in (0, 2, 2):
            loader = torch.utils.data.DataLoader(dataset, batch_size=4, num_workers=workers)
            (batch,) = list(loader)
            np.testing.assert_array_equal(batch["image"].numpy(), arrays)
            assert batch["label"].tolist() == labels.tolist()
            assert batch["mask"].shape == (4, 1, 16, 16)
        assert dataset.cache.kept == 4


class Counted:
    """A deterministic transform that counts its calls in a file, over all processes."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        with Path(self.path).open("a") as file:
            file.write("x")
        return {**item, "image": item["image"] * 2}


def check_a_transform_runs_once_an_item_over_processes_and_sessions() -> None:
    with tempfile.TemporaryDirectory() as folder:
        counted = Counted(f"{folder}/calls")
        dataset = scans().torch(transform=counted, folder=f"{folder}/cache")
        for _ in range(2):
            loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=2)
            images = [item["image"] for item in loader]
        again = pickle.loads(
            pickle.dumps(scans().torch(transform=counted, folder=f"{folder}/cache"))
        )
        for number, image in enumerate(images):
            assert torch.equal(again[number]["image"], image)
        assert Path(f"{folder}/calls").read_text() == "x" * len(dataset)
        again[0]["image"].zero_()
        assert again[0]["image"].any()


def check_a_compose_is_divided_before_its_first_random_part() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Compose([ScaleIntensityd("image"), RandFlipd(KEYS, prob=0.5, spatial_axis=0)])
        pipeline.set_random_state(0)
        dataset = photos().torch(transform=pipeline, size=16, folder=folder)
        assert len(dataset.transform.transforms) == len(dataset.random_part.transforms) == 1
        seen = {dataset[0]["image"].as_tensor().numpy().tobytes() for _ in range(12)}
        assert len(seen) == 2 and dataset.cache.kept == 1
        another = Compose([ScaleIntensityd("image", maxv=2.0), RandFlipd(KEYS, prob=0.5)])
        other = photos().torch(transform=another, size=16, folder=folder)
        assert other.cache.folder != dataset.cache.folder


def check_meta_tensors_come_back_with_their_affine() -> None:
    from dicom_catalog.cache import ItemCache
    from dicom_catalog.room import find_place

    with tempfile.TemporaryDirectory() as folder:
        load = Compose([LoadImaged("image", reader=CatalogReader()), EnsureChannelFirstd("image"),
                        Orientationd("image", axcodes="RAS")])  # fmt: skip
        paths = scans().items()
        cache = ItemCache("a", len(paths), find_place(folder))
        wanted = cache.fetch(0, lambda number: load(paths[number]))["image"]
        found = cache.fetch(0, lambda number: None)["image"]
        assert type(found) is type(wanted) and torch.equal(found, wanted)
        assert torch.equal(found.affine, wanted.affine)
        assert repr(found.applied_operations) == repr(wanted.applied_operations)
        batch = next(iter(DataLoader([{"image": found}], batch_size=1)))
        assert batch["image"].shape == (1, *wanted.shape)


def check_views_of_the_file_are_collated_without_a_word() -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = photos().torch(size=16, folder=folder, copied=False).fill()
        (batch,) = list(torch.utils.data.DataLoader(dataset, batch_size=4))
        assert batch["image"].shape == (4, 3, 16, 16)


def main() -> int:
    failed = 0
    os.environ.setdefault("RADLAB_DATASETS", "/datasets")
    for name, check in sorted(globals().items()):
        if not name.startswith("check_"):
            continue
        try:
            check()
            print(f"kept: {name.removeprefix('check_').replace('_', ' ')}", flush=True)
        except Exception:
            failed += 1
            print(f"NOT KEPT: {name}\n{traceback.format_exc()}", flush=True)
    print(f"{failed} not kept")
    return failed


if __name__ == "__main__":
    sys.exit(main())
