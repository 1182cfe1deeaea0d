"""Layouts of folders as data sets bring them: splits, classes, and what is said of the rest."""

from __future__ import annotations

import pytest

from transferkit.data.sources.class_folder import read_class_folder
from transferkit.errors import UserError


def pictures(*folders, count=3):
    return [f"{folder}/{i}.jpg" for folder in folders for i in range(count)]


def tree(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(name.encode())
        else:
            path.mkdir(exist_ok=True)
    return root


def both(*splits):
    return pictures(*(f"{split}/{name}" for split in splits for name in "ab"))


def left(data):
    """Every file that is in no item, by the records and by the notes."""
    said = " ".join(data.notes)
    for one in data.left_out:
        assert one.reason in said
    return {one.name: one.files for one in data.left_out}


SPLITS = {
    "train val test": (both("train", "val", "test"), "train val test"),
    "Training Testing": (both("Training", "Testing"), "train test"),
    "TRAIN VALIDATION": (both("TRAIN", "VALIDATION"), "train val"),
    "train dev": (both("train", "dev"), "train val"),
    "train holdout": (both("train", "holdout"), "train test"),
    "train hold-out": (both("train", "hold-out"), "train test"),
    "training validation evaluation": (both("training", "validation", "evaluation"), "train val test"),
    "train eval test": (both("train", "eval", "test"), "train val test"),
    "trn tst": (both("trn", "tst"), "train test"),
    "train_set test_set": (both("training_set", "test_set"), "train test"),
    "train_images val": (both("train_images", "val"), "train val"),
    "Train Data, Test Data": (both("Train Data", "Test Data"), "train test"),
    "train2017 val2017": (both("train2017", "val2017"), "train val"),
    "TrainSet TestSet": (both("TrainSet", "TestSet"), "train test"),
    "seg_train/seg_train": (both("seg_train/seg_train", "seg_test/seg_test"), "train test"),
    "test_set/test_set": (both("training_set/training_set", "test_set/test_set"), "train test"),
    "train/images": (both("train/images", "val/images"), "train val"),
    "images/train": (both("images/train", "images/val"), "train val"),
    "dataset/images/train": (both("dataset/images/train", "dataset/images/test"), "train test"),
    "archive/data/set/train": (both("archive/data/set/train", "archive/data/set/val"), "train val"),
    "test/train test/val": (both("test/train", "test/val"), "train val"),
    "train alone": (both("train"), "train"),
    "train/train": (both("train/train"), "train"),
    "classes first": (pictures("a/train", "a/test", "b/train", "b/test"), "train test"),
    "no splits": (pictures("a", "b"), ""),
    "wrapped": (pictures("flower_photos/a", "flower_photos/b"), ""),
    "train_images wraps": (pictures("train_images/a", "train_images/b"), ""),
}


@pytest.mark.parametrize("name", SPLITS)
def test_a_layout_gives_every_picture_its_class_and_split(tmp_path, name):
    files, splits = SPLITS[name]
    data = read_class_folder(tree(tmp_path, *files))
    assert data.classes == ("a", "b")
    assert " ".join(data.splits) == splits
    assert sorted(item.name for item in data) == sorted(files)
    assert data.left_out == ()


def _three(folder):
    return {f"{folder}/{i}.jpg": 1 for i in range(3)}


LEFT_OUT = {
    "flat test": ([*both("train", "val"), *pictures("test")], "train val", _three("test")),
    "flat test, no val": ([*both("train"), *pictures("test")], "train", _three("test")),
    "strays in val": ([*both("train", "valid"), *pictures("valid")], "train val", _three("valid")),
    "strays in train": ([*both("train", "val"), "train/x.jpg"], "train val", {"train/x.jpg": 1}),
    "to_sort": ([*both("train", "val"), *pictures("to_sort")], "train val", {"to_sort/": 3}),
    "labelled extra": ([*both("train", "test"), *both("extra")], "train test", {"extra/": 6}),
    "flat pred": (
        [*both("seg_train/seg_train", "seg_test/seg_test"), *pictures("seg_pred/seg_pred")],
        "train test", {"seg_pred/": 3},
    ),
    "flat test in a folder": (
        [*both("train"), *pictures("test/images")], "train", _three("test/images"),
    ),
    "flat test in itself": ([*both("train"), *pictures("test/test")], "train", _three("test/test")),
    "papers": ([*pictures("d/a", "d/b"), "d/LICENSE", "d/README"], "", {"d/LICENSE": 1, "d/README": 1}),
    "scripts": ([*both("train", "val"), "scripts/x.py"], "train val", {"scripts/": 0}),
    "the set within itself": (
        [*both("train", "val"), *both("chest/train", "chest/val")], "train val", {"chest/": 12},
    ),
    "licence beside the wrapper": (
        [*pictures("flowers/a", "flowers/b"), "LICENSE.txt"], "", {"LICENSE.txt": 1},
    ),
    "table beside the wrapper": (
        [*both("d/train", "d/test"), "d/train.csv"], "train test", {"d/train.csv": 1},
    ),
    "stray beside the wrapper": ([*pictures("d/a", "d/b"), "cover.jpg"], "", {"cover.jpg": 1}),
    "licence in the wrapper": (
        [*pictures("flowers/a", "flowers/b"), "flowers/LICENSE.txt"], "", {"flowers/LICENSE.txt": 1},
    ),
    "boxes beside images": ([*pictures("images/a", "images/b"), "labels/a/0.txt"], "", {"labels/": 0}),
    "annotations beside pictures": (
        [*pictures("a", "b"), "a/0.xml", "b/boxes.json"], "", {"a/0.xml": 1, "b/boxes.json": 1},
    ),
    "code beside classes": ([*pictures("a", "b"), "code/x.py"], "", {"code/": 0}),
    "empty class in val": ([*both("train"), *pictures("val/a"), "val/b/"], "train val", {"val/b/": 0}),
    "macOS": ([*pictures("a", "b"), "__MACOSX/a/._0.jpg", "a/._0.jpg", ".DS_Store"], "", {}),
    "network disk": ([*pictures("a", "b"), "a/@eaDir/0.jpg/thumb.jpg"], "", {}),
    "hidden": ([*pictures("a", "b"), "a/.old.jpg", ".cache/x/1.jpg"], "", {"a/.old.jpg": 1, ".cache/": 0}),
    "hidden runs": (
        [*pictures("a", "b"), "runs/.first.partial/events/x.jpg"], "", {"runs/.first.partial/": 0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_is_named_and_counted(tmp_path, name):
    files, splits, expected = LEFT_OUT[name]
    data = read_class_folder(tree(tmp_path, *files))
    assert data.classes == ("a", "b")
    assert " ".join(data.splits) == splits
    assert left(data) == expected
    jpgs = [file for file in files if file.endswith(".jpg") and not _nobody_misses(file)]
    hidden = sum("/." in file or file.startswith(".") for file in jpgs) - ("a/.old.jpg" in files)
    counted = sum(one.files for one in data.left_out if one.name.endswith((".jpg", "/")))
    assert len(data) + counted + hidden == len(jpgs)


def _nobody_misses(file):
    return "._" in file or "@eaDir" in file


REFUSED = {
    "train beside one folder": ([*both("train"), *pictures("to_sort")], "to_sort"),
    "flat val": ([*both("train"), *pictures("val")], "3 pictures and no class folders"),
    "flat train and test": (pictures("train", "test"), "3 pictures and no class folders"),
    "flat with a list": (
        [*pictures("train_images", "test_images"), "train.csv"],
        "train.csv lists their labels",
    ),
    "one folder with a list": ([*pictures("images"), "labels.csv"], "labels.csv lists their labels"),
    "flat with more": (pictures("train", "test", "sample"), "3 pictures and no class folders"),
    "boxes": ([*pictures("images/train", "images/val"), "labels/train/0.txt"], "no class folders"),
    "test without train": ([*both("test"), *both("images")], "rename images to train"),
    "val and test without train": (both("val", "test"), "add train/"),
    "two of one split": (both("train", "val", "dev", "test"), "one folder a split"),
    "both tests": (both("train", "val", "test", "holdout"), "one folder a split"),
    "another case": ([*pictures("train/Cat", "train/Dog"), *pictures("val/cat")], "did you mean 'Cat'"),
    "a class that train lacks": ([*both("train"), *pictures("test/c")], "a class of train"),
    "an empty class": ([*pictures("a", "b"), "c/"], "class 'c'"),
    "an empty class beside one of sessions": ([*pictures("cat/s1", "cat/s2"), "dog/"], "class 'dog'"),
    "an empty class in train": ([*both("train", "val"), "train/c/"], "class 'c'"),
    "a split called test1": ([*pictures("train", "test1"), "sampleSubmission.csv"], "no class folders"),
    "a set beside more of it": (
        [*both("set/set/train", "set/set/valid"), *pictures("test/test")],
        "give set/set as",
    ),
    "the classes within themselves": ([*pictures("a", "b"), *pictures("all/a", "all/b")], "beside it"),
    "masks beside images": ([*pictures("images", "annotations/trimaps")], "parts of one set"),
    "masks of classes": ([*both("images", "masks")], "parts of one set"),
    "folds": (both("train_1", "test_1", "train_2", "test_2"), "one folder a split"),
    "the same classes in two renderings": (both("color", "grey"), "give one of them as the data"),
    "numbered folds": (both("fold1", "fold2", "fold3"), "for example fold1"),
    "flat val in a folder": ([*both("train"), *pictures("val/images")], "val/images"),
    "one class in each": (pictures("train/a", "test/a"), "at least 2 class folders"),
    "arrays for pictures": ([*pictures("a", "b"), "c/0.npy", "c/1.npy"], "2 other files"),
    "flat": ([f"{i}.jpg" for i in range(5)], "5 pictures and no folders"),
    "only an archive": (["train.zip"], "train.zip"),
    "one class": (pictures("photos"), "at least 2 class folders"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_half_a_layout_is_refused_by_name(tmp_path, name):
    files, says = REFUSED[name]
    with pytest.raises(UserError) as error:
        read_class_folder(tree(tmp_path, *files))
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("names", "odd"),
    [
        ([*"abcdefghi", "test"], "test"),
        (["bus", "car", "train"], "train"),
        (["steam_train", "bus"], None),
        (["crash_test", "train_station"], None),
        (["trainer", "valley", "testament"], None),
    ],
)
def test_a_class_may_be_called_like_a_split(tmp_path, names, odd):
    data = read_class_folder(tree(tmp_path, *pictures(*names)))
    assert data.classes == tuple(sorted(names))
    assert data.splits == ()
    beside = [name for name in sorted(names) if name != odd]
    listed = ", ".join(beside if len(beside) < 5 else [*beside[:4], "…"])
    assert list(data.notes) == ([f"{odd}: a class like {listed}, not a split"] if odd else [])


def test_stated_classes_settle_what_a_folder_is(tmp_path):
    root = tree(tmp_path, *pictures("train/steam", "train/diesel", "bus/city", "bus/coach"))
    with pytest.raises(UserError, match=r"list them in data\.classes"):
        read_class_folder(root)
    data = read_class_folder(root, known=("bus", "train"))
    assert data.classes == ("bus", "train")
    assert len(data) == 12
    root = tree(tmp_path / "views", *pictures("cup/back", "cup/front", "jar/back", "jar/front"))
    with pytest.raises(UserError, match=r"list them in data\.classes"):
        read_class_folder(root)
    assert read_class_folder(root, known=("cup", "jar")).classes == ("cup", "jar")


def test_classes_that_differ_in_case_only_are_told(tmp_path):
    tree(tmp_path, *pictures("A", "a", "b"))
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this disk takes both names for one")
    assert "A and a are different classes by their case" in read_class_folder(tmp_path).notes


def test_a_class_of_folders_and_pictures_loses_none(tmp_path):
    files = pictures("cat", "cat/day/1", "cat/day/2", "dog/day/1", "dog/day/2")
    data = read_class_folder(tree(tmp_path, *files))
    assert sorted(item.name for item in data) == sorted(files)
    assert data.left_out == ()


def test_folders_within_class_folders_are_told(tmp_path):
    data = read_class_folder(tree(tmp_path / "1", *pictures("animals/cat", "animals/dog", "plants/oak")))
    assert data.classes == ("animals", "plants")
    assert any("animals/cat" in note for note in data.notes)
    # Two views of each of three classes, and photos by session.
    views = [f"{name}/{view}" for name in ("cup", "jar", "mug") for view in ("front", "back")]
    data = read_class_folder(tree(tmp_path / "2", *pictures(*views)))
    assert data.classes == ("cup", "jar", "mug")
    assert any("if the latter are the classes" in note for note in data.notes)
    sessions = pictures("cat/s1", "cat/s2", "dog/s1", "dog/s2")
    assert read_class_folder(tree(tmp_path / "4", *sessions)).classes == ("cat", "dog")
    # Photos that are sorted by day, in some classes.
    data = read_class_folder(tree(tmp_path / "3", *pictures("cat/monday", "dog")))
    assert data.classes == ("cat", "dog")


def test_classes_that_are_divided_in_part_stay_whole_with_a_note(tmp_path):
    data = read_class_folder(tree(tmp_path, *pictures("a/train", "a/test", "b")))
    assert data.splits == ()
    assert len(data) == 9
    assert any(
        "a/train, a/test are read as images of a" in note or "a/test, a/train" in note for note in data.notes
    )


def test_accents_stored_in_another_form_are_the_same_class(tmp_path):
    files = [*pictures("train/Lo\u0308we", "train/b"), *pictures("val/L\u00f6we")]
    data = read_class_folder(tree(tmp_path, *files))
    assert data.counts() == {"Lo\u0308we": 6, "b": 3}
    assert any("accents" in note for note in data.notes)


def test_a_class_that_a_later_split_lacks_is_told(tmp_path):
    data = read_class_folder(tree(tmp_path, *both("train"), *pictures("val/a")))
    assert "val/ has no images of b" in data.notes


def test_evaluation_needs_no_train_folder(tmp_path):
    root = tree(tmp_path, *pictures("val/a", "val/b", "test/a"))
    data = read_class_folder(root, minimum_classes=1, known=("a", "b"))
    assert data.splits == ("val", "test")
    assert data.counts() == {"a": 6, "b": 3}
    root = tree(tmp_path / "one", *pictures("cat/monday", "cat/friday"))
    assert read_class_folder(root, minimum_classes=1, known=("cat", "dog")).classes == ("cat",)


RUN = ("metrics.json", "recipe.toml", "report.html", "export/1/saved_model.pb", "export/1/assets/labels.txt")


@pytest.mark.parametrize(
    "written",
    [
        [f"runs/first/{name}" for name in RUN],
        [f"first/{name}" for name in RUN],
        [f"a/first/{name}" for name in RUN],
        ["runs/sweep/sweep.toml", "runs/sweep/sweep.json", "runs/sweep/trials/1/x.png"],
        ["export/1/saved_model.pb", "export/1/assets/labels.txt"],
        ["demo/digits/0/1.png", "demo/digits/1/1.png", "demo/run/metrics.json", "demo/run/recipe.toml"],
        ["cache/activations/x/store.json", "cache/engines/x.json", "cache/sources/z/files/a/1.jpg"],
        ["runs/.first.partial/model.png"],
    ],
)  # fmt: skip
def test_what_transferkit_wrote_among_the_photos_is_no_class(tmp_path, written):
    data = read_class_folder(
        tree(tmp_path, *pictures("a", "b"), *written, *(f"runs/old/{name}" for name in RUN))
    )
    assert data.classes == ("a", "b")
    assert len(data) == 6
    assert any("run of transferkit" in note for note in data.notes)
    assert left(data)


def test_a_folder_left_out_stands_for_all_that_is_in_it(tmp_path):
    files = [*both("train", "val"), *pictures("extra/x"), "extra/notes.txt", "extra/x/.hidden.jpg"]
    assert left(read_class_folder(tree(tmp_path, *files))) == {"extra/": 3}


def test_a_thousand_classes_are_listed_once(tmp_path, monkeypatch):
    import os

    tree(tmp_path, *(f"{split}/n{i:04}/{split}.jpg" for split in ("train", "val") for i in range(1000)))
    scanned, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (scanned.append(path), scandir(path))[1])
    assert len(read_class_folder(tmp_path)) == 2000
    assert len(scanned) == len(set(scanned)) == 2003
