"""What every data source gives: the classes, fixed once and sorted, and the labelled files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["SPLITS", "DataSet", "Item", "LeftOut", "left_out_notes"]

SPLITS = ("train", "val", "test")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, or a folder with all that is in it, that a source found and did not take.

    Attributes:
        name: the path below the data folder, as :attr:`Item.name`; a folder's name ends with a slash.
        reason: why, in words that fit every file left out for the same reason.
        files: how many files it stands for; 0 where they were not counted.
    """

    name: str
    reason: str
    files: int = 1


def left_out_notes(left_out: Sequence[LeftOut]) -> tuple[str, ...]:
    """One line for each reason, with the count and the first names.

    >>> left_out_notes([LeftOut("to_sort/", "no split folder", 6), LeftOut("a.txt", "no picture")])
    ('left out 6 files: no split folder (to_sort/)', 'left out 1 file: no picture (a.txt)')
    """
    reasons: dict[str, list[LeftOut]] = {}
    for one in left_out:
        reasons.setdefault(one.reason, []).append(one)
    lines = []
    for reason, found in reasons.items():
        files = sum(one.files for one in found)
        number, unit = (files, "file") if files else (len(found), "folder")
        count = f"{number} {unit}{'s' * (number != 1)}"
        more = ", …" if len(found) > _SHOWN else ""
        lines.append(f"left out {count}: {reason} ({', '.join(one.name for one in found[:_SHOWN])}{more})")
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled image file.

    Attributes:
        path: where the file lies.
        name: the path below the data folder, with forward slashes: what reports and ledgers show. Bytes that
            are no UTF-8 stand as backslash escapes (:func:`transferkit.data.file_names.shown`).
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
        classes: class names in the order of their label indices
            (:func:`transferkit.data.file_names.class_order`, or the recipe's own order), never normalised.
        items: the files, sorted by name.
        notes: what is to be said of the source, for the log; what it left out among it.
        left_out: every file and folder that the source found and did not take.
        missing_hint: where files that are listed and missing may be, in words.
    """

    root: Path
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    missing_hint: str = ""

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

    def names_of(self, item: Item) -> tuple[str, ...]:
        """The classes of an item: one, or where images may have several, any number, sorted by name."""
        if item.labels is None:
            return (self.classes[item.label],)
        return tuple(sorted(self.classes[label] for label in item.labels))

    def label_text(self, item: Item) -> str:
        """What ledgers say of an item: its class, or where images may have several, a JSON list."""
        names = self.names_of(item)
        return names[0] if item.labels is None else json.dumps(names, ensure_ascii=False)

    def described(self, item: Item) -> str:
        """The classes of an item in words, for people."""
        return " + ".join(self.names_of(item)) or "no label"

    def targets(self, items: Sequence[Item]) -> np.ndarray:
        """What is trained towards: int64 ``[N]``, or for images of several classes float32 ``[N, C]``."""
        if not self.multi_label:
            return np.array([item.label for item in items], np.int64)
        marked = np.zeros((len(items), len(self.classes)), np.float32)
        for row, item in enumerate(items):
            marked[row, list(item.labels or ())] = 1
        return marked

    def counts(self) -> dict[str, int]:
        """Images by class name, in class order; an image with several classes counts in each."""
        count = Counter(
            label
            for item in self.items
            for label in (item.labels if item.labels is not None else (item.label,))
        )
        return {name: count[index] for index, name in enumerate(self.classes)}
