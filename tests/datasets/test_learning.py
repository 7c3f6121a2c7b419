"""A dataset as a training loop takes it: paths for MONAI, arrays for anything else."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from dicom_catalog import Catalog, CatalogError, Dataset
from dicom_catalog.errors import NoSuchValues
from dicom_catalog.learning import Loaded, items, root_of, structures, unit_of, version_folder

sys.path.insert(0, str(Path(__file__).parent))  # for small_version.py
from small_version import (
    COLUMNS,
    LESION,
    ORGAN,
    ROWS,
    SLICES,
    SmallVersion,
    ct_version,
    photo_version,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SmallVersion:
    return ct_version(tmp_path_factory.mktemp("ct"))


@pytest.fixture(scope="module")
def scans(made: SmallVersion) -> Dataset:
    return Catalog(made.root)["small-ct"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    made = photo_version(tmp_path_factory.mktemp("photos"))
    return Catalog(made.root)["small-photo"]


@pytest.fixture(scope="module")
def greys(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    made = photo_version(tmp_path_factory.mktemp("greys"), colour=False)
    return Catalog(made.root)["small-photo"]


def test_an_item_is_a_series_where_series_have_slices(scans: Dataset, photos: Dataset) -> None:
    assert (unit_of(scans), unit_of(photos)) == ("series", "image")
    assert unit_of(scans, "image") == "image"
    with pytest.raises(NoSuchValues, match="Did you mean 'series'"):
        unit_of(scans, "seires")


def test_items_name_the_folder_of_a_series(scans: Dataset) -> None:
    found = items(scans)
    assert [item["label"] for item in found] == [1, 1, 1, 0]
    assert [item["split"] for item in found] == ["train", "train", "validation", "test"]
    for item in found:
        assert sorted(path.name for path in Path(item["image"]).iterdir()) == [
            f"{place:03d}.dcm" for place in range(SLICES)
        ]
        assert item["mask"] == item["image"] + "#masks"
    assert len(items(scans.split("train"))) == 2


def test_items_name_the_file_of_an_image(photos: Dataset) -> None:
    assert [Path(item["image"]).is_file() for item in items(photos)] == [True] * 4
    assert len(items(photos, by="series")) == 4


def test_the_channels_of_a_mask_are_in_the_order_of_the_card(scans: Dataset) -> None:
    assert structures(scans) == [ORGAN, LESION]


def test_a_volume_comes_rescaled_with_its_masks_on_it(made: SmallVersion, scans: Dataset) -> None:
    loaded = Loaded(scans)
    for item, uid in zip(loaded, made.volumes, strict=True):
        volume = made.volumes[uid]
        assert item["image"].dtype == np.float32
        np.testing.assert_array_equal(item["image"], volume[None] * np.float32(2) - 100)
        assert item["mask"].dtype == np.uint8
        if uid in made.masks:
            wanted = np.stack([made.masks[uid][ORGAN], made.masks[uid][LESION]])
            np.testing.assert_array_equal(item["mask"], wanted)


def test_who_has_no_masks_gets_empty_ones_of_the_same_shape(scans: Dataset) -> None:
    mask = Loaded(scans)[-1]["mask"]
    assert mask.shape == (2, SLICES, ROWS, COLUMNS) and not mask.any()


def test_boxes_of_a_volume_run_through_its_slices(scans: Dataset) -> None:
    item = Loaded(scans, boxes=True)[0]
    np.testing.assert_array_equal(item["boxes"], [[10, 4, 1, 16, 9, 3]])
    assert item["box_labels"].tolist() == [0] and Loaded(scans).box_names == [LESION]
    none = Loaded(scans, boxes=True)[3]
    assert none["boxes"].shape == (0, 6) and none["box_labels"].shape == (0,)


def test_images_of_a_size_are_those_of_arrays(photos: Dataset, greys: Dataset) -> None:
    for dataset in (photos, greys):
        arrays, labels = dataset.arrays(16)
        loaded = Loaded(dataset, size=16)
        np.testing.assert_array_equal(np.stack([item["image"] for item in loaded]), arrays)
        assert [item["label"] for item in loaded] == labels.tolist()


def test_masks_and_boxes_shrink_with_their_image(photos: Dataset) -> None:
    item = Loaded(photos, size=12, boxes=True)[0]
    assert item["mask"].shape == (1, 12, 12)
    # 20 x 24 pixels become 10 x 12, with a row of black above and below: 4..12 is 3..7.
    np.testing.assert_allclose(item["boxes"], [[3, 3, 9, 7]])
    inside = np.zeros((12, 12), dtype=bool)
    inside[3:7, 3:9] = True
    np.testing.assert_array_equal(item["mask"][0], inside)


def test_images_keep_their_size_without_one(photos: Dataset) -> None:
    item = Loaded(photos)[1]
    assert item["image"].shape == (3, ROWS, COLUMNS)
    assert 0 <= item["image"].min() <= item["image"].max() <= 1
    stored = Loaded(photos, values="stored")[1]["image"]
    np.testing.assert_array_equal(stored, np.moveaxis(photos[1].pixels, -1, 0))


def test_the_slices_of_a_series_may_be_items(made: SmallVersion, scans: Dataset) -> None:
    loaded = Loaded(scans, by="image", values="stored")
    assert len(loaded) == 4 * SLICES
    volume = np.concatenate(list(made.volumes.values()))
    np.testing.assert_array_equal(np.concatenate([item["image"] for item in loaded]), volume)
    lesion = np.stack([item["mask"][1] for item in loaded][:SLICES])
    np.testing.assert_array_equal(lesion, made.masks[next(iter(made.masks))][LESION])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 32}, "Leave size out"),
        ({"values": "gray"}, "Did you mean 'grey'"),
        ({"by": "slice"}, "There is: image, series"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    scans: Dataset, options: dict[str, object], said: str
) -> None:
    with pytest.raises(CatalogError, match=said):
        Loaded(scans, **options)  # type: ignore[arg-type]


def test_beyond_the_last_item_is_the_end(scans: Dataset) -> None:
    with pytest.raises(IndexError, match="there are 4"):
        Loaded(scans)[4]


def test_what_is_cached_is_known_by_root_items_and_options(scans: Dataset) -> None:
    assert root_of(scans) == "root of small-ct"
    same = [Loaded(scans).identity, Loaded(scans).identity]
    assert same[0] == same[1]
    others = [Loaded(scans.split("train")), Loaded(scans, boxes=True), Loaded(scans, by="image")]
    assert len({same[0], *(one.identity for one in others)}) == 4


def test_a_version_without_a_manifest_is_known_by_its_index(tmp_path: Path) -> None:
    made = photo_version(tmp_path)
    (made.folder / "manifest.json").unlink()
    assert len(root_of(Catalog(tmp_path)["small-photo"])) == 64


def test_the_version_of_a_path_is_found(made: SmallVersion, scans: Dataset) -> None:
    assert version_folder(Path(items(scans)[0]["image"])) == made.folder
    assert version_folder(made.root) is None


def test_a_dataset_can_be_walked_to_its_end(scans: Dataset) -> None:
    # MONAI's DataLoader seeds whatever lies in a dataset, attribute by attribute (`set_rnd`).
    def walk(thing: object, depth: int = 0) -> int:
        assert depth < 20, "a dataset that holds itself is walked for ever"
        return 1 + sum(walk(one, depth + 1) for one in getattr(thing, "__dict__", {}).values())

    assert walk(Loaded(scans)) > walk(object())
    assert walk(Loaded(scans.split("train"))) > walk(object())
