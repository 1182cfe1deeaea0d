"""Images that a program holds become files that a recipe can name."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from transferkit.data.in_memory import encode_image, is_image, write_source
from transferkit.data.source_options import ManifestOptions
from transferkit.data.sources import read_source
from transferkit.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
LABELS = ["b", "a", "b", "a", "b", "a"]


class Frame:
    """The two things that are asked of a data frame of pandas or polars."""

    def __init__(self, rows):
        self.rows, self.columns = rows, list(rows[0])

    def to_dict(self, orient):
        assert orient == "records"
        return self.rows


class Names:
    names = ("zebra", "ape")


class Split(list):
    """The things that are asked of a data set of Hugging Face."""

    features: ClassVar = {"image": None, "label": Names}
    column_names = ("image", "label")


def pixels(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded)))


def read(found, tmp_path):
    return read_source(found["data.path"], unpack_to=tmp_path, classes=found.get("data.classes"))


def test_arrays_and_labels_are_written_once_and_exactly(tmp_path):
    found = write_source((IMAGES, LABELS), tmp_path)
    data = read(found, tmp_path)
    assert data.classes == ("a", "b")
    assert [data.label_text(item) for item in data] == LABELS
    for item, image in zip(data, IMAGES, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(item.path)), image)
    again = write_source((list(map(Image.fromarray, IMAGES[::-1])), LABELS[::-1]), tmp_path)
    assert again == found  # the same content in another order
    assert write_source((IMAGES, LABELS[::-1]), tmp_path) != found


def test_whole_numbers_are_classes_in_their_order(tmp_path):
    data = read(write_source((IMAGES, np.array([10, 2, 10, 2, 1, 1])), tmp_path), tmp_path)
    assert data.classes == ("1", "2", "10")


def test_a_data_frame_names_files_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(f"{number}.png")
    rows = [
        {"path": Path(f"{n}.png"), "label": label, "split": float("nan")} for n, label in enumerate(LABELS)
    ]
    found = write_source(Frame(rows), tmp_path / "cache")
    options = ManifestOptions(root=found["data.root"])
    data = read_source(found["data.path"], unpack_to=tmp_path, manifest=options)
    assert sorted(item.path.name for item in data) == [f"{n}.png" for n in range(6)]
    assert {data.label_text(item) for item in data} == {"a", "b"}


@pytest.mark.parametrize("batch", [None, 4])
def test_a_dataset_of_tensors(tmp_path, batch):
    import tensorflow as tf

    made = tf.data.Dataset.from_tensor_slices((IMAGES.astype(np.float32), [0, 1, 0, 1, 0, 1]))
    made = made.batch(batch) if batch else made
    made.class_names = ["late", "early"]  # as image_dataset_from_directory has them
    data = read(write_source(made, tmp_path), tmp_path)
    assert data.classes == ("late", "early")
    np.testing.assert_array_equal(np.asarray(Image.open(data.items[0].path)), IMAGES[0])


def test_hugging_face_splits_and_names(tmp_path):
    def split(*numbers):
        return Split({"image": Image.fromarray(IMAGES[n]), "label": n % 2} for n in numbers)

    data = read(write_source({"train": split(0, 1, 2, 3), "validation": split(4, 5)}, tmp_path), tmp_path)
    assert data.classes == ("zebra", "ape")
    assert [item.split for item in data] == ["train"] * 4 + ["val"] * 2
    assert [data.label_text(item) for item in data] == ["zebra", "ape"] * 3


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (3, "received 'int'"),
        ((IMAGES, LABELS[:2]), "6 images and 2 labels"),
        ((IMAGES[:0], []), "expected images"),
        ((IMAGES / 255.0, LABELS), "multiply by 255"),
        ((IMAGES.astype(np.float32) - 100, LABELS), "values of 0 to 255"),
        ((IMAGES[..., :2], LABELS), r"\[h, w, 3\]"),
        ((IMAGES, np.eye(6)), "for each image"),
        ((IMAGES, [0.5] * 6), "0.5"),
        ((IMAGES, np.arange(6)[:, None]), "ravel"),
        ((IMAGES, [b"\xff", *LABELS[1:]]), "xff"),
        ((IMAGES, ["", *LABELS[1:]]), "a name"),
        ((IMAGES, "bababa"), "a pair with a str"),
        ((IMAGES, dict.fromkeys(range(6), "a")), "a pair with a dict"),
        (([{"bytes": b"x"}], ["a"]), "received 'dict'"),
        (Frame([{"path": "a.png", "photo": IMAGES[0]}]), "in memory go as"),
    ],
)
def test_what_cannot_be_taken_is_named(tmp_path, data, said):
    with pytest.raises(UserError, match=said):
        write_source(data, tmp_path)
    assert not any(tmp_path.iterdir())


def test_images_of_every_layout_keep_their_pixels():
    grey = IMAGES[0, :, :, 0]
    np.testing.assert_array_equal(pixels(encode_image(grey)), grey)
    np.testing.assert_array_equal(pixels(encode_image(grey[..., None])), grey)
    np.testing.assert_array_equal(pixels(encode_image(IMAGES[0].astype(np.int64))), IMAGES[0])
    assert pixels(encode_image(Image.fromarray(IMAGES[0]).convert("CMYK"))).shape == (5, 4, 3)
    assert is_image(grey)
    assert not is_image("photo.jpg")


class Missing:
    """As pandas' NA: to ask whether it equals anything is an error."""

    def __eq__(self, other):
        return self

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = None


def test_cells_of_a_data_frame_keep_their_kind(tmp_path):
    """A missing value is none, an integer of NumPy no text, and an array a list."""
    rows = [
        {"path": "caf\udce9.png", "labels": np.array(["a", "b"]), "group": Missing()},
        {"path": Path("b.png"), "labels": {"b"}, "group": np.int64(7)},
    ]
    found = write_source(Frame(rows), tmp_path)
    lines = [json.loads(line) for line in Path(found["data.path"]).read_text().splitlines()]
    assert lines == [
        {"path": "caf\udce9.png", "labels": ["a", "b"]},
        {"path": "b.png", "labels": ["b"], "group": 7},
    ]


def test_a_data_frame_of_polars_and_one_with_a_column_twice(tmp_path):
    class Polars(Frame):
        def to_dict(self):  # another method than pandas' own
            raise AssertionError

        def to_dicts(self):
            return self.rows

    found = write_source(Polars([{"path": "a.png", "label": "x"}]), tmp_path)
    assert json.loads(Path(found["data.path"]).read_text()) == {"path": "a.png", "label": "x"}
    twice = Frame([{"path": "a.png", "label": "x"}])
    twice.columns = ["path", "label", "label"]
    with pytest.raises(UserError, match="label"):
        write_source(twice, tmp_path)


def test_paths_with_labels_are_taken_as_a_frame_of_them(tmp_path):
    found = write_source((["a.png", Path("b.png")], ["x", "y"]), tmp_path)
    lines = [json.loads(line) for line in Path(found["data.path"]).read_text().splitlines()]
    assert lines == [{"path": "a.png", "label": "x"}, {"path": "b.png", "label": "y"}]
    data = read(write_source(((one for one in IMAGES), iter(LABELS)), tmp_path), tmp_path)
    assert [data.label_text(item) for item in data] == LABELS


def test_no_split_of_hugging_face_is_left_out_without_a_word(tmp_path):
    def split(*numbers):
        return Split({"image": Image.fromarray(IMAGES[n]), "label": n % 2} for n in numbers)

    data = read(write_source({"train": split(0, 1, 2, 3), "dev": split(4, 5)}, tmp_path), tmp_path)
    assert [item.split for item in data] == ["train"] * 4 + ["val"] * 2
    with pytest.raises(UserError, match="extra"):
        write_source({"train": split(0, 1), "test": split(2), "extra": split(3)}, tmp_path)
    with pytest.raises(UserError, match="without columns"):
        write_source(type("Stream", (), {"features": None, "column_names": None})(), tmp_path)


def test_a_dataset_of_tensors_without_end_is_refused(tmp_path):
    import tensorflow as tf

    with pytest.raises(UserError, match="repeat"):
        write_source(tf.data.Dataset.from_tensor_slices((IMAGES, [0, 1] * 3)).repeat(), tmp_path)


def test_an_image_of_pillow_keeps_turn_alpha_and_depth():
    """Pillow's own conversions cut deep values off at 255, and drop alpha over hidden colours."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[274] = 6
    Image.fromarray(IMAGES[0]).save(file, "TIFF", exif=exif)
    np.testing.assert_array_equal(pixels(encode_image(Image.open(file))), np.rot90(IMAGES[0], -1))
    deep = np.arange(256, dtype=np.int32).reshape(16, 16) * 257
    for image in (
        Image.fromarray(deep),
        Image.frombytes("I;16B", (16, 16), deep.astype(">u2").tobytes()),
        Image.fromarray(deep.astype(np.uint16)),
    ):
        np.testing.assert_array_equal(pixels(encode_image(image)), deep)
    np.testing.assert_array_equal(pixels(encode_image(Image.fromarray(deep // 257))), deep // 257)
    with pytest.raises(UserError, match="values of 0 to 255"):
        encode_image(Image.fromarray(deep.astype(np.float32)))
    for mode, kept in (("PA", (8, 8, 4)), ("La", (8, 8, 2))):
        assert pixels(encode_image(Image.new("LA", (8, 8), (9, 0)).convert(mode))).shape == kept


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"label": "a"}, {"label": "b"}], "data: columns: .*reset_index"),
        ([{"label": "a", "seen": "1"}, {"label": "b", "seen": "2"}], "data: columns: .*reset_index"),
        ([{"path": "0.png"}, {"path": "1.png"}], "data: columns: "),
        ([{"path": "0.png", "file": "1.png", "class": "a", "target": "b"}], "data: columns: "),
        ([{"path": "0.png", "label": "a"}, {"path": "1.png", "label": 0.5}], "data: row 1: label"),
        ([{"path": "0.png", "label": "a"}, {"path": None, "label": "b"}], "data: row 1: path"),
        ([{"path": "0.png", "label": "a"}, {"path": "0.png", "label": "b"}], "data: row 1: .*a in row 0"),
        ([{"path": "0.png", "label": "a", "split": "tarin"}], "data: row 0: split"),
        ([{"path": "0.png", "label": "a"}] * 2, "data"),
    ],
)
def test_a_fault_in_a_data_frame_names_its_row_and_not_the_file_that_it_was_written_to(tmp_path, rows, said):
    found = write_source(Frame(rows), tmp_path)
    with pytest.raises(UserError, match=said) as caught:
        read_source(found["data.path"], unpack_to=tmp_path, manifest=ManifestOptions(root=str(tmp_path)))
    assert "manifest.jsonl" not in str(caught.value)


def test_a_note_on_a_data_frame_names_no_file_either(tmp_path):
    rows = [{"file": f"{number}.png", "label": "ab"[number % 2]} for number in range(4)]
    found = write_source(Frame(rows), tmp_path)
    data = read_source(found["data.path"], unpack_to=tmp_path, manifest=ManifestOptions(root=str(tmp_path)))
    assert [note for note in data.notes if "columns" in note] == [
        "data: columns path = 'file'; data.columns names others"
    ]
