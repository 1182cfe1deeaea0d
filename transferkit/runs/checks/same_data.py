"""Whether an interrupted run still has the data that it began with: content, labels, classes and splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from transferkit.data.splits.split import Ledger, Row
from transferkit.errors import UserError, fault, one_line
from transferkit.files import csv_files
from transferkit.runs.folder.located import read_begun
from transferkit.training.images import Images

__all__ = ["check_weights", "same_data"]

_SHOWN = 3


def same_data(folder: Path, images: Images, decoded: bool = False) -> Images:
    """Compares images with the ledger that a run wrote when it began.

    Files may have been moved or renamed: what counts is their content.

    Args:
        folder: that holds the run's ``split.csv``; without one nothing is compared.
        images: what is there now.
        decoded: what cannot be decoded has been set aside. Otherwise files that the run set aside, by name,
            are passed over.

    Returns:
        The images in the order in which the run began with them, as the order of its batches follows from it.

    Raises:
        UserError: they are not the same; says how they differ.
    """
    file = folder / "split.csv"
    if not file.exists():
        return images
    stored = Ledger.read(file)
    excused: Collection[str] = () if decoded else _quarantined(folder)
    places: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index, row in enumerate(images.rows):
        places[_key(row)].append(index)
    order, gone = [], []
    # A row finds its own file first, then another of the same content.
    for row in stored.rows:
        there = places[_key(row)]
        own = next((index for index in there if images.rows[index].name == row.name), None)
        if own is None and not there:
            gone.append(row)
            continue
        chosen = own if own is not None else there[0]
        there.remove(chosen)
        order.append(chosen)
    left = sorted(index for there in places.values() for index in there)
    new = [images.rows[index] for index in left if images.rows[index].name not in excused]
    changes = _changes(gone, new, stored, images) if gone or new else _class_changes(folder, images.classes)
    if changes:
        hint = "start again with --overwrite, or restore it"
        raise UserError(
            fault("--resume", hint=f"the data changed since the run began: {', '.join(changes)}; {hint}")
        )
    order += left
    return replace(
        images,
        rows=tuple(images.rows[index] for index in order),
        paths=tuple(images.paths[index] for index in order),
        labels=images.labels[order],
    )


def check_weights(folder: Path, weights_sha256: str) -> None:
    """Refuses to continue a run on a backbone with other weights than it began with.

    Raises:
        UserError: they are others.
    """
    then = read_begun(folder).get("weights_sha256")
    if then is not None and then != weights_sha256:
        received = f"weights with the hash {weights_sha256[:12]}…"
        hint = "start again with --overwrite, or restore them"
        raise UserError(
            fault("--resume: backbone", received, f"those that the run began with: {then[:12]}…", hint)
        )


def _key(row: Row) -> tuple[str, str, str]:
    return row.sha256, row.label, row.split


def _changes(gone: Sequence[Row], new: Sequence[Row], stored: Ledger, images: Images) -> list[str]:
    """What happened to the images that are not as they were, each kind with its count and first names."""
    found: list[str] = []
    gone, new = list(gone), list(new)
    renamed = [] if stored.multi_label else _renamed(gone, new, stored, images)
    if renamed:
        shown = ", ".join(f"{one_line(old)} -> {one_line(fresh)}" for old, fresh in renamed[:_SHOWN])
        found.append(f"{_count(len(renamed), 'class', 'classes')} renamed ({shown}{_more(renamed)})")
        old_names = {old for old, _ in renamed}
        fresh_names = {fresh for _, fresh in renamed}
        gone = [row for row in gone if row.label not in old_names]
        new = [row for row in new if row.label not in fresh_names]
    before: dict[str, list[Row]] = defaultdict(list)
    for row in gone:
        before[row.sha256].append(row)
    relabelled: list[Row] = []
    moved: list[Row] = []
    added: list[Row] = []
    for row in new:
        if not before[row.sha256]:
            added.append(row)
            continue
        then = before[row.sha256].pop()
        (moved if then.label == row.label else relabelled).append(row)
    removed = [row for rows in before.values() for row in rows]
    kinds = (
        (relabelled, "relabelled"),
        (added, "added"),
        (removed, "removed"),
        (moved, "in another split"),
    )
    for rows, what in kinds:
        if rows:
            found.append(f"{_count(len(rows), 'image')} {what} ({_names(rows)})")
    return found


def _renamed(
    gone: Iterable[Row], new: Iterable[Row], stored: Ledger, images: Images
) -> list[tuple[str, str]]:
    """Classes whose images are all there, under a name that there was not."""
    before, after = _by_label(gone), _by_label(new)
    then, now = {row.label for row in stored.rows}, {row.label for row in images.rows}
    vanished = {name: hashes for name, hashes in before.items() if name not in now}
    fresh = {name: hashes for name, hashes in after.items() if name not in then}
    pairs = []
    for name, hashes in vanished.items():
        match = next((other for other, content in fresh.items() if content == hashes), None)
        if match is not None:
            del fresh[match]
            pairs.append((name, match))
    return pairs


def _by_label(rows: Iterable[Row]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        found[row.label][row.sha256] += 1
    return dict(found)


def _class_changes(folder: Path, classes: Sequence[str]) -> list[str]:
    then = read_begun(folder).get("classes")
    if then is None or list(then) == list(classes):
        return []
    return [f"the classes were {', '.join(map(str, then))}, and are {', '.join(classes)}"]


def _quarantined(folder: Path) -> set[str]:
    try:
        with open(folder / "quarantine.csv", newline="", encoding="utf-8") as file:
            return {row["path"] for row in csv_files.dict_rows(file)}
    except (OSError, KeyError, ValueError):  # what follows from a damaged one differs, and is said
        return set()


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _names(rows: Sequence[Row]) -> str:
    return ", ".join(one_line(row.name) for row in rows[:_SHOWN]) + _more(rows)


def _more(found: Sequence[object]) -> str:
    return ", …" if len(found) > _SHOWN else ""
