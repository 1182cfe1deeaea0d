"""Which class is which output: stated by the user, by the numbers of the names, or by the records' labels."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from transferkit.data.sources import read_source
from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress


def png(number):
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), number % 256, np.uint8)).save(file, "PNG")
    return file.getvalue()


def folders(root, *names, each=6):
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(each):
            (root / name / f"{i}.png").write_bytes(png(label * each + i))
    return root


def records(path, rows, compression=None):
    """Writes rows of (image bytes, label or None, text or None)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for image, label, text in rows:
            feature = {"image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))}
            if label is not None:
                number = tf.train.Int64List(value=[label])
                feature["image/class/label"] = tf.train.Feature(int64_list=number)
            if text is not None:
                value = tf.train.BytesList(value=[text.encode()])
                feature["image/class/text"] = tf.train.Feature(bytes_list=value)
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    return path


def rows(labels, texts=None):
    texts = texts or dict.fromkeys(labels)
    return [(png(10 * label + i), label, texts[label]) for label in labels for i in range(3)]


def read(tmp_path, place, **options):
    return read_source(place, unpack_to=tmp_path / "to", **options)


def test_folders_named_by_numbers_sort_as_numbers(tmp_path):
    data = read(tmp_path, folders(tmp_path / "d", *map(str, range(12))))
    assert data.classes == tuple(map(str, range(12)))
    assert all(data.classes[item.label] == item.name.split("/")[0] for item in data)


def test_a_manifests_numbers_sort_as_numbers(tmp_path):
    (tmp_path / "m.csv").write_text("path,label\n1.png,10\n2.png,9\n3.png,2\n")
    assert read(tmp_path, tmp_path / "m.csv").classes == ("2", "9", "10")


def test_a_list_fixes_the_order(tmp_path):
    root = folders(tmp_path / "d", "ant", "bee", "cat")
    data = read(tmp_path, root, classes=["cat", "ant", "bee"])
    assert data.classes == ("cat", "ant", "bee")
    assert {item.name.split("/")[0]: item.label for item in data} == {"cat": 0, "ant": 1, "bee": 2}


@pytest.mark.parametrize("text", ["cat\nant\nbee\n", "\ufeffcat\r\nant\r\nbee", "cat\nant\n\nbee\n\n"])
def test_a_file_fixes_the_order(tmp_path, text):
    (tmp_path / "names.txt").write_text(text, encoding="utf-8", newline="")
    root = folders(tmp_path / "d", "ant", "bee", "cat")
    assert read(tmp_path, root, classes=str(tmp_path / "names.txt")).classes == ("cat", "ant", "bee")


def test_several_labels_an_image_move_with_their_classes(tmp_path):
    (tmp_path / "m.csv").write_text("path,labels\n1.png,red|round\n2.png,\n3.png,round\n")
    data = read(tmp_path, tmp_path / "m.csv", classes=["round", "red"])
    assert data.classes == ("round", "red")
    assert [item.labels for item in data] == [(0, 1), (), (0,)]
    assert data.label_text(data.items[0]) == '["red", "round"]', "ledgers name them in one order"


def test_faults_of_a_stated_list_are_named_together(tmp_path):
    root = folders(tmp_path / "d", "ant", "bee")
    with pytest.raises(UserError) as error:
        read(tmp_path, root, classes=["ant", "beee", "cat"])
    said = str(error.value)
    assert "did you mean 'bee'" in said
    assert "'cat', expected a class that the data have images of" in said
    assert "data: class 'bee'" in said
    for classes, says in ((["ant", "ant", "bee"], "each name once"), ([], "names of the classes")):
        with pytest.raises(UserError, match=says):
            read(tmp_path, root, classes=classes)
    with pytest.raises(UserError, match="No such file"):
        read(tmp_path, root, classes=str(tmp_path / "gone.txt"))


@pytest.mark.parametrize("stated", ['["b", "a"]', "FILE"])
def test_a_recipe_states_it(tmp_path, stated):
    root = folders(tmp_path / "d", "a", "b", each=12)
    (tmp_path / "names.txt").write_text("b\na\n")
    value = stated if stated != "FILE" else repr(str(tmp_path / "names.txt"))
    settings = [f"data.path={str(root)!r}", f"data.classes={value}"]
    settings.append(f"activations.cache_dir={str(tmp_path / 'cache')!r}")
    images = prepare(load(None, settings), Progress(quiet=True))
    assert images.classes == ("b", "a")
    assert all(
        images.classes[label] == row.label for label, row in zip(images.labels, images.rows, strict=True)
    )


def test_label_k_of_records_is_output_k(tmp_path):
    for split in ("train", "val"):
        records(tmp_path / f"d/{split}.tfrecord", rows(range(12)))
    data = read(tmp_path, tmp_path / "d")
    assert data.classes == tuple(map(str, range(12)))
    assert data.splits == ("train", "val")
    assert not any("output" in note for note in data.notes)


def test_texts_name_the_labels_and_do_not_move_them(tmp_path):
    texts = {0: "zebra", 1: "ant", 2: "moth"}
    data = read(tmp_path, records(tmp_path / "a.tfrecord", rows([2, 0, 1], texts)))
    assert data.classes == ("zebra", "ant", "moth")
    assert not any("output" in note for note in data.notes)
    # As slim's scripts wrote them: the first class is 1.
    texts = {1: "zebra", 2: "ant", 3: "moth"}
    data = read(tmp_path, records(tmp_path / "b.tfrecord", rows([1, 2, 3], texts)))
    assert data.classes == ("zebra", "ant", "moth")
    assert "the labels run from 1 to 3: output k is label k + 1" in data.notes
    again = read(tmp_path, tmp_path / "b.tfrecord")
    assert (again.classes, again.notes) == (data.classes, data.notes), "from the cache as well"


def test_labels_with_gaps_keep_their_order_and_are_told(tmp_path):
    data = read(tmp_path, records(tmp_path / "a.tfrecord", rows([20, 3, 7])))
    assert data.classes == ("3", "7", "20")
    assert "the labels are 3, 7, 20: outputs 0 to 2 stand for them in this order" in data.notes


def test_texts_alone_are_sorted(tmp_path):
    data = read(tmp_path, records(tmp_path / "a.tfrecord", [(png(1), None, "b"), (png(2), None, "a")]))
    assert data.classes == ("a", "b")


def test_a_stated_order_is_above_the_records(tmp_path):
    path = records(tmp_path / "a.tfrecord", rows([0, 1], {0: "ant", 1: "bee"}))
    assert read(tmp_path, path, classes=["bee", "ant"]).classes == ("bee", "ant")


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ((png(2), 1, "bee"), "received 'bee', expected 'ant'"),
        ((png(2), 2, "ant"), "received 2, expected 1"),
        ((png(2), 1, None), "received nothing, expected 'ant'"),
        ((png(2), None, "ant"), "received nothing, expected 1"),
    ],
)
def test_records_that_contradict_each_other_are_refused(tmp_path, second, says):
    path = records(tmp_path / "a.tfrecord", [(png(1), 1, "ant"), second])
    with pytest.raises(UserError, match=f"record 2.*{says}"):
        read(tmp_path, path)
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00001", "validation-00000-of-00001"),
        ("flowers_train_00000-of-00001.tfrecord", "flowers_validation_00000-of-00001.tfrecord"),
        ("Train.tfrec", "Val.tfrec"),
        ("cifar_train.tfrecords", "cifar_eval.tfrecords"),
    ],
)
def test_shards_by_any_of_their_usual_names(tmp_path, names):
    for name in names:
        records(tmp_path / "d" / name, rows([0, 1]))
    (tmp_path / "d/labels.txt").write_text("0:a\n1:b\n")
    data = read(tmp_path, tmp_path / "d")
    assert data.splits in (("train", "val"), ("train", "test"))
    assert [one.name for one in data.left_out] == ["labels.txt"]
    assert len(read(tmp_path, tmp_path / "d" / names[0])) == 6


@pytest.mark.parametrize("name", ["a.tfrecord.gz", "a.tfrecord", "train-00000-of-00001.gz"])
def test_compressed_records(tmp_path, name):
    path = records(tmp_path / name, rows([0, 1]), "GZIP")
    assert read(tmp_path, path).counts() == {"0": 3, "1": 3}


def test_half_a_layout_of_record_files_is_refused(tmp_path):
    for name in ("train", "val", "more"):
        records(tmp_path / f"d/{name}.tfrecord", rows([0, 1]))
    with pytest.raises(UserError, match=r"more\.tfrecord'.*tells its split, as train\.tfrecord does"):
        read(tmp_path, tmp_path / "d")


def test_a_run_among_the_records_is_no_class(tmp_path):
    records(tmp_path / "d/a.tfrecord", rows([0, 1]))
    for name in ("metrics.json", "recipe.toml", "plot.png"):
        (tmp_path / "d/runs/first").mkdir(parents=True, exist_ok=True)
        (tmp_path / "d/runs/first" / name).write_bytes(b"x")
    data = read(tmp_path, tmp_path / "d")
    assert data.classes == ("0", "1")
    assert [one.name for one in data.left_out] == ["runs/"]


@pytest.mark.parametrize("count", [3, 100])
def test_raw_pixels_are_refused_as_what_they_are(tmp_path, count):
    raw = np.zeros((8, 8, 3), np.uint8).tobytes()
    path = records(tmp_path / "a.tfrecord", [(raw, i % 2, None) for i in range(count)])
    with pytest.raises(UserError, match=r"192 bytes that begin with 00 00 00 00.*raw pixels"):
        read(tmp_path, path)
    # One broken image among others is a matter of that image.
    path = records(tmp_path / "b.tfrecord", [(raw, 0, None), *rows([0, 1])])
    assert len(read(tmp_path, path)) == 7


def test_records_below_split_folders_are_named(tmp_path):
    records(tmp_path / "d/train/a.tfrecord", rows([0, 1]))
    records(tmp_path / "d/val/a.tfrecord", rows([0, 1]))
    with pytest.raises(UserError, match=r"train/a\.tfrecord"):
        read(tmp_path, tmp_path / "d")
