"""Who is in which split: by patient, so that no network is tested on a person it has seen.

Patients are ordered by the labels that they bear and, among equals, by a hash of the seed and
their id; each in turn goes to the split that is furthest below its share. So every label is
spread over the splits as the whole set is, the order of files does not matter, and the same seed
gives the same splits. Who was in an earlier version stays in the split of that version: a network
that was trained on it has seen them. Patients who share an image, bit for bit, are one for this:
the same person under two numbers is a leak, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from dicom_archive.errors import SplitLeak

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


def draw_splits(
    labels: Mapping[str, str],
    seed: int,
    known: Mapping[str, str] | None = None,
    joined: Iterable[Iterable[str]] = (),
) -> dict[str, str]:
    """The split of each patient; `labels` gives each patient's stratum as a text.

    `known` are splits of earlier versions, which are kept; the patients of each of `joined` are put
    into one split. Three patients or more fill all splits, where none is known or joined; fewer
    leave validation, then test empty. SplitLeak where joined patients are known apart.
    """
    kept = {patient: split for patient, split in (known or {}).items() if patient in labels}
    first = _first_of(labels, joined)
    members: dict[str, list[str]] = {}
    for patient in sorted(labels):
        members.setdefault(first[patient], []).append(patient)
    settled = {one: _settled(together, kept) for one, together in members.items()}
    units = sorted(
        members,
        key=lambda one: (
            _stratum(members[one], labels),
            settled[one] is None,
            _dice(seed, one),
        ),
    )
    counts = dict.fromkeys(SHARES, 0)
    chosen: dict[str, str] = {}
    total = 0
    for one in units:
        total += len(members[one])
        split = settled[one] or _neediest(counts, total)
        chosen[one] = split
        counts[split] += len(members[one])
    _fill_empty(chosen, {one for one in units if settled[one] is None}, members)
    return {patient: chosen[first[patient]] for patient in labels}


def _neediest(counts: Mapping[str, int], total: int) -> str:
    return max(SHARES, key=lambda split: round(SHARES[split] * total - counts[split], 9))


def _stratum(patients: list[str], labels: Mapping[str, str]) -> str:
    return "|".join(sorted({labels[patient] for patient in patients}))


def _first_of(patients: Iterable[str], joined: Iterable[Iterable[str]]) -> dict[str, str]:
    """For each patient the first, by name, of all to whom joins lead."""
    first = {patient: patient for patient in patients}

    def root(patient: str) -> str:
        while first[patient] != patient:
            patient = first[patient]
        return patient

    for together in joined:
        roots = {root(patient) for patient in together if patient in first}
        for one in roots:
            first[one] = min(roots)
    return {patient: root(patient) for patient in first}


def _settled(together: list[str], known: Mapping[str, str]) -> str | None:
    """The split that is settled for patients who belong together, or None."""
    splits = {known[patient]: patient for patient in together if patient in known}
    if len(splits) > 1:
        who = " and ".join(f"{patient} ({split})" for split, patient in sorted(splits.items()))
        raise SplitLeak(
            f"The patients {who} share an image, bit for bit, and an earlier version has them in "
            "different splits. Leave the image of one of them out."
        )
    return next(iter(splits), None)


def _fill_empty(chosen: dict[str, str], free: set[str], members: Mapping[str, list[str]]) -> None:
    """Test and validation get one of the training set's where they have nobody."""
    for name in ("test", "validation"):
        training = [one for one, split in chosen.items() if split == "train"]
        movable = [one for one in training if one in free]
        if name not in chosen.values() and len(training) > 1 and movable:
            chosen[max(movable, key=lambda one: (-len(members[one]), one))] = name


def _dice(seed: int, patient: str) -> str:
    return hashlib.sha256(f"{seed}/{patient}".encode()).hexdigest()


def leaks(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Who is in more than one split, of rows (patient or image's hash, split); empty if well."""
    seen: dict[str, set[str]] = {}
    for one, split in rows:
        seen.setdefault(one, set()).add(split)
    return sorted(one for one, splits in seen.items() if len(splits) > 1)
