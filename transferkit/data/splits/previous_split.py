"""An earlier run's ledger laid over a data set: what it says of an image's split stands."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from transferkit.data.source import DataSet
from transferkit.data.splits.ledger import Ledger
from transferkit.errors import UserError, did_you_mean, fault

__all__ = ["earlier_file", "fixed_splits", "read_previous_split"]

_PLACE = "data.ledger"
_MOST = 10


def earlier_file(reference: str | os.PathLike[str]) -> Path:
    """The file that ``data.ledger`` names, whether it is there or not."""
    path = Path(reference)
    return path / "split.csv" if path.is_dir() else path


def read_previous_split(reference: str | os.PathLike[str]) -> Ledger:
    """Reads the ledger that ``data.ledger`` names: a ``split.csv``, or the folder of a run that has one.

    Raises:
        UserError: there is none, or it is something else.
    """
    path = earlier_file(reference)
    if not path.is_file():
        expected = "the split.csv of a run, or the run's folder"
        raise UserError(fault(_PLACE, str(reference), expected, "there is no such file"))
    return Ledger.read(path)


def fixed_splits(
    dataset: DataSet, hashes: Sequence[str | None], keys: Mapping[str, str], earlier: Ledger
) -> dict[str, str]:
    """What decides an image's split (:func:`~transferkit.data.splits.groups.split_keys`) to its split there.

    Images are found again by their content, wherever they lie now. What the ledger does not know is left out.

    Args:
        dataset: the images.
        hashes: content hash of each item, None for unreadable ones.
        keys: of :func:`~transferkit.data.splits.groups.split_keys`.
        earlier: the ledger.

    Raises:
        UserError: the ledger is of other classes, of other images, calls an image otherwise than the data, or
            divides what must not be divided.
    """
    if earlier.multi_label != dataset.multi_label:
        words = {True: "any number of labels an image", False: "one class an image"}
        expected = f"{words[dataset.multi_label]}, as the data"
        raise UserError(fault(_PLACE, words[earlier.multi_label], expected))
    _check_classes(dataset, earlier)
    splits_of: dict[str, set[str]] = {}
    called: dict[str, set[str]] = {}
    for row in earlier.rows:
        called.setdefault(row.sha256, set()).add(row.label)
        splits_of.setdefault(row.sha256, set()).add(row.split)
    faults = []
    fixed: dict[str, tuple[str, str]] = {}
    for item, sha256 in zip(dataset.items, hashes, strict=True):
        if sha256 is None or sha256 not in splits_of:
            continue
        label = dataset.label_text(item)
        if label not in called[sha256]:
            there = " or ".join(sorted(called[sha256]))
            faults.append(fault(f"{_PLACE}: {item.name}", label, f"{there}, as in the ledger"))
        if len(splits_of[sha256]) > 1:
            # Folders that a user brought may hold one picture in two splits: the folders say it again.
            continue
        (split,) = splits_of[sha256]
        before, name = fixed.setdefault(keys[sha256], (split, item.name))
        if before != split:
            hint = f"the ledger divides the group of {item.name} and {name}: it was made without these groups"
            raise UserError(fault(f"{_PLACE}: {item.name}", split, before, hint))
    if faults:
        more = [f"{_PLACE}: and {len(faults) - _MOST} more"] if len(faults) > _MOST else []
        raise UserError(*faults[:_MOST], *more)
    if not fixed:
        hint = "no image of the data is in it: is it of other data?"
        raise UserError(fault(_PLACE, f"{len(earlier.rows)} images", "images of the data", hint))
    return {key: split for key, (split, _) in fixed.items()}


def _check_classes(dataset: DataSet, earlier: Ledger) -> None:
    """Classes that the ledger has and the data lacks; new classes in the data are fine."""
    unknown = sorted({name for row in earlier.rows for name in earlier.names(row)} - set(dataset.classes))
    if not unknown:
        return
    expected = f"the data's classes ({', '.join(dataset.classes[:20])})"
    hint = "it was made from other classes"
    raise UserError(
        *(
            fault(f"{_PLACE}: class", name, expected, did_you_mean(name, dataset.classes) or hint)
            for name in unknown[:_MOST]
        )
    )
