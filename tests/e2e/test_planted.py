"""Faults planted among images of shapes, and how many of them a data check finds."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

from transferkit.inspection.check_data import check_data

FLIPPED, COPIES = 12, 10


def saved(change, **options):
    def plant(source, target):
        change(Image.open(source).convert("RGB")).save(target, **options)

    return plant


CHANGES = {
    "same.png": shutil.copy,
    "recompressed.jpg": saved(lambda image: image, quality=60),
    "half.png": saved(lambda image: image.resize((image.width // 2, image.height // 2))),
    "mirrored.png": saved(ImageOps.mirror),
}


@pytest.fixture(scope="module")
def planted(shapes, tmp_path_factory):
    """Shapes in train and val, with wrong labels in train and copies of training images in val.

    Returns:
        The folder, the names of images with a wrong label, and the pairs of each kind of copy.
    """
    root = tmp_path_factory.mktemp("planted")
    classes = sorted(path.name for path in shapes.iterdir())
    for name in classes:
        for number, path in enumerate(sorted((shapes / name).iterdir())):
            target = root / ("train" if number % 4 else "val") / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    rng = np.random.default_rng(5)
    chosen = rng.permutation(sorted((root / "train").glob("*/*.png"))).tolist()
    pairs = {}
    for kind, plant in CHANGES.items():
        pairs[kind] = set()
        for number in range(COPIES):
            source = chosen.pop()
            target = root / "val" / source.parent.name / f"{number} {kind}"
            plant(source, target)
            pairs[kind].add(frozenset(one.relative_to(root).as_posix() for one in (source, target)))
    flipped = set()
    for source in chosen[:FLIPPED]:
        wrong = rng.choice([name for name in classes if name != source.parent.name])
        target = root / "train" / wrong / f"was {source.parent.name} {source.name}"
        source.rename(target)
        flipped.add(target.relative_to(root).as_posix())
    return root, flipped, pairs


@pytest.fixture(scope="module")
def result(planted):
    return check_data(planted[0], backbone="embedded")


@pytest.mark.parametrize(
    ("kind", "least"), [("same.png", 10), ("recompressed.jpg", 9), ("half.png", 9), ("mirrored.png", 8)]
)
def test_copies_in_another_split_are_found(planted, result, kind, least):
    found = [frozenset(f.names) for name in ("leak", "near_leak") for f in result.of_kind(name)]
    hits = sum(any(pair <= names for names in found) for pair in planted[2][kind])
    assert hits >= least, f"recall {hits / COPIES:.2f}"


def test_by_looks_alone_hardly_anything_else_is_called_a_copy(planted):
    """Drawn shapes lie close together in any network's features, so strangers are counted without them."""
    result = check_data(planted[0])
    wanted = set().union(*planted[2].values())
    found = [frozenset(f.names) for name in ("leak", "near_leak") for f in result.of_kind(name)]
    assert sum(any(pair <= names for names in found) for pair in wanted) >= 0.9 * len(wanted)
    assert len([names for names in found if not any(pair <= names for pair in wanted)]) <= 2


def test_flipped_labels_are_found(planted, result):
    named = [finding.names[0] for finding in result.of_kind("likely_mislabelled")]
    hits = len(planted[1] & set(named))
    assert hits >= 0.75 * FLIPPED, f"recall {hits / FLIPPED:.2f}"
    assert len(named) <= 3 * FLIPPED, f"{len(named)} images named for {FLIPPED} wrong labels"
