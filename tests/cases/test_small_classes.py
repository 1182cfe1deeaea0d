"""Few images a class, and many classes: what was refused is trained, and what nothing is known of is said."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transferkit
from transferkit.data.source import DataSet, Item
from transferkit.data.splits.split import split_dataset


@pytest.mark.parametrize(
    ("classes", "each"), [(5, 6), (20, 12), (100, 10), (40, 12), (102, 20), (400, 20), (1000, 30), (200, 3)]
)
def test_every_class_is_in_every_split_of_the_default_shares(classes, each):
    names = tuple(f"c{c:04}" for c in range(classes))
    items = tuple(
        Item(Path(f"/x/{name}/{k}"), f"{name}/{k}", c) for c, name in enumerate(names) for k in range(each)
    )
    hashes = [hashlib.sha256(item.name.encode()).hexdigest() for item in items]
    rows = split_dataset(DataSet(Path("/x"), names, items), hashes, validation=0.15, test=0.15).rows
    there = defaultdict(set)
    for row in rows:
        there[row.split].add(row.label)
    assert {split: len(found) for split, found in there.items()} == dict.fromkeys(there, classes)
    assert set(there) == {"train", "val", "test"}
    alone = sum(row.split != "train" for row in rows) / len(rows)
    # The shares hold as far as one image in each split allows.
    assert alone < 0.3 + 2 / each


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on four classes of 8, 6, 2 and 1 images, and what it said."""
    root = tmp_path_factory.mktemp("small")
    for label, (name, count) in enumerate((("many", 8), ("some", 6), ("two", 2), ("one", 1))):
        (root / "photos" / name).mkdir(parents=True)
        for k in range(count):
            pixels = np.random.default_rng(100 * label + k).normal(40 + 60 * label, 20, (24, 24, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "photos" / name / f"{k}.png")
    words = ["epochs=2", "evaluation.grad_cam=0", "export.parity=false"]
    return transferkit.retrain(
        data=root / "photos", run=root / "run", backbone="embedded", quiet=True, overrides=words
    )


def test_classes_of_one_and_two_images_train(run):
    from transferkit.data.splits.ledger import Ledger

    there = defaultdict(set)
    for row in Ledger.read(run.path / "split.csv").rows:
        there[row.label].add(row.split)
    every = {"train", "val", "test"}
    assert there == {"many": every, "some": every, "two": {"train", "val"}, "one": {"train"}}


def test_the_report_says_of_which_classes_nothing_is_known(run):
    report = (run.path / "report.html").read_text("utf-8")
    assert "No test image of one, two: nothing is known about these classes." in report
    assert "val: no image of 1 of 4 classes, which have too few (one)" in report
