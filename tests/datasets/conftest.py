"""What tests of datasets share: an empty store, a small published set, folders of pictures."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicom_archive.cards import SampleCard, read_sample_card
from dicom_archive.generate import generate
from dicom_archive.ingest import Options
from dicom_archive.store import Published, Store

sys.path.insert(0, str(Path(__file__).parent))  # for versions_support.py

ROOT = Path(__file__).parents[2]
NOON = "2026-01-01T12:00:00Z"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "datasets")


@pytest.fixture(scope="session")
def card() -> SampleCard:
    return read_sample_card(ROOT / "datasets" / "cards" / "chest-film.yaml")


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def sample(sample_store: Store, card: SampleCard) -> Published:
    """A small chest-film set, published once for all tests that only read it."""
    return generate(sample_store, card, published=NOON, patients=10, seed=3, processes=1)


@pytest.fixture
def options() -> Options:
    return Options(name="mine", version="1.0.0", target="kind", declared=True)


MakePictures = Callable[..., Path]


@pytest.fixture
def make_pictures(tmp_path: Path) -> MakePictures:
    """A folder of PNG pictures with a table; `rows` are (file, patient, kind)."""

    def make(rows: Sequence[tuple[str, str, str]], folder: str = "given") -> Path:
        place = tmp_path / folder
        place.mkdir()
        rng = np.random.default_rng(len(rows))
        for name, _, _ in rows:
            Image.fromarray(rng.integers(0, 256, (12, 16), dtype=np.uint8)).save(place / name)
        with (place / "labels.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "patient_id", "kind", "age"])
            writer.writerows((name, who, kind, 40 + k) for k, (name, who, kind) in enumerate(rows))
        return place

    return make


@pytest.fixture
def pictures(make_pictures: MakePictures) -> Path:
    """Twelve pictures of six patients, two kinds."""
    return make_pictures([(f"p{k:02d}.png", f"P{k // 2}", "ab"[k // 2 % 2]) for k in range(12)])


@pytest.fixture
def undeclared(options: Options) -> Options:
    return replace(options, declared=False)
