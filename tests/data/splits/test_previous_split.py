"""An earlier run's ledger: its splits stand, by content, and what does not fit it is said."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transferkit.data.source import DataSet, Item
from transferkit.data.splits.ledger import Ledger
from transferkit.data.splits.previous_split import read_previous_split
from transferkit.data.splits.split import split_dataset
from transferkit.errors import UserError


def digest(content: object) -> str:
    return hashlib.sha256(str(content).encode()).hexdigest()


def dataset_of(images, several=False):
    """A data set and its hashes from (path, class or classes, content, group)."""
    named = [(names if several else (names,)) for _, names, _, _ in images]
    classes = tuple(sorted({name for names in named for name in names}))
    items = []
    for (path, _, _, group), names in zip(images, named, strict=True):
        numbers = tuple(sorted(classes.index(name) for name in names))
        items.append(
            Item(
                Path("/x", path),
                path,
                numbers[0] if numbers else -1,
                None,
                numbers if several else None,
                group,
            )
        )
    return DataSet(Path("/x"), classes, tuple(items)), [digest(content) for _, _, content, _ in images]


def split(images, several=False, **options):
    options = {"validation": 0.2, "test": 0.2, **options}
    return split_dataset(*dataset_of(images, several), **options)


IMAGES = [(f"{label}/{i}.jpg", label, f"{label}{i}", None) for label in "ab" for i in range(120)]


@settings(max_examples=20, deadline=None)
@given(
    added=st.lists(st.integers(1000, 10**6), max_size=30, unique=True),
    taken=st.integers(0, 60),
    prefix=st.text("xyz", min_size=1, max_size=4),
    seed=st.integers(1, 99),
    shares=st.tuples(st.floats(0.05, 0.4), st.floats(0.05, 0.4)),
)
def test_its_images_stay_whatever_the_seed_the_shares_and_the_names(added, taken, prefix, seed, shares):
    earlier = split(IMAGES)
    there = {row.sha256: row.split for row in earlier.rows}
    changed = [(f"{prefix}/{name}", label, content, None) for name, label, content, _ in IMAGES[taken:][::-1]]
    changed += [(f"new/{content}", "b", f"new{content}", None) for content in added]
    ledger = split(changed, validation=shares[0], test=shares[1], seed=seed, earlier=earlier)
    for row in ledger.rows:
        assert row.split == there.get(row.sha256, row.split)
    # What is new is dealt as it would be without the ledger.
    alone = {
        row.sha256: row.split
        for row in split(changed, validation=shares[0], test=shares[1], seed=seed, fill=False).rows
    }
    assert all(row.split == alone[row.sha256] for row in ledger.rows if row.sha256 not in there)


def test_new_images_go_only_to_splits_that_it_has():
    earlier = split(IMAGES, test=0.0)
    more = [(f"new/{i}", "a", f"new{i}", None) for i in range(200)]
    ledger = split([*IMAGES, *more], test=0.5, validation=0.3, earlier=earlier)
    assert {row.split for row in ledger.rows} == {"train", "val"}
    assert 30 < sum(row.split == "val" for row in ledger.rows if row.name.startswith("new/")) < 90


def test_a_new_image_of_a_known_group_follows_the_group():
    images = [(f"{i}.jpg", "ab"[i % 2], i, f"group {i // 4}") for i in range(160)]
    earlier = split(images, seed=3)
    of_group = {int(row.name.split(".")[0]) // 4: row.split for row in earlier.rows}
    more = [(f"new {i}.jpg", "a", f"new {i}", f"group {i}") for i in range(40)]
    ledger = split([*more, *images], seed=8, earlier=earlier)
    assert {row.name: row.split for row in ledger.rows if row.name.startswith("new")} == {
        f"new {i}.jpg": of_group[i] for i in range(40)
    }


def test_groups_that_it_divides_are_an_error():
    earlier = split(IMAGES)
    grouped = [(name, label, content, f"group {content[0]}") for name, label, content, _ in IMAGES]
    with pytest.raises(UserError, match="divides the group"):
        split(grouped, earlier=earlier)


def test_other_classes_are_an_error():
    with pytest.raises(UserError, match=r"class: received 'b', expected the data's classes \(a, c\)"):
        split([(n, {"b": "c"}.get(c, c), x, g) for n, c, x, g in IMAGES], earlier=split(IMAGES))


def test_images_that_it_calls_otherwise_are_named():
    swapped = [(n, "b" if x == "a3" else c, x, g) for n, c, x, g in IMAGES]
    with pytest.raises(
        UserError, match=r"data\.ledger: a/3\.jpg: received 'b', expected a, as in the ledger"
    ):
        split(swapped, earlier=split(IMAGES))


def test_a_ledger_of_other_images_is_an_error():
    with pytest.raises(UserError, match="no image of the data is in it"):
        split([(n, c, f"other {x}", g) for n, c, x, g in IMAGES], earlier=split(IMAGES))


def test_a_class_that_is_new_since_is_dealt_out():
    more = [(f"c/{i}.jpg", "c", f"c{i}", None) for i in range(60)]
    ledger = split([*IMAGES, *more], earlier=split(IMAGES))
    assert {row.split for row in ledger.rows if row.label == "c"} == {"train", "val", "test"}


TAGS = [(f"{i}.jpg", [name for k, name in enumerate("abc") if i % (k + 2) == 0], i, None) for i in range(200)]


def test_ledgers_of_several_labels_are_written_and_read(tmp_path):
    earlier = split(TAGS, several=True)
    earlier.write(tmp_path / "split.csv")
    assert (tmp_path / "split.csv").read_text().splitlines()[0] == "sha256,path,classes,split"
    again = read_previous_split(tmp_path)
    assert again == earlier
    assert {row.label for row in again.rows} >= {"[]", '["a"]', '["a", "b"]'}
    assert split(TAGS, several=True, seed=5, earlier=again) == earlier
    with pytest.raises(UserError, match=r"received 'any number of labels an image', expected one class"):
        split(IMAGES, earlier=earlier)


def test_a_rare_label_reaches_every_split():
    rare = [(n, [*c, "rare"] if x % 50 == 0 else c, x, g) for n, c, x, g in TAGS]
    ledger = split(rare, several=True)
    assert {row.split for row in ledger.rows if "rare" in row.label} == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n", "the columns sha256, path, class, split"),
        ("sha256,path,class,split\nx,y,z,train\n", ":2: received 'x,y,z,train'"),
        (f"sha256,path,class,split\n{'0' * 64},y,z,holdout\n", "one of train, val, test"),
        (f"sha256,path,classes,split\n{'0' * 64},y,z,train\n", "cannot be read"),
    ],
)
def test_what_is_no_ledger_is_said_with_its_line(tmp_path, text, says):
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(UserError, match=says):
        Ledger.read(tmp_path / "split.csv")


def test_there_must_be_one(tmp_path):
    with pytest.raises(UserError, match=r"data\.ledger: received .*no such file"):
        read_previous_split(tmp_path)
