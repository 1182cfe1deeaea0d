"""Splits by content: which split an image is in depends on its bytes and a seed, and on nothing else.

So a split survives adding, moving and renaming files, and exact duplicates are always on one side. The price
is that shares hold only on average: a small class may miss a split. That is refused with a seed that gives
every class its share, rather than mended by moving images, which would move them back on another day.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transferkit.data.source import DataSet
from transferkit.errors import UserError, fault

__all__ = ["Ledger", "Row", "split_of", "split_dataset"]  # noqa: RUF022

_SEEDS_TRIED = 100


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
    is taken as it is. Unreadable files (hash None) stay out of the ledger.

    Args:
        dataset: the images.
        hashes: content hash of each item, or None where the file could not be read.
        validation: share of validation images, in [0, 1).
        test: share of test images, in [0, 1).
        seed: seed of the split.
        minimum: images that each class needs in train and in val.

    Raises:
        UserError: classes with fewer images than the splits need, each named.
    """
    brought = dataset.splits
    if brought:
        # What the user separated stays separated; only a missing validation split is drawn, from train.
        test = 0.0
        validation = 0.0 if "val" in brought else validation
    rows = []
    for item, sha256 in zip(dataset.items, hashes, strict=True):
        if sha256 is None:
            continue
        split = item.split if item.split not in (None, "train") else None
        split = split or split_of(sha256, validation, test, seed)
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
        raise UserError(*faults, _mend(rows, dataset.classes, wanted, minimum, validation, test, brought))
    return Ledger(tuple(rows))


def _short(rows, classes, wanted, minimum):
    count: dict[tuple[str, str], int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    for row in rows:
        count[row.label, row.split] += 1
        total[row.label] += 1
    return [
        (name, split, count[name, split], total[name])
        for name in classes
        for split in wanted
        if count[name, split] < minimum
    ]


def _mend(rows, classes, wanted, minimum, validation, test, brought) -> str:
    """A seed with which every class has its share, where one is to be had among the first hundred."""
    if not brought:
        for seed in range(_SEEDS_TRIED):
            again = [
                Row(row.sha256, row.name, row.label, split_of(row.sha256, validation, test, seed))
                for row in rows
            ]
            if not _short(again, classes, wanted, minimum):
                return fault("data", mend=f"with --set data.split_seed={seed} every class has enough")
    return fault(
        "data",
        mend="add images to these classes, remove their folders, or bring train/, val/ and test/ folders",
    )
