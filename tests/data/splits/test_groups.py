"""Groups stay together, and stay where they are."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from transferkit.data.source import DataSet, Item
from transferkit.data.splits.groups import split_keys
from transferkit.data.splits.split import split_dataset


def made(images):
    """A data set and its hashes from (name, content, group)."""
    items = tuple(
        Item(Path(name), name, i % 2, None, None, group) for i, (name, _, group) in enumerate(images)
    )
    hashes = [None if c is None else hashlib.sha256(str(c).encode()).hexdigest() for _, c, _ in images]
    return DataSet(Path("/x"), ("a", "b"), items), hashes


def splits_of(images, **options):
    dataset, hashes = made(images)
    ledger = split_dataset(dataset, hashes, **{"validation": 0.3, "test": 0.2, "fill": False, **options})
    return {row.name: row.split for row in ledger.rows}


IMAGES = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([None, "p", "q", "r", "s", "t"])), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(IMAGES)
def test_neither_groups_nor_equal_images_are_divided(rows):
    images = [(f"{i}.jpg", content, group) for i, (content, group) in enumerate(rows)]
    split = splits_of(images)
    for key in (1, 2):
        seen = {}
        for image in images:
            if image[key] is not None:
                assert seen.setdefault(image[key], split[image[0]]) == split[image[0]]


@settings(max_examples=60, deadline=None)
@given(IMAGES, st.lists(st.tuples(st.integers(100, 140), st.sampled_from([None, "p", "new"])), max_size=10))
def test_adding_and_renaming_moves_nothing(rows, more):
    images = [(f"{i}.jpg", content, group) for i, (content, group) in enumerate(rows)]
    before = splits_of(images)
    renamed = [(f"elsewhere/{name}", content, group) for name, content, group in reversed(images)]
    # New images with new content: none ties groups together that were apart.
    fresh = [(f"new {i}.jpg", (content, i), group) for i, (content, group) in enumerate(more)]
    after = splits_of([*fresh, *renamed])
    assert all(after[f"elsewhere/{name}"] == split for name, split in before.items())


def test_without_groups_the_content_alone_decides():
    dataset, hashes = made([("x", 1, None), ("y", None, "g"), ("z", 2, None)])
    assert split_keys(dataset, hashes) == {hashes[0]: hashes[0], hashes[2]: hashes[2]}


def test_groups_spread_over_the_splits():
    split = splits_of([(f"{i}.jpg", i, f"group {i // 2}") for i in range(2000)])
    shares = [list(split.values()).count(name) / 2000 for name in ("train", "val", "test")]
    assert all(abs(share - wanted) < 0.05 for share, wanted in zip(shares, (0.5, 0.3, 0.2), strict=True))
