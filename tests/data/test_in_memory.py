"""Images that a program holds become files that a recipe can name."""

from __future__ import annotations

import io
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
