"""Symbolic links: one rule for files, class folders, folders within them, and manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from transferkit.data.check.limits import Limits, refusal
from transferkit.data.sources import read_source
from transferkit.data.sources.class_folder import read_class_folder
from transferkit.errors import UserError


def files(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


@pytest.fixture
def store(tmp_path):
    """Photos that lie outside every data folder."""
    return files(tmp_path / "store", *(f"{name}/{i}.jpg" for name in ("cat", "dog") for i in range(3)))


def linked(place, target):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def taken(root, follow):
    """Names of the files that are opened in the end, and what is said of the others."""
    data = read_class_folder(root, follow_links=follow)
    limits = Limits(follow_links=follow)
    reasons = {item.name: refusal(item.path, root, limits) for item in data}
    said = [*data.notes, *(reason for reason in reasons.values() if reason)]
    return sorted(name for name, reason in reasons.items() if reason is None), " ".join(said)


def test_linked_files(tmp_path, store):
    root = files(tmp_path / "data", "cat/own.jpg", "dog/own.jpg")
    linked(root / "cat/out.jpg", store / "cat/0.jpg")
    linked(root / "cat/within.jpg", root / "cat/own.jpg")
    names, said = taken(root, follow=False)
    assert names == ["cat/own.jpg", "cat/within.jpg", "dog/own.jpg"]
    assert "data.follow_links = true" in said
    names, said = taken(root, follow=True)
    assert names == ["cat/out.jpg", "cat/own.jpg", "cat/within.jpg", "dog/own.jpg"]
    assert "follow_links" not in said


def test_linked_class_folders(tmp_path, store):
    root = tmp_path / "data"
    linked(root / "cat", store / "cat")
    linked(root / "dog", store / "dog")
    with pytest.raises(UserError, match=r"data.follow_links = true takes it \(cat/, dog/\)"):
        read_class_folder(root)
    assert len(read_class_folder(root, follow_links=True)) == 6


def test_one_linked_class_among_others_is_left_out_by_name(tmp_path, store):
    root = files(tmp_path / "data", "ant/1.jpg", "bee/1.jpg")
    linked(root / "cat", store / "cat")
    data = read_class_folder(root)
    assert data.classes == ("ant", "bee")
    assert any("cat/" in note and "data.follow_links" in note for note in data.notes)
    assert read_class_folder(root, follow_links=True).classes == ("ant", "bee", "cat")


def test_linked_folders_within_a_class(tmp_path, store):
    root = files(tmp_path / "data", "cat/own.jpg", "dog/own.jpg", "dog/session/1.jpg")
    linked(root / "cat/session", store / "cat")
    linked(root / "cat/again", root / "dog/session")
    names, said = taken(root, follow=False)
    assert "cat/again/1.jpg" in names
    assert not any(name.startswith("cat/session") for name in names)
    assert "cat/session/" in said
    assert "data.follow_links = true" in said
    assert len(taken(root, follow=True)[0]) == len(names) + 3


def test_linked_split_folders(tmp_path, store):
    other = files(tmp_path / "other", "cat/9.jpg", "dog/9.jpg")
    root = tmp_path / "data"
    linked(root / "train", store)
    linked(root / "val", other)
    with pytest.raises(UserError, match=r"data\.follow_links = true"):
        read_class_folder(root)
    data = read_class_folder(root, follow_links=True)
    assert data.splits == ("train", "val")
    assert len(data) == 8


@pytest.mark.parametrize("follow", [False, True])
def test_circles_end(tmp_path, follow):
    root = files(tmp_path / "data", "cat/1.jpg", "dog/1.jpg", "cat/a/2.jpg", "cat/b/3.jpg")
    linked(root / "cat/up", Path(".."))
    linked(root / "cat/a/b", root / "cat/b")
    linked(root / "cat/b/a", root / "cat/a")
    linked(root / "cat/self", Path("self"))
    data = read_class_folder(root, follow_links=follow)
    pictures = [item.name for item in data if item.name.endswith(".jpg")]
    assert len(pictures) == len(set(pictures)) == 4
    assert any("circle" in note for note in data.notes)


def test_many_links_to_few_folders_are_read_once_each(tmp_path):
    root = files(tmp_path / "data", "dog/1.jpg", "cat/end/1.jpg")
    for level in range(30):  # 2 ** 30 ways down
        deeper = root / f"cat/{level + 1}" if level < 29 else root / "cat/end"
        for way in "ab":
            linked(root / f"cat/{level}/{way}", deeper)
    data = read_class_folder(root)
    assert data.counts() == {"cat": 1, "dog": 1}


def test_the_data_folder_itself_may_be_a_link(tmp_path, store):
    linked(tmp_path / "link", store)
    names, said = taken(tmp_path / "link", follow=False)
    assert len(names) == 6
    assert not said


def test_links_to_nothing_are_named(tmp_path):
    root = files(tmp_path / "data", "cat/1.jpg", "dog/1.jpg")
    linked(root / "cat/dead.jpg", root / "gone.jpg")
    linked(root / "dead", root / "gone")
    _, said = taken(root, follow=True)
    assert "a symbolic link to nothing" in said
    assert "(dead)" in said


@pytest.mark.parametrize("how", ["file", "folder"])
def test_a_manifest_is_held_to_the_same_rule(tmp_path, store, how):
    root = files(tmp_path / "data", "own.jpg", "deep/own.jpg")
    linked(root / "within", root / "deep")
    if how == "file":
        for name in ("cat", "dog"):
            linked(root / name / "0.jpg", store / name / "0.jpg")
    else:
        linked(root / "cat", store / "cat")
        linked(root / "dog", store / "dog")
    rows = ["path,label", "cat/0.jpg,cat", "dog/0.jpg,dog", "own.jpg,cat", "within/own.jpg,dog"]
    rows.append(f"{store}/cat/1.jpg,cat")  # named outright: nothing is followed
    rows.append("../store/cat/2.jpg,cat")
    (root / "m.csv").write_text("\n".join(rows))
    found = read_source(root / "m.csv", unpack_to=tmp_path / "to")
    reasons = [refusal(item.path, root, Limits()) for item in found]
    assert sum(reason is not None for reason in reasons) == 2
    assert all(reason is None or "data.follow_links = true" in reason for reason in reasons)
    assert not any(refusal(item.path, root, Limits(follow_links=True)) for item in found)
