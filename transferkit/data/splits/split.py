"""Splits by content: which split an image is in depends on its bytes and a seed.

So a split survives adding, moving and renaming files, and exact duplicates are always on one side. Shares
hold on average only: where a small class would miss a split, a few of its images fill it
(:mod:`transferkit.data.splits.fill`).
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from transferkit.data.source import DataSet
from transferkit.data.splits.fill import fill_splits
from transferkit.data.splits.groups import split_keys
from transferkit.data.splits.ledger import Ledger, Row
from transferkit.data.splits.previous_split import fixed_splits
from transferkit.errors import Faults, fault

__all__ = ["Ledger", "Row", "missed_splits", "split_dataset", "split_of"]


def split_of(sha256: str, validation: float, test: float, seed: int = 0) -> str:
    """The split of one image.

    Args:
        sha256: content hash, 64 hexadecimal digits.
        validation: share of the validation split in [0, 1).
        test: share of the test split in [0, 1).
        seed: another seed gives another, independent split.

    Returns:
        ``"train"``, ``"val"`` or ``"test"``.
    """
    return _split_at(_place(sha256, seed), validation, test)


def _place(key: str, seed: int) -> float:
    """Where a hash or a group lies in [0, 1)."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _split_at(place: float, validation: float, test: float) -> str:
    if place < test:
        return "test"
    return "val" if place < test + validation else "train"


def split_dataset(
    dataset: DataSet,
    hashes: Sequence[str | None],
    *,
    validation: float,
    test: float,
    seed: int = 0,
    fill: bool = True,
    earlier: Ledger | None = None,
) -> Ledger:
    """Gives every image its split: an earlier ledger's, else the source's own, else one by content hash.

    A source with ``train`` alone has its validation images drawn from there; one with ``train`` and ``val``
    is taken as it is. Unreadable files (hash None) stay out of the ledger. Groups are never divided
    (:func:`transferkit.data.splits.groups.split_keys`). An image with several classes counts in each of them.

    Args:
        dataset: the images.
        hashes: content hash of each item, or None where the file could not be read.
        validation: share of validation images, in [0, 1).
        test: share of test images, in [0, 1).
        seed: seed of the split.
        fill: move a few images of classes that would miss a split; without, hashes alone decide.
        earlier: the splits of another run, which stand for every image that is in them. Images that it does
            not know go to the splits that it has.

    Raises:
        UserError: a class has no image to train on, since those that it has are all brought as validation or
            test images; validation images are wanted and no class has an image to spare; or the earlier
            ledger is of other data.
    """
    keys = split_keys(dataset, hashes)
    fixed = {} if earlier is None else fixed_splits(dataset, hashes, keys, earlier)
    validation, test = _shares_to_draw(dataset, earlier, validation, test)
    pairs = zip(dataset.items, hashes, strict=True)
    readable = [(item, sha256) for item, sha256 in pairs if sha256 is not None]
    # Either a row's split stands, or its unit (hash or group) is drawn.
    stands = [
        fixed.get(keys[sha256]) or (item.split if item.split not in (None, "train") else None)
        for item, sha256 in readable
    ]
    classes: dict[str, set[str]] = defaultdict(set)
    held = []
    for (item, sha256), split in zip(readable, stands, strict=True):
        if split is None:
            classes[keys[sha256]].update(dataset.names_of(item))
        else:
            held += [(name, split) for name in dataset.names_of(item)]
    places = {key: _place(key, seed) for key in classes}
    drawn = {key: _split_at(place, validation, test) for key, place in places.items()}
    if fill:
        wanted = ("train", *(("val",) if validation else ()), *(("test",) if test else ()))
        drawn.update(fill_splits(drawn, places, classes, wanted, held))
    rows = tuple(
        Row(sha256, item.name, dataset.label_text(item), split or drawn[keys[sha256]])
        for (item, sha256), split in zip(readable, stands, strict=True)
    )
    if fill:
        _check(dataset, rows, [dataset.names_of(item) for item, _ in readable], validation)
    return Ledger(rows, dataset.multi_label)


def _shares_to_draw(
    dataset: DataSet, earlier: Ledger | None, validation: float, test: float
) -> tuple[float, float]:
    """The shares of validation and test images that are drawn, where the data or a ledger brings splits."""
    if brought := dataset.splits:
        # What the user separated stays separated; only a missing validation split is drawn, from train.
        test = 0.0
        validation = 0.0 if "val" in brought else validation
    if earlier is not None:
        there = {row.split for row in earlier.rows}
        validation = validation if "val" in there else 0.0
        test = test if "test" in there else 0.0
    return validation, test


def _check(
    dataset: DataSet, rows: Sequence[Row], members: Sequence[tuple[str, ...]], validation: float
) -> None:
    trained = {
        name for row, names in zip(rows, members, strict=True) if row.split == "train" for name in names
    }
    total = Counter(name for names in members for name in names)
    faults = Faults(
        fault(
            f"data: class {name!r}",
            f"{total[name]} image(s) that can be read, none of them in train",
            "an image to train on",
            "move some from val or test to train, or remove the class"
            if total[name]
            else "add images, or remove it",
        )
        for name in dataset.classes
        if name not in trained
    )
    if not faults and validation and rows and not any(row.split == "val" for row in rows):
        faults.append(
            fault(
                "data",
                f"{len(rows)} image(s), no class with two that may be separated",
                "images to validate on",
                "add images, or bring a folder val/ beside train/",
            )
        )
    faults.refuse()


def missed_splits(ledger: Ledger, classes: Sequence[str]) -> dict[str, list[str]]:
    """Split to the classes that have no image in it, for the splits that there are."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in ledger.rows:
        found[row.split].update(ledger.names(row))
    return {split: [name for name in classes if name not in there] for split, there in found.items()}
