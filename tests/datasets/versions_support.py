"""Versions of a few tiny images, published in milliseconds: what tests of the store make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from dicom_archive.cards import Card, make_card
from dicom_archive.instance import Instance, instance_from_dataset
from dicom_archive.store import Published, Store

NOON = "2026-01-01T12:00:00Z"


def image(patient: str, number: int = 1, kind: str = "a", seed: int | None = None) -> Instance:
    """An image of 12 x 10 pixels; `seed` says what it shows, else patient and number do."""
    base = int.from_bytes(patient.encode(), "big")
    dataset = Dataset()
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = f"2.25.{base}.{number}.3"
    dataset.StudyInstanceUID = f"2.25.{base}.1"
    dataset.SeriesInstanceUID = f"2.25.{base}.2"
    dataset.PatientID = dataset.PatientName = patient
    dataset.Modality, dataset.ConversionType = "OT", "SYN"
    dataset.InstanceNumber = number
    rng = np.random.default_rng(base + number if seed is None else seed)
    pixels = rng.integers(0, 4096, (12, 10), dtype=np.uint16)
    dataset.set_pixel_data(pixels, "MONOCHROME2", 12, generate_instance_uid=False)
    made = instance_from_dataset(dataset)
    made.labels = {"kind": kind, "number": number}
    return made


def card(version: str = "1.0.0", **changes: Any) -> Card:
    """The card of the dataset `mine`, of the classes a and b."""
    texts = {"en": "Small", "zh_CN": "小"}
    known = {
        "name": "mine",
        "version": version,
        "titles": texts,
        "modality": "OT",
        "task": "classification",
        "target": {"column": "kind", "classes": ["a", "b"]},
        "source": "Computed by a test.",
        "licence": "CC0-1.0",
        "population": "Nobody.",
        "limits": [texts],
        "synthetic": True,
        "deidentified": "Synthetic.",
    }
    return make_card(**{**known, **changes})


def publish(
    store: Store,
    version: str = "1.0.0",
    images: Iterable[Instance] = (),
    to: Sequence[str] = ("everyone",),
    resume: str | None = None,
    step: Callable[[int], object] = lambda number: None,
    **changes: Any,
) -> Published:
    """Publish `images`, else those of six patients, as a version of `mine`."""
    images = list(images) or [image(f"P{k}", kind="ab"[k % 2]) for k in range(6)]
    with store.staged("mine", version, resume) as staged:
        for number, one in enumerate(images):
            key = f"{one.uid}.dcm"
            if not staged.has(key):
                staged.add(one, key)
            step(number)
        return staged.publish(card(version, **changes), {"test": True}, NOON, 1, to)
