"""A file of decisions on single photos: keep, relabel, drop. One JSON object a line, only ever added to.

::

    {"sha256": "…", "name": "roses/12.jpg", "action": "relabel", "label": "tulips"}
    {"sha256": "…", "name": "roses/13.jpg", "action": "drop"}
    {"action": "undo"}

``undo`` takes back the last decision that stands. Of two on one photo the later one counts. Photos are known
by their content, so the file outlives moving and renaming, and no photo is ever touched.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from transferkit.data.source import DataSet
from transferkit.data.splits.ledger import Ledger
from transferkit.errors import UserError, did_you_mean, fault

__all__ = ["ACTIONS", "Edit", "append_edit", "apply_edits", "apply_to_ledger", "read_edits", "standing"]

ACTIONS = ("keep", "relabel", "drop", "undo")


@dataclass(frozen=True)
class Edit:
    """One line.

    Attributes:
        action: of :data:`ACTIONS`.
        sha256: of the photo's content; empty for ``undo``.
        name: the photo, for people.
        label: its class from now on, where ``action`` is ``relabel``.
    """

    action: str
    sha256: str = ""
    name: str = ""
    label: str = ""


def append_edit(path: Path, edit: Edit) -> None:
    """Adds a line, and has it on disk before it returns. Half a line that a killed process left makes way."""
    line = json.dumps({key: value for key, value in asdict(edit).items() if value}) + "\n"
    with open(path, "a+b") as file:
        file.seek(0)
        last = file.read().rpartition(b"\n")[2]
        if last and _is_whole(last):
            line = "\n" + line
        elif last:
            file.truncate(file.tell() - len(last))
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def read_edits(path: str | os.PathLike[str]) -> list[Edit]:
    """The lines of a file.

    Args:
        path: of the file.

    Raises:
        UserError: there is none, or a line is none of ours; says which. A last line that a killed process
            left half is passed over.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        hint = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UserError(fault("data.edits", str(path), "a file of edits", hint)) from None
    lines, edits = text.split("\n"), []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            edits.append(_edit(json.loads(line)))
        except (ValueError, TypeError, AttributeError) as error:
            if number == len(lines):
                continue
            expected = f"an object with action ({', '.join(ACTIONS)}), sha256, and label to relabel"
            raise UserError(fault(f"{path}:{number}", line[:120], expected, str(error))) from None
    return edits


def standing(edits: Sequence[Edit]) -> dict[str, Edit]:
    """Content hash to the decision that counts, once what was undone is gone.

    Args:
        edits: of :func:`read_edits`.
    """
    left: list[Edit] = []
    for one in edits:
        if one.action == "undo":
            left = left[:-1]
        else:
            left.append(one)
    return {one.sha256: one for one in left}


def apply_edits(
    dataset: DataSet, hashes: Sequence[str | None], edits: Mapping[str, Edit]
) -> tuple[DataSet, list[str | None], list[int]]:
    """A data set as the decisions want it.

    Args:
        dataset: the images.
        hashes: content hash of each item.
        edits: of :func:`standing`.

    Returns:
        The data set, its hashes, and the numbers of the items that stay.

    Raises:
        UserError: a photo is to have a class that the data lacks, or one class of several that it has.
    """
    place = {name: number for number, name in enumerate(dataset.classes)}
    unknown = {one.label for one in edits.values() if one.action == "relabel"} - set(place)
    if unknown:
        known = f"a class of the data: {', '.join(dataset.classes[:20])}"
        raise UserError(
            *(
                fault("data.edits: label", name, known, did_you_mean(name, dataset.classes) or "")
                for name in sorted(unknown)
            )
        )
    named = {one.sha256 for one in edits.values() if one.action == "relabel"}
    several = [
        item.name
        for item, sha256 in zip(dataset.items, hashes, strict=True)
        if item.labels is not None and sha256 in named
    ]
    if several:
        expected = "keep or drop for photos that have several labels"
        raise UserError(fault(f"data.edits: {several[0]}", "relabel", expected, "correct its labels"))
    items, kept = [], []
    for number, (item, sha256) in enumerate(zip(dataset.items, hashes, strict=True)):
        edit = edits.get(sha256 or "")
        if edit is not None and edit.action == "drop":
            continue
        if edit is not None and edit.action == "relabel":
            item = replace(item, label=place[edit.label])
        items.append(item)
        kept.append(number)
    return replace(dataset, items=tuple(items)), [hashes[number] for number in kept], kept


def apply_to_ledger(ledger: Ledger, edits: Mapping[str, Edit]) -> Ledger:
    """An earlier run's ledger that calls photos as the decisions do, so that it fits the data once more.

    Args:
        ledger: of the earlier run.
        edits: of :func:`standing`.
    """
    if ledger.multi_label:
        return ledger
    rows = [
        replace(row, label=edit.label)
        if (edit := edits.get(row.sha256)) is not None and edit.action == "relabel"
        else row
        for row in ledger.rows
    ]
    return Ledger(tuple(rows), False)


def _is_whole(line: bytes) -> bool:
    try:
        _edit(json.loads(line))
    except (ValueError, TypeError, AttributeError):
        return False
    return True


def _edit(read: Any) -> Edit:
    if not isinstance(read, dict) or any(not isinstance(value, str) for value in read.values()):
        raise ValueError("it is no object of texts")
    known = {key: value for key, value in read.items() if key in Edit.__dataclass_fields__}
    edit = Edit(**known)
    if edit.action not in ACTIONS:
        raise ValueError(f"there is no action {edit.action!r}")
    if edit.action != "undo" and len(edit.sha256) != 64:
        raise ValueError("sha256 has 64 hexadecimal digits")
    if edit.action == "relabel" and not edit.label:
        raise ValueError("relabel needs a label")
    return edit
