"""Folders are walked without being listed."""

from __future__ import annotations

import itertools
import os

import pytest

from transferkit.errors import UserError
from transferkit.runs.prediction import image_files as module
from transferkit.runs.prediction.image_files import image_files


def touch(folder, *names):
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def test_files_come_by_name_and_folders_in_their_place(tmp_path):
    touch(
        tmp_path, "b.JPG", "a.png", "c/z.gif", "c/y.webp", "d.jpeg", "notes.txt", ".hidden.png", ".git/e.png"
    )
    left_out = []
    found = [os.path.relpath(path, tmp_path) for path in image_files([tmp_path], left_out)]
    assert found == ["a.png", "b.JPG", "c/y.webp", "c/z.gif", "d.jpeg"]
    passed = {os.path.relpath(one.name, tmp_path): one.reason for one in left_out}
    assert passed == {"notes.txt": "no picture by the name", ".hidden.png": "hidden", ".git": "hidden"}
    assert list(image_files([str(tmp_path / "notes.txt"), tmp_path / "c"])) == [
        str(tmp_path / "notes.txt"), str(tmp_path / "c" / "y.webp"), str(tmp_path / "c" / "z.gif"),
    ]  # fmt: skip


def test_a_large_folder_is_read_as_far_as_it_is_used(tmp_path, monkeypatch):
    touch(tmp_path, *(f"{number:03d}.png" for number in range(100)))
    read = 0
    scandir = os.scandir

    class Counted:
        def __init__(self, folder):
            self._entries = scandir(folder)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._entries.close()

        def __iter__(self):
            return self

        def __next__(self):
            nonlocal read
            read += 1
            return next(self._entries)

    monkeypatch.setattr(module.os, "scandir", Counted)
    monkeypatch.setattr(module, "_SORTED", 10)
    first = list(itertools.islice(image_files([tmp_path]), 5))
    assert first == sorted(first)
    assert read <= 20
    assert len(set(image_files([tmp_path]))) == 100


def test_links_to_folders_are_not_followed_in_circles(tmp_path):
    touch(tmp_path, "a.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    left_out = []
    assert len(list(image_files([tmp_path], left_out))) == 1
    assert [one.reason for one in left_out] == ["a symbolic link in a circle"]


def test_links_are_followed_within_the_folder_and_named_where_they_lead_out(tmp_path):
    touch(tmp_path, "in/a/1.png", "in/2.png", "out/3.png")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "a")
    (tmp_path / "in" / "away").symlink_to(tmp_path / "out")
    left_out = []
    found = [os.path.relpath(path, tmp_path) for path in image_files([tmp_path / "in"], left_out)]
    assert found == ["in/2.png", "in/a/1.png", "in/again/1.png"]
    assert [one.reason for one in left_out] == ["a symbolic link out of the data folder"]


def test_a_missing_place_is_named_before_anything_else(tmp_path):
    with pytest.raises(UserError, match=r"absent.*no such file"):
        next(image_files([tmp_path, tmp_path / "absent"]))
