"""Class folders: what becomes a class, what an image, and what is said of the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from transferkit.data.sources.class_folder import read_class_folder
from transferkit.errors import UserError


def make(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def test_each_folder_is_a_class_sorted_and_never_normalised(tmp_path):
    data = read_class_folder(make(tmp_path, "b-1/x.jpg", "B_1/y.png", "a b/z.gif", "a b/deep/er/w.jpg"))
    assert data.classes == ("B_1", "a b", "b-1")
    assert [(item.name, data.classes[item.label]) for item in data] == [
        ("B_1/y.png", "B_1"),
        ("a b/deep/er/w.jpg", "a b"),
        ("a b/z.gif", "a b"),
        ("b-1/x.jpg", "b-1"),
    ]
    assert data.splits == ()
    assert data.counts() == {"B_1": 1, "a b": 2, "b-1": 1}


def test_hidden_folders_clutter_and_stray_files_are_no_classes(tmp_path):
    make(tmp_path, "cat/1.jpg", "dog/1.jpg", ".ipynb_checkpoints/1.jpg", "cat/.DS_Store", "cat/Thumbs.db")
    make(tmp_path, "cat/.hidden/2.jpg", "notes.txt")
    data = read_class_folder(tmp_path)
    assert data.classes == ("cat", "dog")
    assert len(data) == 2
    assert any("notes.txt" in note for note in data.notes)
    assert {one.name for one in data.left_out} == {"notes.txt", ".ipynb_checkpoints/", "cat/.hidden/"}


def test_split_folders_are_recognised_in_their_spellings(tmp_path):
    data = read_class_folder(
        make(tmp_path, "train/cat/1", "train/dog/1", "Validation/cat/2", "Validation/dog/3", "test/dog/4")
    )
    assert data.classes == ("cat", "dog")
    assert data.splits == ("train", "val", "test")
    assert {item.name: item.split for item in data}["Validation/dog/3"] == "val"


def test_a_class_missing_from_a_later_split_shifts_no_label(tmp_path):
    data = read_class_folder(make(tmp_path, "train/a/1", "train/b/1", "train/c/1", "val/a/2", "val/c/3"))
    assert {item.name: item.label for item in data if item.split == "val"} == {"val/a/2": 0, "val/c/3": 2}


def test_classes_that_only_look_like_splits_stay_classes(tmp_path):
    data = read_class_folder(make(tmp_path, "train/1.jpg", "bus/2.jpg"))
    assert data.classes == ("bus", "train")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), ["no folders"]),
        (("cat/1.jpg",), ["['cat']", "at least 2 class folders"]),
        (("train/cat/1", "val/cat/1"), ["at least 2"]),
        (("val/cat/1", "test/cat/1"), ["add train/"]),
        (("train/a/1", "train/b/1", "val/c/1", "test/d/1"), ["val/c", "test/d", "a class of train"]),
        (("train/a/1", "train/b/1", "val/a/1", "valid/a/1"), ["one folder a split", "valid"]),
    ],
)
def test_what_cannot_be_trained_on_is_said(tmp_path, names, words):
    with pytest.raises(UserError) as error:
        read_class_folder(make(tmp_path, *names))
    assert all(word in str(error.value) for word in words), error.value


def test_missing_folder_file_and_every_empty_class_are_named(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        read_class_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="this is a file"):
        read_class_folder(tmp_path / "file")
    root = make(tmp_path / "data", "a/1", "b/1")
    (root / "c").mkdir()
    (root / "d").mkdir()
    with pytest.raises(UserError) as error:
        read_class_folder(root)
    assert len(error.value.faults) == 2


def test_one_class_is_enough_where_images_are_only_evaluated(tmp_path):
    data = read_class_folder(make(tmp_path, "cat/1.jpg"), minimum_classes=1)
    assert data.classes == ("cat",)


@pytest.mark.parametrize("closed", [["cat"], ["cat", "dog/deep"], ["."]], ids=str)
@pytest.mark.parametrize("split", ["", "train/"])
def test_a_folder_that_cannot_be_listed_is_refused(tmp_path, monkeypatch, closed, split):
    """A class, or a part of one, would be missing without a word; all such folders are named at once."""
    names = [f"{split}{name}" for name in ("cat/x.jpg", "dog/y.jpg", "dog/deep/z.jpg", "hen/u.jpg")]
    root = make(tmp_path / "photos", *names)
    there = {os.path.normpath(root / split / one) for one in closed}
    scandir = os.scandir

    def guarded(path):
        # As it is for a user without the right; the superuser may list everything.
        if os.path.normpath(path) in there:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(UserError) as raised:
        read_class_folder(root)
    assert len(raised.value.faults) == len(closed)
    for line, folder in zip(sorted(raised.value.faults), sorted(there), strict=True):
        assert f"'{folder}', expected a folder that can be listed; Permission denied" in line
