"""The images of a run: limits, ledgers of earlier runs, several labels. No TensorFlow is needed."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.training.prepare_images import load_labelled, prepare
from transferkit.training.progress import Progress

QUIET = Progress(quiet=True)


@pytest.fixture
def photos(tmp_path):
    """Two classes of 30 pictures, 16 x 12."""
    for k, name in enumerate("ab"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(30):
            pixels = np.random.default_rng(100 * k + i).integers(0, 256, (12, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path / "photos"


def prepared(data, *words):
    return prepare(load(None, [("data.path", str(data)), *words]), QUIET)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("data.max_pixels=192", "300 × 200 pixels, above the limit of 192"),
        ("data.max_side=299", "(or 299 a side)"),
        ("data.max_bytes=2000", "bytes, above the limit of 2,000"),
    ],
)
def test_limits_of_the_recipe_set_files_aside(photos, word, says):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)).save(
        photos / "a/big.png"
    )
    assert not prepared(photos).unreadable
    found = prepared(photos, word)
    ((name, reason, kind),) = found.unreadable
    assert kind == "limit"
    assert name == "a/big.png"
    assert says in reason
    assert len(found) == 60
    assert not [note for note in found.notes if "big.png" in note], "named once, in the quarantine"


def test_links_out_of_the_folder_are_the_users_choice(photos, tmp_path):
    shutil.move(photos / "a/0.png", tmp_path / "outside.png")
    (photos / "a/0.png").symlink_to(tmp_path / "outside.png")
    assert [one.name for one in prepared(photos).unreadable] == ["a/0.png"]
    assert len(prepared(photos, "data.follow_links=true")) == 60


def test_a_ledger_of_an_earlier_run_stands_and_says_so(photos, tmp_path):
    first = prepared(photos, "data.split_seed=4")
    (tmp_path / "run").mkdir()
    first.ledger.write(tmp_path / "run" / "split.csv")
    other = prepared(photos, "data.split_seed=9")
    assert [row.split for row in other.rows] != [row.split for row in first.rows]
    Image.new("RGB", (16, 12), "red").save(photos / "b/new.png")
    shutil.move(photos / "b/3.png", photos / "b/moved.png")
    word = f"data.ledger='{tmp_path / 'run'}'"
    held = prepared(photos, "data.split_seed=9", word)
    there = {row.sha256: row.split for row in first.rows}
    assert [row.name for row in held.rows if row.sha256 not in there] == ["b/new.png"]
    assert all(row.split == there[row.sha256] for row in held.rows if row.sha256 in there)
    assert any("gives 60 of 61 images their split" in note for note in held.notes)
    (photos / "b").rename(photos / "c")
    with pytest.raises(UserError, match=r"data\.ledger: class: received 'b'"):
        prepared(photos, word)


def tags(photos, rows):
    path = photos.parent / "tags.csv"
    path.write_text(
        "\n".join(["path,labels", *(f"photos/{name},{'|'.join(labels)}" for name, labels in rows)])
    )
    return path


def test_several_labels_become_marks(photos):
    rows = [
        (f"{name}/{i}.png", [name] if i % 3 else ["c", name] if i % 2 else [])
        for name in "ab"
        for i in range(30)
    ]
    found = prepared(tags(photos, rows), "head.kind=multi_label")
    assert found.multi_label
    assert found.labels.dtype == np.float32
    marked = {
        row.name: set(np.array(found.classes)[labels > 0])
        for row, labels in zip(found.rows, found.labels, strict=True)
    }
    assert marked == {f"photos/{name}": set(labels) for name, labels in rows}
    train = found.of_split("train")
    assert found.train_counts == found.labels[train].sum(axis=0).astype(int).tolist()
    less = found.without([(int(train[0]), "broken")], load(None).data)
    assert len(less.labels) == len(found) - 1


def test_images_to_evaluate_on_take_the_runs_order_of_classes(photos):
    recipe = load(None, ["head.kind=multi_label"])
    found = load_labelled(
        recipe,
        str(tags(photos, [("a/0.png", ["b"]), ("a/1.png", []), ("a/2.png", ["b", "a"])])),
        ("z", "b", "a"),
        QUIET,
    )
    assert found.labels.tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 1]]
    with pytest.raises(UserError, match="one of the run's classes"):
        load_labelled(recipe, str(photos.parent / "tags.csv"), ("b", "z"), QUIET)
    with pytest.raises(UserError, match=r"tags\.csv', expected one class an image, as in the run"):
        load_labelled(load(None), str(photos.parent / "tags.csv"), ("b", "a"), QUIET, admit_new=True)
    with pytest.raises(UserError, match="expected lists of labels, as in the run"):
        load_labelled(recipe, str(photos), ("b", "a"), QUIET)
    single = load_labelled(load(None), str(photos), ("b", "a"), QUIET)
    assert [single.classes[label] for label in single.labels] == [row.label for row in single.rows]


def test_images_to_validate_on_are_always_wanted(photos):
    with pytest.raises(UserError, match=r"data\.validation: received 0.0, expected images to validate on"):
        prepared(photos, "data.validation=0")
