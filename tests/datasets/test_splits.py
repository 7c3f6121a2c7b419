"""Splits: by patient, in their shares, the same whatever the order."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dicom_archive.splits import SHARES, draw_splits, leaks

patients = st.dictionaries(st.text(min_size=1, max_size=8), st.sampled_from("ab"), max_size=80)


@given(patients, st.integers(0, 2**32))
def test_every_patient_is_in_exactly_one_split(labels: dict[str, str], seed: int) -> None:
    splits = draw_splits(labels, seed)
    assert set(splits) == set(labels)
    assert set(splits.values()) <= set(SHARES)
    assert leaks(list(splits.items())) == []


@given(patients, st.integers(0, 2**32))
def test_the_order_of_patients_changes_nothing(labels: dict[str, str], seed: int) -> None:
    backwards = dict(reversed(labels.items()))
    assert draw_splits(labels, seed) == draw_splits(backwards, seed)


@given(patients, st.integers(0, 2**32))
def test_shares_are_kept_to_one_patient_in_all_and_to_two_in_each_label(
    labels: dict[str, str], seed: int
) -> None:
    splits = draw_splits(labels, seed)
    for chosen, slack in ((None, 1.6), ("a", 2.6), ("b", 2.6)):
        some = [p for p in labels if chosen in (None, labels[p])]
        counts = Counter(splits[p] for p in some)
        for name, share in SHARES.items():
            assert abs(counts[name] - share * len(some)) < slack


@given(st.integers(3, 40), st.integers(0, 1000))
def test_three_patients_fill_all_splits(count: int, seed: int) -> None:
    splits = draw_splits({f"p{k}": "a" for k in range(count)}, seed)
    assert set(splits.values()) == set(SHARES)


def test_another_seed_draws_other_splits() -> None:
    labels = {f"p{k}": "a" for k in range(40)}
    assert draw_splits(labels, 1) != draw_splits(labels, 2)


def test_a_patient_in_two_splits_is_named_as_a_leak() -> None:
    rows = [("p1", "train"), ("p2", "train"), ("p1", "test"), ("p2", "train")]
    assert leaks(rows) == ["p1"]
