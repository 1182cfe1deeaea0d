"""Class folders: one folder a class, or ``train/``, ``val/`` and ``test/`` with one folder a class each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from transferkit.data.source import DataSet, Item
from transferkit.errors import UserError, fault

__all__ = ["read_class_folder"]

# Spellings of the splits' folders that users bring.
_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
# Left by file managers beside the photos: no image, no class and no fault.
_CLUTTER = {"thumbs.db", "desktop.ini"}


def read_class_folder(root: str | Path, minimum_classes: int = 2) -> DataSet:
    """Lists the images of a folder of class folders.

    Every file that is not hidden counts as an image of its class; whether it is one shows when it is decoded.
    Folders below a class folder belong to that class. The class list is that of the training folder, sorted,
    so a class that a later split lacks shifts no label.

    Args:
        root: a folder with class folders, or with ``train`` (and ``val``, ``test``) that hold class folders.
        minimum_classes: fewer are refused; 1 where the images are only evaluated.

    Raises:
        UserError: the folder is missing, empty, has one class only, or a split has classes unknown to train.
    """
    root = Path(root)
    if not root.exists():
        raise UserError(fault("data", str(root), "a folder of class folders", "there is no such folder"))
    if not root.is_dir():
        raise UserError(fault("data", str(root), "a folder of class folders", "this is a file"))
    folders, stray = _children(root)
    splits = _split_folders(folders)
    notes = []
    if stray:
        shown = ", ".join(path.name for path in stray[:3])
        notes.append(f"{root}: {len(stray)} file(s) beside the class folders left out ({shown})")
    if not splits:
        classes = [folder.name for folder in folders]
        _check_classes(root, classes, minimum_classes)
        items = [
            Item(path, path.relative_to(root).as_posix(), label)
            for label, folder in enumerate(folders)
            for path in _files(folder)
        ]
    else:
        classes, items = _read_splits(root, splits, minimum_classes)
    empty = set(range(len(classes))) - {item.label for item in items}
    if empty:
        raise UserError(
            *(fault(f"data: class {classes[label]!r}", 0, "images", "add some or remove the folder")
              for label in sorted(empty))
        )  # fmt: skip
    return DataSet(root, tuple(classes), tuple(sorted(items, key=lambda item: item.name)), tuple(notes))


def _read_splits(root: Path, splits: dict[str, list[Path]], minimum: int) -> tuple[list[str], list[Item]]:
    if "train" not in splits:
        raise UserError(
            fault("data", str(root), "a folder train beside val and test", "add train/ with class folders")
        )
    faults = [
        fault(f"data: {split}", [folder.name for folder in folders], "one folder a split", "join them")
        for split, folders in splits.items()
        if len(folders) > 1
    ]
    if faults:
        raise UserError(*faults)
    classes = [folder.name for folder in _children(splits["train"][0])[0]]
    _check_classes(splits["train"][0], classes, minimum)
    label_of = {name: label for label, name in enumerate(classes)}
    items = []
    for split, (folder,) in splits.items():
        for class_folder in _children(folder)[0]:
            if class_folder.name not in label_of:
                place = f"data: {folder.name}/{class_folder.name}"
                mend = "add it to train or remove it"
                faults.append(fault(place, class_folder.name, "a class of train", mend))
                continue
            label = label_of[class_folder.name]
            items += [
                Item(path, path.relative_to(root).as_posix(), label, split) for path in _files(class_folder)
            ]
    if faults:
        raise UserError(*faults)
    return classes, items


def _check_classes(place: Path, classes: list[str], minimum: int) -> None:
    if not classes:
        raise UserError(
            fault("data", str(place), "a folder a class with its images", "there are no folders in it")
        )
    if len(classes) < minimum:
        mend = f"put the images that are not {classes[0]!r} into a folder of their own"
        raise UserError(fault("data", classes, f"at least {minimum} class folders", mend))


def _split_folders(folders: list[Path]) -> dict[str, list[Path]]:
    """The splits' folders by split, or nothing where the folders are classes."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        split = _SPLIT_FOLDERS.get(folder.name.casefold())
        if split is None:
            return {}
        found.setdefault(split, []).append(folder)
    return found


def _children(folder: Path) -> tuple[list[Path], list[Path]]:
    """Folders and files of a folder that are not hidden, sorted by name."""
    folders: list[Path] = []
    files: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if _is_clutter(entry.name):
                continue
            (folders if entry.is_dir() else files).append(Path(entry.path))
    return folders, files


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_clutter(name))
        for name in sorted(files):
            if not _is_clutter(name):
                yield Path(parent, name)


def _is_clutter(name: str) -> bool:
    return name.startswith((".", "__MACOSX")) or name.casefold() in _CLUTTER
