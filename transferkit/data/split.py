"""Splits by content: which split an image is in depends on its bytes and a seed, and on nothing else.

So a split survives adding, moving and renaming files, and exact duplicates are always on one side. The price
is that shares hold only on average: a small class may miss a split. That is refused, with a seed that gives
every class its share, rather than mended by moving single images, which would move back on another day.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transferkit.data.groups import split_keys
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


@dataclass(frozen=True, slots=True)
class Row:
    """One image of the ledger: content hash, path below the data folder, class name and split."""

    sha256: str
    name: str
    label: str
    split: str


@dataclass(frozen=True)
class Ledger:
    """Which image is in which split, in the order of the data set's items."""

    rows: tuple[Row, ...]

    def write(self, path: Path) -> None:
        """Writes ``split.csv`` with the columns sha256, path, class, split."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["sha256", "path", "class", "split"])
            writer.writerows([row.sha256, row.name, row.label, row.split] for row in self.rows)

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Reads what :meth:`write` wrote."""
        with open(path, newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            header = next(lines, None)
            if header != ["sha256", "path", "class", "split"]:
                raise UserError(fault(f"{path}:1", header, "the columns sha256, path, class, split"))
            return cls(tuple(Row(*line) for line in lines))

    def sha256(self) -> str:
        """A fingerprint of content and split: the same wherever the files lie."""
        lines = sorted(f"{row.sha256} {row.label} {row.split}" for row in self.rows)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


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
) -> Ledger:
    """Gives every image its split: the source's own, and by content hash where the source says nothing.

    A source with ``train`` alone has its validation images drawn from there; one with ``train`` and ``val``
    is taken as it is. Unreadable files (hash None) stay out of the ledger. Groups are never divided
    (:func:`transferkit.data.groups.split_keys`).

    Args:
        dataset: the images.
        hashes: content hash of each item, or None where the file could not be read.
        validation: share of validation images, in [0, 1).
        test: share of test images, in [0, 1).
        seed: seed of the split.
        minimum: images that each class needs in train and in val.

    Raises:
        ShortSplitError: classes with fewer images in a split than needed, each named, which another seed
            would serve.
        UserError: such classes, and no seed serves them.
    """
    brought = dataset.splits
    if brought:
        # What the user separated stays separated; only a missing validation split is drawn, from train.
        test = 0.0
        validation = 0.0 if "val" in brought else validation
    rows = []
    keys = split_keys(dataset, hashes)
    for item, sha256 in zip(dataset.items, hashes, strict=True):
        if sha256 is None:
            continue
        split = item.split if item.split not in (None, "train") else None
        split = split or split_of(keys[sha256], validation, test, seed)
        rows.append(Row(sha256, item.name, dataset.classes[item.label], split))
    wanted = ["train"] + (["val"] if "val" in brought or validation else []) + (["test"] if test else [])
    short = _short(rows, dataset.classes, wanted, minimum)
    # A split that the user brought may lack a class; one that is drawn here may not.
    drawn = {"train", *(() if "val" in brought else ("val",)), "test"}
    faults = [
        fault(f"data: class {name!r}", f"{count} of {total} image(s) in {split}", f"at least {minimum}")
        for name, split, count, total in short
        if split in drawn
    ]
    if faults:
        mend = "add images to these classes, remove their folders, or bring train/, val/ and test/ folders"
        for other in range(_SEEDS_TRIED) if not brought else ():
            dealt = [replace(row, split=split_of(keys[row.sha256], validation, test, other)) for row in rows]
            if not _short(dealt, dataset.classes, wanted, minimum):
                raise ShortSplitError(
                    other, *faults, fault("data", mend=f"--set data.split_seed={other} serves all")
                )
        raise UserError(*faults, fault("data", mend=mend))
    return Ledger(tuple(rows))


def _short(
    rows: Sequence[Row], classes: Sequence[str], wanted: Sequence[str], minimum: int
) -> list[tuple[str, str, int, int]]:
    """Class, split, images there and images in all, wherever there are too few."""
    count = Counter((row.label, row.split) for row in rows)
    total = Counter(row.label for row in rows)
    return [
        (name, split, count[name, split], total[name])
        for name in classes
        for split in wanted
        if count[name, split] < minimum
    ]
