"""Splits by content: stable under everything that users do to folders."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transferkit.data.source import DataSet, Item
from transferkit.data.splits.split import Ledger, split_dataset, split_of
from transferkit.errors import UserError


def digest(content: object) -> str:
    return hashlib.sha256(str(content).encode()).hexdigest()


def dataset_of(images: list[tuple[str, str, str]], splits: dict[str, str] | None = None):
    """A data set and its hashes from (path, class, content)."""
    classes = tuple(sorted({label for _, label, _ in images}))
    items = tuple(
        Item(Path("/x", name), name, classes.index(label), (splits or {}).get(name))
        for name, label, _ in images
    )
    return DataSet(Path("/x"), classes, items), [digest(content) for _, _, content in images]


IMAGES = [(f"{label}/{index}.jpg", label, f"{label}{index}") for label in "ab" for index in range(200)]


def test_shares_hold_on_average_and_the_seed_matters():
    first, second = ([split_of(digest(i), 0.2, 0.1, seed) for i in range(5000)] for seed in (0, 1))
    assert abs(first.count("val") / 5000 - 0.2) < 0.02
    assert abs(first.count("test") / 5000 - 0.1) < 0.02
    assert first != second


@settings(max_examples=25, deadline=None)
@given(
    added=st.lists(st.integers(1000, 10**6), max_size=50),
    prefix=st.text("xyz", min_size=1, max_size=5),
    seed=st.integers(0, 99),
)
def test_adding_moving_and_renaming_never_moves_an_image(added, prefix, seed):
    data, hashes = dataset_of(IMAGES)
    before = split_dataset(data, hashes, validation=0.2, test=0.2, seed=seed)
    changed = [(f"{prefix}/{name}", label, content) for name, label, content in reversed(IMAGES)]
    changed += [(f"new/{content}", "a", f"new{content}") for content in added]
    data, hashes = dataset_of(changed)
    after = split_dataset(data, hashes, validation=0.2, test=0.2, seed=seed)
    split_after = {row.sha256: row.split for row in after.rows}
    assert all(split_after[row.sha256] == row.split for row in before.rows)
    assert {row.split for row in before.rows} == {"train", "val", "test"}


def test_exact_duplicates_are_on_one_side_even_with_other_labels():
    twins = [(f"{label}/copy{i}.jpg", label, f"twin{i}") for i in range(50) for label in "ab"]
    data, hashes = dataset_of(IMAGES + twins)
    ledger = split_dataset(data, hashes, validation=0.3, test=0.1)
    sides: dict[str, set[str]] = {}
    for row in ledger.rows:
        sides.setdefault(row.sha256, set()).add(row.split)
    assert all(len(side) == 1 for side in sides.values())


def test_splits_that_the_user_brings_are_kept_and_only_val_is_drawn():
    names = {name: ("test" if index % 4 == 0 else "train") for index, (name, _, _) in enumerate(IMAGES)}
    data, hashes = dataset_of(IMAGES, names)
    ledger = split_dataset(data, hashes, validation=0.2, test=0.5)
    for row in ledger.rows:
        assert (row.split == "test") == (names[row.name] == "test")
    assert {row.split for row in ledger.rows} == {"train", "val", "test"}

    names = {name: ("val" if index % 4 == 0 else "train") for index, (name, _, _) in enumerate(IMAGES)}
    data, hashes = dataset_of(IMAGES, names)
    ledger = split_dataset(data, hashes, validation=0.2, test=0.5)
    assert all(row.split == names[row.name] for row in ledger.rows)


def test_a_class_that_is_only_evaluated_is_refused():
    names = {name: ("val" if name.startswith("b") else "train") for name, _, _ in IMAGES}
    data, hashes = dataset_of(IMAGES, names)
    with pytest.raises(UserError, match=r"class 'b'.*200 image\(s\).*none of them in train"):
        split_dataset(data, hashes, validation=0.2, test=0.0)


def test_images_to_validate_on_are_wanted_and_there_are_none():
    data, hashes = dataset_of([(f"{label}/1.jpg", label, label) for label in "abc"])
    with pytest.raises(UserError, match="no class with two"):
        split_dataset(data, hashes, validation=0.2, test=0.2)
    alone = split_dataset(data, hashes, validation=0.0, test=0.0)
    assert {row.split for row in alone.rows} == {"train"}


def test_the_ledger_is_read_as_it_was_written(tmp_path):
    data, hashes = dataset_of([*IMAGES, ('odd, "name"\n.jpg', "a", "odd")])
    ledger = split_dataset(data, hashes, validation=0.2, test=0.2)
    ledger.write(tmp_path / "split.csv")
    again = Ledger.read(tmp_path / "split.csv")
    assert again == ledger
    assert again.sha256() == ledger.sha256()
    moved = Ledger(tuple(reversed(ledger.rows)))
    assert moved.sha256() == ledger.sha256()


def test_unreadable_files_stay_out():
    data, hashes = dataset_of(IMAGES)
    hashes[3] = None
    ledger = split_dataset(data, hashes, validation=0.2, test=0.2)
    assert len(ledger.rows) == len(IMAGES) - 1
