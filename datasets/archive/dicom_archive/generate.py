"""Sample datasets: a card, a generator, and as many processes as there are cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import dicom_synthetic
from dicom_archive.cards import SampleCard, read_sample_card
from dicom_archive.errors import AlreadyPublished, NotPublished
from dicom_archive.instance import Instance, instance_from_bytes
from dicom_archive.manifest import Progress, read_manifest
from dicom_archive.store import Published, Store
from dicom_catalog.errors import NoSuchDataset, unknown
from dicom_synthetic import Plan, draw_cohort, film_dicom, make_film

GENERATORS = ("chest-film",)


def sample_card(cards: Path, name: str) -> SampleCard:
    """The card of the sample dataset `name`; NotPublished names the nearest."""
    if name not in GENERATORS:
        raise NotPublished(str(unknown(NoSuchDataset, "sample dataset", name, GENERATORS)))
    return read_sample_card(cards / f"{name}.yaml")


def generate(
    store: Store,
    card: SampleCard,
    *,
    published: str,
    patients: int | None = None,
    seed: int | None = None,
    version: str | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Published:
    """Make and publish a sample dataset; the card says size, seed and version where not given.

    As many `processes` as there are cores, unless given; the bytes do not depend on it.

    What is there already, with the size and the seed that were asked for, is left as it is.
    """
    version = version or card.version
    there = store.published(card.name, version)
    if there is not None:
        asked = {"generator": card.name, "patients": patients, "seed": seed}
        return _same_origin(there, {key: v for key, v in asked.items() if v is not None})
    patients = card.generate.patients if patients is None else patients
    seed = card.generate.seed if seed is None else seed
    origin = {
        "generator": card.name,
        "generator_version": dicom_synthetic.__version__,
        "patients": patients,
        "seed": seed,
    }
    store.check_room(card.budgets.megabytes * patients / card.generate.patients)
    plans = draw_cohort(patients, seed)
    with store.staged(card.name, version) as staged:
        films = _films(plans, processes or _sensible_processes(len(plans)))
        for done, one in enumerate(films, start=1):
            staged.add(one)
            if progress is not None:
                progress(done, len(plans))
        return staged.publish(card.published(version), origin, published, seed)


def _sensible_processes(films: int) -> int:
    # To start one costs as much as a dozen films.
    return min(os.cpu_count() or 1, 1 + films // 16)


def _films(plans: Sequence[Plan], processes: int) -> Iterator[Instance]:
    if processes == 1:
        yield from map(_film, plans)
        return
    # spawn: a process that holds threads (a server, a notebook) must not be forked.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_film, plans, chunksize=4)


def _film(plan: Plan) -> Instance:
    film = make_film(plan)
    instance = instance_from_bytes(film_dicom(film))
    instance.labels = dict(film.labels)
    return instance


def _same_origin(there: Published, asked: dict[str, object]) -> Published:
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
    return there
