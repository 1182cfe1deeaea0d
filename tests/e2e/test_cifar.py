"""CIFAR-10 as TFRecord files: read, checked, retrained on a part of it, evaluated on another."""

from __future__ import annotations

import csv

import pytest

import transferkit
from transferkit.inspection.check_data import check_data

pytestmark = [pytest.mark.real, pytest.mark.slow]

TRAIN, TEST = 1200, 400


@pytest.fixture(scope="module")
def parts(shared_data, tmp_path_factory):
    """A folder with the first records of both files, and a file with later ones of the test."""
    import tensorflow as tf

    folder = shared_data / "cifar10"
    if not folder.is_dir():
        pytest.skip(f"needs CIFAR-10; {folder} is no folder")
    made = tmp_path_factory.mktemp("cifar")
    (made / "both").mkdir()
    cuts = {
        "both/train.tfrecord": (0, TRAIN),
        "both/test.tfrecord": (0, TEST),
        "later.tfrecord": (TEST, TEST),
    }
    for name, (first, count) in cuts.items():
        source = folder / ("train.tfrecord" if "train" in name else "test.tfrecord")
        with tf.io.TFRecordWriter(str(made / name)) as writer:
            for record in tf.data.TFRecordDataset(str(source)).skip(first).take(count).as_numpy_iterator():
                writer.write(record)
    return made


@pytest.fixture(scope="module")
def run(parts, tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "cifar"
    settings = ["head.kind=logistic", "evaluation.grad_cam=0"]
    return transferkit.retrain(
        data=parts / "both", run=place, backbone="embedded", quiet=True, overrides=settings
    )


def test_a_retraining_on_records(run):
    assert len(run.classes) == 10
    assert "airplane" in run.classes
    assert run.summary["images"]["train"] + run.summary["images"]["val"] == TRAIN
    assert run.metrics["samples"] == TEST
    assert run.metrics["accuracy"] >= 0.4, "chance is 0.1"
    with open(run.path / "split.csv", newline="") as file:
        assert {row["split"] for row in csv.DictReader(file)} == {"train", "val", "test"}


def test_it_is_evaluated_on_another_file(run, parts):
    found = run.evaluate(parts / "later.tfrecord")
    assert found.metrics["samples"] == TEST
    assert abs(found.metrics["accuracy"] - run.metrics["accuracy"]) < 0.12


def test_the_check_has_little_to_say_and_shows_its_pictures(parts, tmp_path):
    result = check_data(parts / "both", backbone="embedded", page=tmp_path / "check.html")
    assert result.images == TRAIN + TEST
    assert set(result.formats) == {"jpeg"}
    assert not result.refused
    assert sum(result.counts["test"].values()) == TEST
    assert "labels" in result.checked
    assert (tmp_path / "check.html").read_text("utf-8").count("data:image/jpeg") >= 10
