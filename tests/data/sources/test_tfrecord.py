"""TFRecord files."""

from __future__ import annotations

import pytest
import tensorflow as tf

from transferkit.data.sources import read_source
from transferkit.errors import UserError


@pytest.fixture
def record(picture):
    """A function: path, [(number of a picture, label, text)] -> the file."""

    def write(path, rows, encoded="image/encoded"):
        def feature(value):
            if isinstance(value, int):
                return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

        with tf.io.TFRecordWriter(str(path)) as writer:
            for number, label, text in rows:
                features = {encoded: feature(picture(number, "PNG" if number % 2 else "JPEG"))}
                if label is not None:
                    features["image/class/label"] = feature(label)
                if text is not None:
                    features["image/class/text"] = feature(text.encode())
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
        return path

    return write


def test_a_folder_with_splits(tmp_path, record, picture):
    folder = tmp_path / "records"
    folder.mkdir()
    record(folder / "train-00000-of-00002.tfrecord", [(0, 1, "cat"), (1, 0, "dog")])
    record(folder / "train-00001-of-00002.tfrecord", [(2, 1, "cat")])
    record(folder / "test.tfrecord", [(3, 0, "dog")])
    found = read_source(folder, unpack_to=tmp_path / "to")
    assert found.classes == ("dog", "cat"), "label k is output k"
    rows = sorted((item.path.read_bytes(), found.classes[item.label], item.split) for item in found)
    kinds = {0: "JPEG", 1: "PNG", 2: "JPEG", 3: "PNG"}
    expected = [(0, "cat", "train"), (1, "dog", "train"), (2, "cat", "train"), (3, "dog", "test")]
    assert rows == sorted((picture(n, kinds[n]), name, split) for n, name, split in expected)
    assert {item.path.suffix for item in found} == {".jpg", ".png"}
    again = read_source(folder, unpack_to=tmp_path / "to")
    assert again.items == found.items


def test_one_file_without_texts_and_splits(tmp_path, record):
    found = read_source(
        record(tmp_path / "pets.tfrecord", [(0, 7, None), (1, 12, None)]), unpack_to=tmp_path / "to"
    )
    assert found.classes == ("7", "12")
    assert found.splits == ()


def test_faults(tmp_path, record):
    with pytest.raises(UserError, match=r"record 1: received 'picture', expected the feature image/encoded"):
        read_source(record(tmp_path / "a.tfrecord", [(0, 1, "a")], "picture"), unpack_to=tmp_path / "to")
    with pytest.raises(UserError, match=r"image/class/label or"):
        read_source(record(tmp_path / "b.tfrecord", [(0, None, None)]), unpack_to=tmp_path / "to")
    path = record(tmp_path / "c.tfrecord", [(0, 1, "a"), (1, 2, "b")])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match="after record 1"):
        read_source(path, unpack_to=tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.real
@pytest.mark.slow
def test_cifar10(tmp_path, shared_data):
    folder = shared_data / "cifar10"
    if not folder.is_dir():
        pytest.skip(f"needs CIFAR-10; {folder} is no folder")
    found = read_source(folder / "test.tfrecord", unpack_to=tmp_path)
    assert len(found) == 10_000
    assert len(found.classes) == 10
    assert set(found.counts().values()) == {1000}
