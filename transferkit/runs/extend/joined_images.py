"""The images of a run with others beside them, or without some of them: known by the ledger, not by files."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from transferkit.data.file_names import shown
from transferkit.data.source import DataSet, Item
from transferkit.data.splits.ledger import Ledger, Row
from transferkit.data.splits.split import split_dataset
from transferkit.errors import Faults, UserError, did_you_mean, fault
from transferkit.recipe import Recipe
from transferkit.training.images import Images

__all__ = ["Less", "More", "images_of", "less", "more", "named_files", "together"]

_MOST = 10  # faults that are shown


@dataclass(frozen=True)
class More:
    """New images beside those of a run.

    Attributes:
        classes: of all, the run's first, in its order.
        new: the new images with their splits; labels in the order of ``classes``.
        known: new images that are in the run already, and are left out.
    """

    classes: tuple[str, ...]
    new: Images
    known: int


@dataclass(frozen=True)
class Less:
    """A run's images without some.

    Attributes:
        classes: those that stay, in their order.
        kept: int64 ``[M]``: which of the run's images stay.
        images: these, with labels in the order of ``classes``.
    """

    classes: tuple[str, ...]
    kept: np.ndarray
    images: Images


def images_of(ledger: Ledger, paths: Sequence[str], groups: Sequence[str], classes: Sequence[str]) -> Images:
    """The images that a ledger lists, whether their files are there or not.

    Args:
        ledger: of the run.
        paths: where each file lies, or would lie.
        groups: as of :attr:`Images.groups`.
        classes: in label order; labels of images that have others of them are left out.
    """
    place = {name: number for number, name in enumerate(classes)}
    if ledger.multi_label:
        labels = np.zeros((len(ledger.rows), len(classes)), np.float32)
        for number, row in enumerate(ledger.rows):
            labels[number, [place[name] for name in ledger.names(row)]] = 1
    else:
        labels = np.array([place[row.label] for row in ledger.rows], np.int64)
    return Images(tuple(classes), ledger.rows, tuple(paths), labels, groups=tuple(groups))


def more(old: Images, new: Images, recipe: Recipe) -> More:
    """Gives new images their splits, as a retraining on all of them with the run's ledger would.

    Args:
        old: of the run.
        new: with the run's classes first.
        recipe: of the run: shares and seed of the splits.

    Raises:
        UserError: an image has another class than in the run, or nothing is new; says so of each.
    """
    called: dict[str, set[str]] = {}
    for row in old.rows:
        called.setdefault(row.sha256, set()).add(row.label)
    there = [row.sha256 in called for row in new.rows]
    faults = []
    for row, known in zip(new.rows, there, strict=True):
        if known and row.label not in called[row.sha256]:
            hint = "the run knows this very photo; `transferkit forget --files` removes it first"
            expected = " or ".join(sorted(called[row.sha256]))
            faults.append(fault(f"data: {row.name}", row.label, expected, hint))
    if faults:
        raise UserError(*faults[:_MOST], *([f"data: and {len(faults) - _MOST} more"] * (len(faults) > _MOST)))
    fresh = new.take(np.flatnonzero(~np.array(there, bool)))
    if not len(fresh):
        hint = f"the run has all of these {len(there)} photos" if there else "there are none that can be read"
        raise UserError(fault("data", None, "photos that are new to the run", hint))
    fresh = replace(fresh, rows=_own_names(fresh.rows, {row.name for row in old.rows}))
    classes = new.classes
    joined = DataSet(Path(), classes, tuple(_items(old, classes) + _items(fresh, classes)))
    hashes = [row.sha256 for row in (*old.rows, *fresh.rows)]
    earlier = old.ledger
    made = split_dataset(
        joined,
        hashes,
        validation=recipe.data.validation,
        test=recipe.data.test,
        seed=recipe.data.split_seed,
        earlier=earlier,
    )
    rows = made.rows[len(old) :]
    brought = [row.split for row in fresh.rows]
    rows = tuple(
        replace(row, split=split) if split != "all" else row for row, split in zip(rows, brought, strict=True)
    )
    return More(classes, replace(fresh, rows=rows), sum(there))


def together(old: Images, new: Images, classes: tuple[str, ...]) -> Images:
    """A run's images with new ones behind them.

    Args:
        old: of the run.
        new: with labels in the order of ``classes``.
        classes: of all, the run's first.
    """
    labels = old.labels
    if old.multi_label:
        grown = np.zeros((len(old), len(classes)), np.float32)
        grown[:, : labels.shape[1]] = labels
        labels = grown
    return Images(
        classes,
        (*old.rows, *new.rows),
        (*old.paths, *new.paths),
        np.concatenate([labels, new.labels.astype(labels.dtype)]),
        new.unreadable,
        groups=(*old.groups, *(new.groups or tuple(row.sha256 for row in new.rows))),
    )


def less(images: Images, classes: Sequence[str], files: Collection[int], names: Collection[str] = ()) -> Less:
    """Leaves images out.

    Args:
        images: of a run.
        classes: its classes in their order.
        files: numbers of the images to leave out.
        names: classes to leave out with all their images; where an image may have several, only the label.

    Raises:
        UserError: there is no such class, or too little would stay; all faults at once.
    """
    unknown = [name for name in names if name not in classes]
    if unknown:
        known = f"one of the run's classes: {', '.join(classes[:20])}{', …' if len(classes) > 20 else ''}"
        raise UserError(
            *(fault("--class", name, known, did_you_mean(name, classes) or "") for name in unknown)
        )
    stay = tuple(name for name in classes if name not in names)
    if len(stay) < 2:
        expected = "two classes at least that stay"
        raise UserError(fault("--class", ", ".join(names), expected, f"the run has {len(classes)}"))
    dropped = set(files)
    chosen = [
        number
        for number, row in enumerate(images.rows)
        if number not in dropped and (images.multi_label or row.label in stay)
    ]
    kept = np.array(chosen, np.int64)
    rows = [images.rows[number] for number in chosen]
    if images.multi_label:
        rows = [replace(row, label=_only(row.label, stay)) for row in rows]
    ledger = Ledger(tuple(rows), images.multi_label)
    left = images_of(
        ledger,
        [images.paths[number] for number in chosen],
        [images.groups[number] for number in chosen],
        stay,
    )
    faults = Faults(
        fault("forget", name, "an image to train on that stays", "leave the class out with --class")
        for name, count in zip(stay, left.train_counts, strict=True)
        if not count
    )
    if not len(left.of_split("val")):
        faults.append(fault("forget", None, "a validation image that stays", "add photos first"))
    faults.refuse()
    return Less(stay, kept, left)


def named_files(images: Images, lines: Sequence[str], place: str) -> list[int]:
    """Numbers of the images that a list names.

    Args:
        images: of a run.
        lines: an image's path as in ``split.csv``, the path of its file, or its SHA-256; one a line.
        place: of the list, for messages.

    Raises:
        UserError: a line names no image of the run; says which.
    """
    found: dict[str, list[int]] = {}
    for number, (row, path) in enumerate(zip(images.rows, images.paths, strict=True)):
        for key in {row.name, row.sha256, str(Path(path).absolute())}:
            found.setdefault(key, []).append(number)
    numbers: set[int] = set()
    faults = []
    for count, line in enumerate(lines, start=1):
        text = line.strip("\r\n")
        if not text.strip():
            continue
        there = (
            found.get(shown(text))
            or found.get(shown(text.strip()))
            or found.get(str(Path(text.strip()).absolute()))
        )
        if there is None:
            expected = "a photo of the run: its path in split.csv, its file, or its SHA-256"
            faults.append(fault(f"{place}:{count}", shown(text[:200]), expected))
        numbers.update(there or ())
    if faults:
        raise UserError(
            *faults[:_MOST], *([f"{place}: and {len(faults) - _MOST} more"] * (len(faults) > _MOST))
        )
    if not numbers:
        raise UserError(fault(place, None, "photos of the run, one a line", "it is empty"))
    return sorted(numbers)


def _items(images: Images, classes: Sequence[str]) -> list[Item]:
    place = {name: number for number, name in enumerate(classes)}
    ledger, items = images.ledger, []
    for number, (row, path) in enumerate(zip(images.rows, images.paths, strict=True)):
        labels = tuple(sorted(place[name] for name in ledger.names(row)))
        label = labels[0] if labels else -1
        group = images.groups[number] if images.groups else row.sha256
        named = group.removeprefix("group:") if group.startswith("group:") else None
        items.append(Item(Path(path), row.name, label, None, labels if images.multi_label else None, named))
    return items


def _own_names(rows: Sequence[Row], taken: set[str]) -> tuple[Row, ...]:
    """Rows with names that no image of the run has: two ``roses/1.jpg`` are two photos."""
    made = []
    for row in rows:
        name, number = row.name, 1
        while name in taken:
            number += 1
            name = f"new{number}/{row.name}"
        taken.add(name)
        made.append(replace(row, name=name))
    return tuple(made)


def _only(label: str, stay: Collection[str]) -> str:
    return json.dumps([name for name in json.loads(label) if name in stay], ensure_ascii=False)
