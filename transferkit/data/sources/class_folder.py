"""Class folders: one folder a class, or ``train/``, ``val/`` and ``test/`` with one folder a class each.

Where the classes are is found by :mod:`transferkit.data.sources.layout`; what is an image, by
:mod:`transferkit.data.sources.tree`.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path

from transferkit.data.file_names import class_order, shown
from transferkit.data.foreign_formats import reason_not_read
from transferkit.data.source import DataSet, Item, left_out_notes
from transferkit.data.source_options import ReadOptions
from transferkit.data.sources.layout import NO_CLASS, Layout, find_layout, labels_hint, look_through
from transferkit.data.sources.split_words import is_neutral, split_names
from transferkit.data.sources.tree import Tree
from transferkit.errors import Faults, UserError, did_you_mean, fault

__all__ = ["EXPECTED", "ORDER", "check", "read", "read_class_folder", "takes"]

ORDER = 50  # the last: it also says of a folder that it is not there
EXPECTED = "a folder"


def read_class_folder(
    root: str | Path,
    minimum_classes: int = 2,
    *,
    follow_links: bool = False,
    known: Collection[str] = (),
) -> DataSet:
    """Lists the images of a folder of class folders.

    Every file that is not hidden, and not named like something else than a picture, counts as an image of its
    class; whether it is one shows when it is decoded. Folders below a class folder belong to that class. The
    class list is that of the training folder, so a class that a later split lacks shifts no label.

    Args:
        root: a folder with class folders, or with ``train`` (and ``val``, ``test``) that hold class folders;
            also below folders that only wrap them.
        minimum_classes: fewer are refused; 1 where the images are only evaluated.
        follow_links: take links that lead out of the folder.
        known: names that are classes for certain, whatever else they might mean.

    Raises:
        UserError: the folder is missing, empty, has one class only, can be read in two ways, a split has
            classes unknown to train, or a folder in it cannot be listed.
    """
    root = Path(root)
    check(str(root))
    if not root.is_dir():
        raise UserError(fault("data", str(root), "a folder of class folders", "this is a file"))
    tree = Tree(root, follow_links)
    try:
        layout = find_layout(tree, minimum_classes, known)
        reader = _Reader(tree, layout, minimum_classes, known)
        items = reader.splits() if layout.splits else reader.classes_at(layout.top)
    except UserError as error:
        tree.check_open()
        # What was left out is often why the rest makes no sense.
        links = [one for one in tree.left_out if "symbolic link" in one.reason]
        raise UserError(*error.faults, *(f"data: {note}" for note in left_out_notes(links))) from None
    tree.check_open()
    notes = (*layout.notes, *reader.notes, *left_out_notes(tree.left_out))
    return DataSet(
        root, reader.classes, tuple(sorted(items, key=lambda item: item.name)), notes, tree.left_out
    )


class _Reader:
    """Makes items of the class folders that a layout names."""

    def __init__(self, tree: Tree, layout: Layout, minimum: int, known: Collection[str]) -> None:
        self._tree = tree
        self._layout = layout
        self._minimum = minimum
        self._known = known
        self.classes: tuple[str, ...] = ()
        self.notes: list[str] = []

    def classes_at(self, top: str) -> list[Item]:
        """Items of classes that bring no splits, or have split folders each."""
        self.classes = self._class_names(top)
        tree, items = self._tree, []
        inner = self._divided_classes(top)
        for label, name in enumerate(self.classes):
            folder = os.path.join(top, name)
            if inner:
                for part, split in inner[name].items():
                    items += self._items(os.path.join(folder, part), label, split)
                tree.leave_bare(folder)
                tree.leave_files(folder)
            else:
                items += self._items(folder, label, None)
        return items

    def splits(self) -> list[Item]:
        """Items of the split folders; train says which classes there are."""
        tops = {}
        train = self._layout.splits.get("train")
        if train is not None:
            tops["train"] = look_through(self._tree, train, self._known)
            self.classes = self._class_names(tops["train"])
        known = {*self._known, *self.classes}
        for split, folder in self._layout.splits.items():
            if split != "train":
                tops[split] = self._flat_inside(look_through(self._tree, folder, known), known)
        if train is None:  # images that are only evaluated
            self.classes = class_order(name for top in tops.values() for name in self._tree.folders(top))
        faults = Faults()
        items: list[Item] = []
        for split, top in tops.items():
            items += self._split(split, top, faults)
        faults.refuse()
        return items

    def _flat_inside(self, top: str, known: Collection[str]) -> str:
        """The folder of pictures without classes that is all a split holds: ``test/test``, ``val/images``."""
        here = self._tree.folders(top)
        if (
            len(here) == 1
            and here[0] not in known
            and (here[0] == os.path.basename(top) or is_neutral(here[0]))
        ):
            self._tree.leave_pictures(top, NO_CLASS)
            return os.path.join(top, here[0])
        return top

    def _split(self, split: str, top: str, faults: list[str]) -> list[Item]:
        tree = self._tree
        here = tree.folders(top)
        pictures = tree.entries(top).pictures
        shown_top = tree.name(top)
        if not here and pictures and split != "test":
            hint = f"sort them into a folder a class, or move {shown_top}/ out of the data folder"
            faults.append(
                fault(
                    f"data: {shown_top}",
                    f"{len(pictures)} pictures and no class folders",
                    "a folder a class",
                    hint,
                )
            )
            return []
        reason = NO_CLASS if here else f"{NO_CLASS}; `transferkit predict` takes them"
        tree.leave_pictures(top, reason)
        if split != "train":
            tree.leave_bare(top)
        label_of = {name: label for label, name in enumerate(self.classes)}
        items: list[Item] = []
        there = set()
        for name in here:
            own = self._own_name(name, label_of, f"{shown_top}/{shown(name)}", faults)
            if own is not None:
                there.add(own)
                items += self._items(os.path.join(top, name), label_of[own], split)
        lacking = [shown(name) for name in self.classes if name not in there]
        if lacking and here:
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            self.notes.append(f"{shown_top}/ has no images of {', '.join(lacking[:3])}{more}")
        return items

    def _own_name(self, name: str, label_of: Collection[str], place: str, faults: list[str]) -> str | None:
        """The class of train that a folder of another split means."""
        if name in label_of:
            return name
        # One disk stores "ö" as one sign, another as two: to people that is one name.
        same = [one for one in label_of if _composed(one) == _composed(name)]
        if same:
            self.notes.append(f"{place}: the class {same[0]}, whose accents are stored in another form")
            return same[0]
        hint = did_you_mean(shown(name), label_of) or "add it to train or remove it"
        faults.append(fault(f"data: {place}", shown(name), "a class of train", hint))
        return None

    def _class_names(self, top: str) -> tuple[str, ...]:
        """The class folders in a folder; one without pictures is refused, or left out if it is no class."""
        tree, faults = self._tree, Faults()
        names = tree.folders(top)
        for name in tree.entries(top).folders:
            folder = os.path.join(top, name)
            if name in names:
                continue
            data = tree.data_files(folder)
            if data:
                example = tree.name(data[0])
                received = f"no images, but {len(data)} other files ({example})"
                faults.append(fault(f"data: class '{shown(name)}'", received, "images", _what_it_is(data[0])))
            elif tree.is_empty(folder) or name in self._known:
                faults.append(
                    fault(f"data: class '{shown(name)}'", 0, "images", "add some or remove the folder")
                )
        faults.refuse()
        self._check_number(top, names)
        tree.leave_bare(top)
        tree.leave_pictures(top, NO_CLASS)
        return class_order(names)

    def _check_number(self, top: str, names: Sequence[str]) -> None:
        if len(names) >= max(1, self._minimum):
            return
        entries = self._tree.entries(top)
        if names:
            hint = f"put the images that are not {shown(names[0])!r} into a folder of their own"
            if is_neutral(names[0]):
                hint = labels_hint(self._tree, top)
            raise UserError(
                fault(
                    "data", [shown(name) for name in names], f"at least {self._minimum} class folders", hint
                )
            )
        lists = [*entries.beside, *entries.data]
        count = len(entries.pictures)
        hint = f"there are {count} pictures and no folders in it" if count else "there are no folders in it"
        if entries.folders:
            hint = "none of its folders holds pictures" + self._example(top, entries.folders)
            lists += [
                self._tree.name(path) for path in self._tree.data_files(top) if os.path.dirname(path) != top
            ]
        if lists:
            hint += f"; is one of these the data: {', '.join(map(shown, lists[:3]))}?"
        raise UserError(fault("data", shown(top), "a folder a class with its images", hint))

    def _divided_classes(self, top: str) -> dict[str, dict[str, str]]:
        """Class to its folder a split, where every class is divided so: ``cat/train``, ``cat/test``."""
        tree, found = self._tree, {}
        for name in self.classes:
            folder = os.path.join(top, name)
            words = split_names(tree.folders(folder))
            if "train" in words.values() and len(set(words.values())) == len(words) > 1:
                found[name] = words
        whole = [
            name
            for name in found
            if len(found[name]) == len(tree.folders(os.path.join(top, name)))
            and not tree.entries(os.path.join(top, name)).pictures
        ]
        if found and len(whole) == len(self.classes):
            parts = ", ".join(shown(part) for part in next(iter(found.values())))
            self.notes.append(f"the folders within each class ({parts}) are its splits")
            return found
        if found:
            name = next(iter(found))
            parts = ", ".join(f"{shown(name)}/{shown(part)}" for part in found[name])
            self.notes.append(f"{parts} are read as images of {shown(name)}: not every class is divided so")
        return {}

    def _items(self, folder: str, label: int, split: str | None) -> list[Item]:
        tree = self._tree
        return [Item(Path(path), tree.name(path), label, split) for path in tree.pictures(folder)]

    def _example(self, top: str, folders: Sequence[str]) -> str:
        """What the first file in these folders is."""
        for name in folders:
            inside = self._tree.entries(os.path.join(top, name))
            for file in [*inside.beside, *inside.data]:
                path = os.path.join(top, name, file)
                reason = _what_it_is(path)
                return f"; {self._tree.name(path)}: {reason}" if reason else ""
        return ""


def _what_it_is(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            reason = reason_not_read(file.read(64), "")
    except OSError as error:
        return error.strerror
    return None if reason == "no " else f"it is {reason}"


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def takes(reference: str, options: ReadOptions) -> bool:
    """Whether it is a folder, or nothing that exists."""
    return not Path(reference).is_file()


def read(reference: str, options: ReadOptions) -> DataSet:
    """The images of its class folders."""
    return read_class_folder(
        Path(reference), options.minimum_classes, follow_links=options.follow_links, known=options.known
    )


def check(reference: str) -> None:
    """Refuses a folder that is not there.

    Args:
        reference: its path.

    Raises:
        UserError: there is none.
    """
    if not os.path.exists(reference):
        raise UserError(fault("data", reference, "a folder of class folders", "there is no such folder"))
