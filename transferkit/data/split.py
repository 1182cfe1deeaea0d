"""Splits by content: which split an image is in depends on its bytes and a seed, and on nothing else.

So a split survives adding, moving and renaming files, and exact duplicates are always on one side. The price
is that shares hold only on average: a small class may miss a split. That is refused, with a seed that gives
every class its share, rather than mended by moving single images, which would move back on another day.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from transferkit.data.earlier import fixed_splits
from transferkit.data.groups import split_keys
from transferkit.data.ledger import Ledger, Row
from transferkit.data.source import DataSet
from transferkit.errors import UserError, fault

__all__ = ["Ledger", "Row", "ShortSplitError", "split_dataset", "split_of"]

_SEEDS_TRIED = 100


class ShortSplitError(UserError):
    """Some class has too few images in some split, by the chance of this seed.

    Attributes:
        working_seed: the least seed with which every class has enough.
    """

    def __init__(self, working_seed: int, *faults: str) -> None:
        super().__init__(*faults)
        self.working_seed = working_seed


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
    digest = hashlib.sha256(f"{seed}:{sha256}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
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
    minimum: int = 1,
    earlier: Ledger | None = None,
) -> Ledger:
    """Gives every image its split: an earlier ledger's, else the source's own, else one by content hash.

    A source with ``train`` alone has its validation images drawn from there; one with ``train`` and ``val``
    is taken as it is. Unreadable files (hash None) stay out of the ledger. Groups are never divided
    (:func:`transferkit.data.groups.split_keys`). An image with several classes counts in each of them, so
    that the rarest label decides whether a seed serves.

    Args:
        dataset: the images.
        hashes: content hash of each item, or None where the file could not be read.
        validation: share of validation images, in [0, 1).
        test: share of test images, in [0, 1).
        seed: seed of the split.
        minimum: images that each class needs in train and in val.
        earlier: the splits of another run, which stand for every image that is in them. Images that it does
            not know go to the splits that it has.

    Raises:
        ShortSplitError: classes with fewer images in a split than needed, each named, which another seed
            would serve.
        UserError: such classes, and no seed serves them; or the earlier ledger is of other data.
    """
    brought = dataset.splits
    keys = split_keys(dataset, hashes)
    fixed = {} if earlier is None else fixed_splits(dataset, hashes, keys, earlier)
    if brought:
        # What the user separated stays separated; only a missing validation split is drawn, from train.
        test = 0.0
        validation = 0.0 if "val" in brought else validation
    if earlier is not None:
        there = {row.split for row in earlier.rows}
        validation = validation if "val" in there else 0.0
        test = test if "test" in there else 0.0

    def split_by(seed: int) -> list[Row]:
        def split(sha256: str, own: str | None) -> str:
            if keys[sha256] in fixed:
                return fixed[keys[sha256]]
            return own if own not in (None, "train") else split_of(keys[sha256], validation, test, seed)

        return [
            Row(sha256, item.name, dataset.label_text(item), split(sha256, item.split))
            for item, sha256 in readable
        ]

    readable = [
        (item, sha256) for item, sha256 in zip(dataset.items, hashes, strict=True) if sha256 is not None
    ]
    members = [dataset.names_of(item) for item, _ in readable]
    wanted = ["train"] + (["val"] if "val" in brought or validation else []) + (["test"] if test else [])
    rows = split_by(seed)
    short = _short(rows, members, dataset.classes, wanted, minimum)
    # A split that the user brought may lack a class; one that is drawn here may not.
    drawn = {"train"} if fixed else {"train", *(() if "val" in brought else ("val",)), "test"}
    faults = [
        fault(f"data: class {name!r}", f"{count} of {total} image(s) in {split}", f"at least {minimum}")
        for name, split, count, total in short
        if split in drawn
    ]
    if faults:
        mend = "add images to these classes, remove their folders, or bring train/, val/ and test/ folders"
        for other in range(_SEEDS_TRIED) if not (brought or fixed) else ():
            if not _short(split_by(other), members, dataset.classes, wanted, minimum):
                raise ShortSplitError(
                    other, *faults, fault("data", mend=f"--set data.split_seed={other} serves all")
                )
        raise UserError(*faults, fault("data", mend=mend))
    return Ledger(tuple(rows), dataset.multi_label)


def _short(
    rows: Sequence[Row],
    members: Sequence[tuple[str, ...]],
    classes: Sequence[str],
    wanted: Sequence[str],
    minimum: int,
) -> list[tuple[str, str, int, int]]:
    """Class, split, images there and images in all, wherever there are too few."""
    count = Counter((name, row.split) for row, names in zip(rows, members, strict=True) for name in names)
    total = Counter(name for names in members for name in names)
    return [
        (name, split, count[name, split], total[name])
        for name in classes
        for split in wanted
        if count[name, split] < minimum
    ]
