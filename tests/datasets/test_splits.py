"""Splits: by patient, in their shares, the same whatever the order."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_archive.errors import SplitLeak
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


known = st.dictionaries(st.text(min_size=1, max_size=8), st.sampled_from(sorted(SHARES)))
joins = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=4), max_size=4)


@given(patients, st.integers(0, 2**32), st.data())
def test_who_was_in_an_earlier_version_keeps_the_split(
    labels: dict[str, str], seed: int, data: st.DataObject
) -> None:
    some = data.draw(st.lists(st.sampled_from(sorted(labels) or ["nobody"]), unique=True))
    before = {who: data.draw(st.sampled_from(sorted(SHARES))) for who in some}
    splits = draw_splits(labels, seed, before)
    assert set(splits) == set(labels)
    assert all(splits[who] == before[who] for who in before if who in labels)


@given(patients, st.integers(0, 2**32), known)
def test_who_is_gone_changes_nothing(
    labels: dict[str, str], seed: int, before: dict[str, str]
) -> None:
    here = {who: split for who, split in before.items() if who in labels}
    assert draw_splits(labels, seed, before) == draw_splits(labels, seed, here)


@given(st.integers(0, 2**32), joins)
def test_patients_who_are_joined_are_in_one_split(seed: int, joined: list[list[str]]) -> None:
    labels = {who: "ab"[ord(who) % 2] for who in "abcdefghijklmnop"}
    splits = draw_splits(labels, seed, joined=joined)
    assert set(splits) == set(labels)
    for together in joined:
        assert len({splits[who] for who in together}) == 1


@given(st.integers(0, 1000), st.integers(2, 6))
def test_versions_that_grow_keep_their_shares(seed: int, steps: int) -> None:
    splits: dict[str, str] = {}
    for step in range(1, steps + 1):
        labels = {f"p{k}": "ab"[k % 2] for k in range(20 * step)}
        splits = draw_splits(labels, seed, splits)
    for name, share in SHARES.items():
        count = sum(split == name for split in splits.values())
        assert abs(count - share * len(splits)) < 2 * steps + 1


def test_joined_patients_of_different_splits_are_refused_by_name() -> None:
    labels = {f"p{k}": "a" for k in range(6)}
    with pytest.raises(SplitLeak, match=r"p4 \(test\) and p2 \(train\)"):
        draw_splits(labels, 1, {"p2": "train", "p4": "test"}, [["p2", "p4"]])


def test_another_seed_draws_other_splits() -> None:
    labels = {f"p{k}": "a" for k in range(40)}
    assert draw_splits(labels, 1) != draw_splits(labels, 2)


def test_a_patient_in_two_splits_is_named_as_a_leak() -> None:
    rows = [("p1", "train"), ("p2", "train"), ("p1", "test"), ("p2", "train")]
    assert leaks(rows) == ["p1"]
