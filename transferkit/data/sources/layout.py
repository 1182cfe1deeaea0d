"""Where in a data folder its classes are: below split folders, below wrapping folders, or right there.

What looks like half a layout of splits is refused by name: read as classes it would give a class named
``Testing`` without a word.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from transferkit.data.file_names import shown
from transferkit.data.sources.split_words import are_numbered, split_names
from transferkit.data.sources.tree import Tree
from transferkit.errors import Faults, UserError, fault

__all__ = ["NO_CLASS", "Layout", "find_layout", "labels_hint", "look_through"]

NO_CLASS = "in no class folder, so without a label"
_LISTS = (".csv", ".tsv", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Layout:
    """Where the classes are.

    Attributes:
        top: the folder whose folders are classes, or splits.
        splits: split to its folder, whose folders are classes; empty where the source brings no splits.
        notes: what is to be said of it.
    """

    top: str
    splits: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def find_layout(tree: Tree, minimum: int, known: Collection[str] = ()) -> Layout:
    """Finds the classes of a data folder, looking through folders that only wrap them.

    Args:
        tree: the data folder.
        minimum: classes needed; 1 where images are only evaluated, and no train folder is needed then.
        known: names that are known to be classes'.

    Raises:
        UserError: half a layout of splits, or a layout that can be read in two ways.
    """
    folder = tree.root
    while True:
        here = tree.folders(folder)
        words = split_names(here, known)
        if words and not _wraps_splits(tree, folder, here, known):
            found = _decide(tree, folder, here, words, minimum)
            if found is not None:
                return found
        inner = _wrapped(tree, folder, known)
        if inner is None:
            _check_siblings(tree, folder, [name for name in here if name not in known])
            return Layout(folder, notes=_notes(tree, folder, here, words))
        _leave_beside(tree, folder)
        folder = inner


def look_through(tree: Tree, folder: str, known: Collection[str], record: bool = True) -> str:
    """The folder that holds the classes of one split: ``seg_train/seg_train``, ``train/images``.

    Args:
        tree: the data folder.
        folder: of the split.
        known: names that are known to be classes'.
        record: what lies beside the folders on the way is left out.
    """
    while (inner := _wrapped(tree, folder, known)) is not None:
        if record:
            _leave_beside(tree, folder)
        folder = inner
    return folder


def _leave_beside(tree: Tree, folder: str) -> None:
    tree.leave_pictures(folder, NO_CLASS)
    tree.leave_bare(folder)


def _wrapped(tree: Tree, folder: str, known: Collection[str]) -> str | None:
    """The one folder that everything in a folder lies in, or None where its folders are classes."""
    here = tree.folders(folder)
    if len(here) != 1 or here[0] in known:
        return None
    inner = os.path.join(folder, here[0])
    deeper = tree.folders(inner)
    # A class's folder may hold folders besides its pictures; a wrapping one holds classes, and strays.
    if not deeper or (len(deeper) == 1 and tree.entries(inner).pictures):
        return None
    bare = [name for name in tree.entries(folder).folders if name not in here]
    # An empty folder beside it is a class whose pictures are missing.
    if any(tree.is_empty(os.path.join(folder, name)) for name in bare):
        return None
    return inner


def _check_siblings(tree: Tree, folder: str, names: Sequence[str]) -> None:
    """Refuses folders that lie side by side and can hardly be classes of one set."""
    if len(names) > 1 and all(name.casefold() in _PARTS for name in names):
        hint = "they look like parts of one set: give the folder whose folders are the classes, or a manifest"
        raise UserError(fault("data", _named(names), "class folders", f"{hint}; {_LISTED}"))
    faults = []
    for name in names:
        inner = look_through(tree, os.path.join(folder, name), (), record=False)
        below = tree.folders(inner)
        words = split_names(below)
        deep = any(tree.folders(os.path.join(inner, one)) for one, split in words.items() if split == "train")
        copied = set(below) & (set(names) - {name})
        if deep and len(set(words.values())) > 1:
            holds = f"{tree.name(inner)} holds the splits {', '.join(_named(below))}"
        elif len(copied) > 1:
            holds = f"{tree.name(inner)} holds folders called like those beside it"
        else:
            continue
        hint = f"give {tree.name(inner)} as the data, or take it out; {_LISTED}"
        faults.append(fault(f"data: {shown(name)}", holds, "a class folder", hint))
    if faults and len(names) > 1:
        raise UserError(*faults)
    if any(tree.entries(os.path.join(folder, name)).pictures for name in names):
        return
    inside = [frozenset(tree.folders(os.path.join(folder, name))) for name in names]
    if _are_copies(names, inside):
        both = f"{', '.join(_named(names))}, each with the folders {', '.join(_named(sorted(inside[0])))}"
        hint = f"give one of them as the data, for example {shown(names[0])}; {_LISTED}"
        raise UserError(fault("data", both, "a folder a class", hint))


def _are_copies(names: Sequence[str], below: Sequence[frozenset[str]]) -> bool:
    """Whether folders hold the same classes over and over: ``color`` and ``grey``, ``fold1`` to ``fold5``.

    Classes whose photos lie in the same folders (sessions ``s1``, ``s2``; ``front`` and ``back``) are more in
    number than these folders, or these are numbered.
    """
    if len(names) < 2 or len(set(below)) > 1 or len(below[0]) < 2:
        return False
    if split_names(below[0]) or are_numbered(below[0]):
        return False
    return len(below[0]) >= len(names) or are_numbered(names)


def _wraps_splits(tree: Tree, folder: str, here: Sequence[str], known: Collection[str]) -> bool:
    """Whether a single folder named like a split holds the splits: ``test/train``, ``test/val``."""
    if len(here) != 1:
        return False
    words = split_names(tree.folders(os.path.join(folder, here[0])), known)
    return "train" in words.values() and len(set(words.values())) > 1


def _decide(
    tree: Tree, folder: str, here: Sequence[str], words: dict[str, str], minimum: int
) -> Layout | None:
    """The layout of splits, or None where folders named like splits are classes."""
    below = {name: tree.folders(os.path.join(folder, name)) for name in here}
    others = [name for name in here if name not in words]
    train = [name for name, split in words.items() if split == "train"]
    several = len(set(words.values())) > 1
    if any(below[name] for name in train):
        if several or not others:
            return _splits(tree, folder, words, others)
        raise UserError(_two_readings(train[0], others))
    if train and (several or not others):
        raise UserError(*(_flat(tree, folder, name) for name in train))
    if train:
        return None
    if not others:
        if minimum == 1 and any(below[name] for name in words):
            return _splits(tree, folder, words, others)
        if several or any(below.values()):
            hint = "add train/ with class folders, or give that name to the folder of the training images"
            raise UserError(fault("data", _named(here), "a folder train beside val and test", hint))
        return None
    deep = [name for name in words if below[name]]
    alike = [other for other in others if any(set(below[name]) & set(below[other]) for name in deep)]
    if alike or (several and deep):
        hint = f"rename {shown((alike or others)[0])} to train if it holds the training images; {_LISTED}"
        raise UserError(fault("data", _named(here), "a folder train beside the other splits", hint))
    return None


def _splits(tree: Tree, folder: str, words: dict[str, str], others: Sequence[str]) -> Layout:
    folders: dict[str, list[str]] = {}
    for name, split in words.items():
        folders.setdefault(split, []).append(name)
    Faults(
        fault(f"data: {split}", _named(found), "one folder a split", "join them, or rename one")
        for split, found in folders.items()
        if len(found) > 1
    ).refuse()
    tree.leave_bare(folder)
    for name in others:
        tree.leave_folder(os.path.join(folder, name), "beside the split folders")
    tree.leave_pictures(folder, NO_CLASS)
    usual = {"train", "training", "val", "valid", "validation", "test", "testing"}
    notes = tuple(
        f"{tree.name(os.path.join(folder, name))}/ is read as the {_LONG[split]} split"
        for name, split in words.items()
        if name.casefold() not in usual
    )
    return Layout(folder, {split: os.path.join(folder, found[0]) for split, found in folders.items()}, notes)


# Folders of a set for detection or segmentation, side by side.
_PARTS = {
    "images", "image", "imgs", "img", "jpegimages", "photos", "pictures", "masks", "mask", "labels", "label",
    "annotations", "annotation", "trimaps", "segmentations", "boxes", "groundtruth", "ground_truth",
}  # fmt: skip
_LISTED = "if these are classes, list them in data.classes"
_LONG = {"train": "training", "val": "validation", "test": "test"}


def _notes(tree: Tree, folder: str, here: Sequence[str], words: dict[str, str]) -> tuple[str, ...]:
    """What is said where folders of classes might be something else."""
    notes = []
    if words and len(here) > 1:
        named, other = (
            ", ".join(_named(part)) for part in (list(words), [n for n in here if n not in words])
        )
        notes.append(f"{named}: a class like {other}, not a split")
    below = [set(tree.folders(os.path.join(folder, name))) for name in here]
    flat = [name for name in here if tree.entries(os.path.join(folder, name)).pictures]
    spelled: dict[str, list[str]] = {}
    for name in here:
        spelled.setdefault(name.casefold(), []).append(name)
    notes += [
        f"{' and '.join(_named(n))} are different classes by their case"
        for n in spelled.values()
        if len(n) > 1
    ]
    if len(here) > 1 and not flat and all(below) and not all(split_names(names) for names in below):
        same = set.intersection(*below)
        example = f"{shown(here[0])}/{shown(min(below[0]))}"
        if len(same) > 1:
            notes.append(
                f"{', '.join(map(shown, here[:3]))} are the classes, though all hold the folders "
                f"{', '.join(map(shown, sorted(same)[:3]))}; if the latter are the classes, give one of the "
                "former as the data"
            )
        else:
            notes.append(f"folders within class folders ({example}) are read as part of their class")
    return tuple(notes)


def _two_readings(train: str, others: Sequence[str]) -> str:
    hint = f"if {shown(train)} holds the training images, give its path or move the rest away; {_LISTED}"
    received = f"{shown(train)} with folders beside {', '.join(_named(others))}"
    return fault("data", received, "either split folders or class folders", hint)


def _named(names: Sequence[str]) -> list[str]:
    return [*map(shown, names[:4]), *(["…"] if len(names) > 4 else [])]


def _flat(tree: Tree, folder: str, name: str) -> str:
    """The fault of a split folder that holds pictures and no class folders."""
    path = os.path.join(folder, name)
    received = f"{len(tree.entries(path).pictures)} pictures and no class folders"
    return fault(f"data: {tree.name(path)}", received, "a folder a class", labels_hint(tree, folder))


def labels_hint(tree: Tree, folder: str) -> str:
    """How pictures that lie in no class folders get their labels.

    Args:
        tree: the data folder.
        folder: where a list of them may lie.
    """
    lists = [file for file in tree.entries(folder).beside if file.lower().endswith(_LISTS)]
    if lists:
        listed = tree.name(os.path.join(folder, lists[0]))
        return f"if {listed} lists their labels, give that file as the data"
    return "sort the pictures into a folder a class, or list them in a manifest (.csv)"
