"""Who is in which split: by patient, so that no network is tested on a person it has seen.

Patients are ordered by the labels that they bear and, among equals, by a hash of the seed and
their id; each in turn goes to the split that is furthest below its share. So every label is
spread over the splits as the whole set is, the order of files does not matter, and the same seed
gives the same splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


def draw_splits(labels: Mapping[str, str], seed: int) -> dict[str, str]:
    """The split of each patient; `labels` gives each patient's stratum as a text.

    Three patients or more fill all splits; fewer leave validation, then test empty.
    """
    patients = sorted(labels, key=lambda patient: (labels[patient], _dice(seed, patient)))
    splits: dict[str, str] = {}
    counts = dict.fromkeys(SHARES, 0)
    for number, patient in enumerate(patients, start=1):
        name = max(SHARES, key=lambda split: round(SHARES[split] * number - counts[split], 9))
        splits[patient] = name
        counts[name] += 1
    for name in ("test", "validation"):
        if counts[name] == 0 and counts["train"] > 1:
            moved = max(p for p in splits if splits[p] == "train")
            splits[moved] = name
            counts[name], counts["train"] = 1, counts["train"] - 1
    return splits


def _dice(seed: int, patient: str) -> str:
    return hashlib.sha256(f"{seed}/{patient}".encode()).hexdigest()


def leaks(rows: list[tuple[str, str]]) -> list[str]:
    """Patients who are in more than one split, of rows (patient, split); empty if all is well."""
    seen: dict[str, set[str]] = {}
    for patient, split in rows:
        seen.setdefault(patient, set()).add(split)
    return sorted(patient for patient, splits in seen.items() if len(splits) > 1)
