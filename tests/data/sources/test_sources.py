"""Which source a reference names, and the extra that may be missing."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from transferkit.data.sources import read_source
from transferkit.errors import UserError


def test_folders_and_manifests_are_told_apart(tmp_path, picture):
    for name in "ab":
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "x.jpg").write_bytes(picture(1))
    (tmp_path / "m.csv").write_text("path,label\nphotos/a/x.jpg,p\nphotos/b/x.jpg,q\n")
    assert read_source(tmp_path / "photos", unpack_to=tmp_path).classes == ("a", "b")
    assert read_source(str(tmp_path / "m.csv"), unpack_to=tmp_path).classes == ("p", "q")


def test_what_is_none_of_them(tmp_path):
    (tmp_path / "x.docx").write_text("words")
    with pytest.raises(UserError, match="a manifest"):
        read_source(tmp_path / "x.docx", unpack_to=tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        read_source(tmp_path / "gone", unpack_to=tmp_path)


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(UserError, match=r"pip install 'transferkit\[tfds\]'"):
        read_source("tfds:beans", unpack_to=tmp_path)


class Builder:
    """What is used of a builder of TensorFlow Datasets."""

    def __init__(self, examples, features):
        self._examples = examples
        self.info = types.SimpleNamespace(features=features, full_name="beans/1.0.0", splits={**examples})

    def download_and_prepare(self):
        pass

    def as_dataset(self, split, decoders):
        assert decoders == {"image": "encoded"}
        return self._examples[split]


def library(builder):
    return types.SimpleNamespace(
        builder=lambda name: builder,
        as_numpy=iter,
        decode=types.SimpleNamespace(SkipDecoding=lambda: "encoded"),
    )


def test_a_prepared_data_set_comes_through_undecoded(tmp_path, monkeypatch, picture):
    examples = {
        split: [{"image": picture(i + base), "label": np.int64(i % 2)} for i in range(2)]
        for split, base in (("train", 0), ("validation", 10))
    }
    features = {"image": None, "label": types.SimpleNamespace(names=["good", "bad"])}
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", library(Builder(examples, features)))
    found = read_source("tfds:beans", unpack_to=tmp_path)
    assert found.classes == ("good", "bad"), "label k of the library is output k"
    assert found.splits == ("train", "val")
    assert {item.path.read_bytes() for item in found} == {
        e["image"] for part in examples.values() for e in part
    }
    assert {found.classes[item.label] for item in found if item.path.read_bytes() == picture(11)} == {"bad"}


def test_a_data_set_without_labels_is_refused(tmp_path, monkeypatch):
    builder = Builder({}, {"image": None, "objects": None})
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", library(builder))
    with pytest.raises(UserError, match="the features image and label"):
        read_source("tfds:coco", unpack_to=tmp_path)
