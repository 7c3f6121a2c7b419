"""Sample datasets: a card, a generator, and as many processes as there are cores.

A worker makes the images of one plan and writes what is marked on them as SEG and SR at once; this
process only puts files down. The bytes do not depend on how many workers there are.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pydicom

import dicom_synthetic
from dicom_archive import derived
from dicom_archive.cards import SampleCard, read_sample_card
from dicom_archive.errors import AlreadyPublished, BadKnob, NotPublished
from dicom_archive.instance import Instance, instance_from_bytes
from dicom_archive.manifest import Progress, read_manifest
from dicom_archive.store import Published, Store
from dicom_catalog.errors import NoSuchDataset, NoSuchKnob, unknown
from dicom_synthetic import GENERATORS
from dicom_synthetic.sample import Generator, Made

__all__ = ["GENERATORS", "complete_knobs", "generate", "sample_card"]


@dataclass(frozen=True)
class _Done:
    """What a worker gives back: images and derived objects, ready to be put down."""

    images: Sequence[Instance]
    objects: Sequence[derived.Derived]


def sample_card(cards: Path, name: str) -> SampleCard:
    """The card of the sample dataset `name`; NotPublished names the nearest."""
    if name not in GENERATORS:
        raise NotPublished(str(unknown(NoSuchDataset, "sample dataset", name, GENERATORS)))
    return read_sample_card(cards / f"{name}.yaml")


def complete_knobs(generator: Generator, given: Mapping[str, float]) -> dict[str, float]:
    """Every knob of the generator with its value; BadKnob for an unknown one or a value outside."""
    for name, value in given.items():
        knob = generator.knobs.get(name)
        if knob is None:
            what = f"knob of {generator.name}"
            raise BadKnob(str(unknown(NoSuchKnob, what, name, generator.knobs)))
        if not knob.low <= value <= knob.high:
            raise BadKnob(
                f"The knob '{name}' of {generator.name} goes from {knob.low:g} to {knob.high:g}, "
                f"not {value:g}. It says: {knob.help}"
            )
    return {name: float(given.get(name, knob.default)) for name, knob in generator.knobs.items()}


def generate(
    store: Store,
    card: SampleCard,
    *,
    published: str,
    patients: int | None = None,
    seed: int | None = None,
    version: str | None = None,
    knobs: Mapping[str, float] | None = None,
    to: Sequence[str] = ("everyone",),
    processes: int | None = None,
    progress: Progress | None = None,
) -> Published:
    """Make and publish a sample dataset; the card says size, seed and version where not given.

    `knobs` turn how hard the task is and which shortcut is planted; all others stay at their
    default. `to` are the groups that see it, none for a draft. As many `processes` as there are
    cores, unless given. What is there already, with the size, seed and knobs that were asked for,
    is left as it is; with others it is AlreadyPublished.
    """
    generator = GENERATORS[card.name]
    turned = complete_knobs(generator, knobs or {})
    version = version or card.version
    there = store.published(card.name, version)
    if there is not None:
        asked = {
            "generator": card.name,
            "patients": patients,
            "seed": seed,
            "knobs": turned if knobs else None,
        }
        _require_same_origin(there, {key: v for key, v in asked.items() if v is not None})
        # A kill may have come between "made" and "shown".
        return store.show(card.name, version, to) if to else there
    patients = card.generate.patients if patients is None else patients
    seed = card.generate.seed if seed is None else seed
    origin = {
        "generator": card.name,
        "generator_version": dicom_synthetic.__version__,
        "patients": patients,
        "seed": seed,
        "knobs": turned,
    }
    store.check_room(card.budgets.megabytes * patients / card.generate.patients)
    plans = generator.draw(patients, seed, turned)
    with store.staged(card.name, version) as staged:
        made = _all_made(card.name, plans, processes or _sensible_processes(len(plans)))
        for number, one in enumerate(made, start=1):
            for image in one.images:
                staged.add(image)
            for written in one.objects:
                staged.add_object(written)
            if progress is not None:
                progress(number, len(plans))
        return staged.publish(card.published(version), origin, published, seed, to=to)


def _sensible_processes(plans: int) -> int:
    # To start one costs as much as a dozen films.
    return min(os.cpu_count() or 1, 1 + plans // 4)


def _all_made(name: str, plans: Sequence[Any], processes: int) -> Iterator[_Done]:
    make = partial(_make, name)
    if processes == 1:
        yield from map(make, plans)
        return
    # spawn: a process that holds threads (a server, a notebook) must not be forked. Small chunks:
    # a chunk's images are held in memory, and a volume has many.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(make, plans, chunksize=1 if len(plans) < 100 else 4)


def _make(name: str, plan: Any) -> _Done:
    made = GENERATORS[name].make(plan)
    images = [instance_from_bytes(data) for data in made.files]
    for image in images:
        image.labels = {**made.labels, **made.labels_of.get(image.uid, {})}
    return _Done(images, _objects(made, images))


def _objects(made: Made, images: Sequence[Instance]) -> Sequence[derived.Derived]:
    if not made.label_maps and not made.boxes:
        return ()
    headers = {
        image.uid: pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        for image, data in zip(images, made.files, strict=True)
    }
    labels = {image.uid: image.labels for image in images}
    return derived.write(made.label_maps, made.boxes, headers, labels)


def _require_same_origin(there: Published, asked: dict[str, object]) -> None:
    known = read_manifest(there.folder)["origin"]
    differs = ", ".join(
        f"{key} {known.get(key, 'unknown')} instead of {value}"
        for key, value in asked.items()
        if known.get(key) != value
    )
    if differs:
        raise AlreadyPublished(
            f"{there.name}@{there.version} is published already, with {differs}, and a version "
            "never changes. Publish under another one with --version."
        )
