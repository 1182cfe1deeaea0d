"""Which images a run has once others come or go: known by the ledger alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from transferkit.data.splits.ledger import Ledger, Row
from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.runs.extend.joined_images import images_of, less, more, named_files


def _rows(name, numbers, split="train"):
    return [Row(f"{hash((name, n)) % 16**15:064x}", f"{name}/{n}.jpg", name, split) for n in numbers]


def _images(rows, classes):
    ledger = Ledger(tuple(rows))
    return images_of(ledger, [f"/gone/{row.name}" for row in rows], [row.sha256 for row in rows], classes)


@pytest.fixture
def old():
    rows = []
    for name in ("red", "blue sky"):
        rows += [*_rows(name, range(6)), *_rows(name, range(6, 8), "val"), *_rows(name, range(8, 10), "test")]
    return _images(rows, ("red", "blue sky"))


def test_new_photos_get_splits_and_the_old_ones_keep_theirs(old):
    new = _images(_rows("green", range(40), "all"), ("red", "blue sky", "green"))
    grown = more(old, new, load(overrides=["data.validation=0.2", "data.test=0.2"]))
    assert grown.classes == ("red", "blue sky", "green")
    assert {row.split for row in grown.new.rows} == {"train", "val", "test"}
    assert set(grown.new.labels) == {2}


def test_photos_that_are_there_already_are_left_out_and_counted(old):
    copies = [Row(row.sha256, f"again/{n}.jpg", row.label, "all") for n, row in enumerate(old.rows[:3])]
    new = _images([*copies, *_rows("green", range(5), "all")], ("red", "blue sky", "green"))
    grown = more(old, new, load())
    assert grown.known == 3
    assert len(grown.new) == 5
    with pytest.raises(UserError, match="has all of these 3 photos"):
        more(old, _images(copies, ("red", "blue sky")), load())


def test_a_photo_that_the_run_calls_otherwise_is_refused_by_name(old):
    wrong = Row(old.rows[0].sha256, "x.jpg", "blue sky", "all")
    with pytest.raises(UserError, match=r"x\.jpg: received 'blue sky', expected red"):
        more(old, _images([wrong], ("red", "blue sky")), load())


def test_two_photos_of_one_name_are_two(old):
    new = _images([Row("f" * 64, "red/0.jpg", "red", "all")], ("red", "blue sky"))
    (row,) = more(old, new, load()).new.rows
    assert row.name not in {one.name for one in old.rows}


def test_a_class_goes_and_the_others_keep_their_order(old):
    three = _images([*old.rows, *_rows("a", range(3)), *_rows("a", [3], "val")], ("red", "blue sky", "a"))
    left = less(three, three.classes, (), ["red"])
    assert left.classes == ("blue sky", "a")
    assert [three.rows[index] for index in left.kept] == list(left.images.rows)
    np.testing.assert_array_equal(
        left.images.labels, [left.classes.index(row.label) for row in left.images.rows]
    )


@pytest.mark.parametrize(
    ("files", "names", "says"),
    [
        ((), ["red"], "two classes at least"),
        ((), ["read"], "did you mean 'red'"),
        (range(6), (), "an image to train on that stays"),
        ((6, 7, 16, 17), (), "a validation image that stays"),
    ],
)
def test_too_little_or_nothing_to_leave_out_is_said(old, files, names, says):
    with pytest.raises(UserError, match=says):
        less(old, old.classes, files, names)


def test_a_list_names_photos_by_path_file_or_content(old):
    lines = ["red/1.jpg\r", "", f"  /gone/{old.rows[3].name}", old.rows[5].sha256]
    assert named_files(old, lines, "list.txt") == [1, 3, 5]
    with pytest.raises(UserError, match=r"list\.txt:2: received 'red/99\.jpg'"):
        named_files(old, ["red/1.jpg", "red/99.jpg"], "list.txt")
    with pytest.raises(UserError, match="it is empty"):
        named_files(old, ["", " "], "list.txt")


def test_a_list_that_ls_wrote_names_files_by_their_bytes(old):
    odd = replace(old, rows=(replace(old.rows[0], name="caf\\xe9.jpg"), *old.rows[1:]))
    assert named_files(odd, ["caf\udce9.jpg"], "list.txt") == [0]


def test_of_several_labels_one_goes_and_the_photo_stays():
    rows = [
        Row(f"{n:064x}", f"{n}.jpg", label, split)
        for n, (label, split) in enumerate(
            [('["a", "b"]', "train"), ('["b", "c"]', "train"), ("[]", "val"), ('["c"]', "train")]
        )
    ]
    images = images_of(Ledger(tuple(rows), True), [""] * 4, [row.sha256 for row in rows], ("a", "b", "c"))
    left = less(images, images.classes, (), ["a"])
    assert [row.label for row in left.images.rows] == ['["b"]', '["b", "c"]', "[]", '["c"]']
    assert left.images.labels.tolist() == [[1, 0], [1, 1], [0, 0], [0, 1]]
