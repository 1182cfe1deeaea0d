"""What every data source gives: the classes, fixed once and sorted, and the labelled files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SPLITS", "DataSet", "Item"]

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled image file.

    Attributes:
        path: where the file lies.
        name: the path below the data folder, with forward slashes: what reports and ledgers show.
        label: index into :attr:`DataSet.classes`.
        split: ``"train"``, ``"val"`` or ``"test"`` where the source says so, else None.
        labels: indices into the classes where images may have any number of them, also none; ``label`` is
            then the first, or -1. None where every image has exactly one class.
        group: images of one group are never divided between splits; None stands alone.
    """

    path: Path
    name: str
    label: int
    split: str | None = None
    labels: tuple[int, ...] | None = None
    group: str | None = None


@dataclass(frozen=True)
class DataSet:
    """Labelled files and their classes.

    Attributes:
        root: the folder or file that the user named.
        classes: class names in the order of their label indices: sorted by code point, never normalised.
        items: the files, sorted by name.
        notes: what the source left out and why, for the log (hidden files, stray files at the top).
    """

    root: Path
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the source itself brings, in the order train, val, test."""
        present = {item.split for item in self.items}
        return tuple(split for split in SPLITS if split in present)

    @property
    def multi_label(self) -> bool:
        """Whether images may have any number of classes."""
        return any(item.labels is not None for item in self.items)

    def counts(self) -> dict[str, int]:
        """Images by class name, in class order; an image with several classes counts in each."""
        count = Counter(
            label
            for item in self.items
            for label in (item.labels if item.labels is not None else (item.label,))
        )
        return {name: count[index] for index, name in enumerate(self.classes)}
