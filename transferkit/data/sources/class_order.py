"""The order of the classes that the user states, and that it is one of the classes that there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from transferkit.data.file_names import class_name_faults
from transferkit.data.source import DataSet, Item
from transferkit.errors import Faults, UserError, did_you_mean, fault

__all__ = ["in_order_of", "stated_classes"]

_PLACE = "data.classes"


def stated_classes(value: Sequence[str] | str | None) -> tuple[str, ...] | None:
    """The classes that ``data.classes`` states: a list, or the path of a file with a name a line.

    Raises:
        UserError: there is no such file, it is empty, or a name stands twice.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            text = Path(value).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeError) as error:
            hint = getattr(error, "strerror", None) or "it is not UTF-8"
            raise UserError(fault(_PLACE, value, "a file with a class name a line", hint)) from None
        names = [line for line in text.split("\n") if line.strip()]
        names = [name.removesuffix("\r") for name in names]
    else:
        names = list(value)
    twice = [name for name, count in Counter(names).items() if count > 1]
    faults = Faults(fault(_PLACE, name, "each name once") for name in twice)
    if not names:
        faults.append(fault(_PLACE, value, "the names of the classes"))
    faults += class_name_faults(names)
    faults.refuse()
    return tuple(names)


def in_order_of(dataset: DataSet, classes: Sequence[str]) -> DataSet:
    """The data set with its classes in this order.

    Raises:
        UserError: the data have other classes than these.
    """
    if tuple(classes) == dataset.classes:
        return dataset
    there = set(dataset.classes)
    faults = Faults(
        fault(_PLACE, name, "a class that the data have images of", did_you_mean(name, there - set(classes)))
        for name in classes
        if name not in there
    )
    for name in dataset.classes:
        if name not in classes:
            hint = did_you_mean(name, classes) or "add it there, or take its images out of the data"
            faults.append(fault(f"data: class {name!r}", name, "one of data.classes", hint))
    faults.refuse()
    place = {name: label for label, name in enumerate(classes)}
    return replace(
        dataset, classes=tuple(classes), items=tuple(_moved(dataset, item, place) for item in dataset)
    )


def _moved(dataset: DataSet, item: Item, place: dict[str, int]) -> Item:
    labels = tuple(sorted(place[name] for name in dataset.names_of(item)))
    if item.labels is None:
        return replace(item, label=labels[0])
    return replace(item, label=labels[0] if labels else -1, labels=labels)
