"""Faults planted among real photos, and how many of them are found."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

from transferkit.data.check import check_dataset
from transferkit.data.sources.class_folder import read_class_folder
from transferkit.inspection.check_data import check_data

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def flowers(shared_data, tmp_path):
    """A copy of the real photos, to plant faults in."""
    if not (shared_data / "flowers_small").is_dir():
        pytest.skip(f"needs real photos; {shared_data / 'flowers_small'} is no folder")
    shutil.copytree(shared_data / "flowers_small", tmp_path / "flowers")
    return tmp_path / "flowers"


def plant(flowers, changes, each=20):
    """Copies of training photos among the validation photos; returns the pairs by how they were changed."""
    rng = np.random.default_rng(0)
    chosen = rng.permutation(sorted((flowers / "train").glob("*/*.jpg")))[: each * len(changes)]
    planted = {}
    for i, (name, change) in enumerate(changes.items()):
        planted[name] = set()
        for k, path in enumerate(chosen[i * each : (i + 1) * each]):
            target = flowers / "val" / path.parent.name / f"{name} {k}.jpg"
            change(path, target)
            planted[name].add(frozenset(p.relative_to(flowers).as_posix() for p in (path, target)))
    return planted


def changed(function, **options):
    def change(path, target):
        function(Image.open(path).convert("RGB")).save(target, **options)

    return change


CHANGES = {
    "same": lambda path, target: shutil.copy(path, target),
    "recompressed": changed(lambda image: image, quality=50),
    "half": changed(lambda image: image.resize((image.width // 2, image.height // 2))),
    "mirrored": changed(ImageOps.mirror),
    "bright": changed(lambda image: image.point(lambda value: min(255, int(value * 1.1)))),
}


def found_pairs(result):
    return [frozenset(f.names) for kind in ("leak", "near_leak") for f in result.of_kind(kind)]


def test_planted_duplicates_are_found_by_looks_alone(flowers):
    planted = plant(flowers, CHANGES)
    pairs = found_pairs(check_dataset(read_class_folder(flowers)))
    for name, least in (("same", 20), ("recompressed", 19), ("half", 19), ("mirrored", 19), ("bright", 18)):
        hits = sum(any(pair <= found for found in pairs) for pair in planted[name])
        assert hits >= least, f"{name}: recall {hits / 20:.2f}"
    wanted = set().union(*planted.values())
    strangers = [found for found in pairs if not any(pair <= found for pair in wanted)]
    assert len(strangers) <= 2, "pairs that nobody planted; the photos hold one or two of their own"


def test_cropped_and_turned_copies_and_flipped_labels_are_found_by_features(flowers, keras_home):
    planted = plant(
        flowers,
        {
            "cropped": changed(lambda image: ImageOps.crop(image, border=min(image.size) // 20)),
            "turned": changed(
                lambda image: image.rotate(4, expand=False, resample=Image.Resampling.BILINEAR)
            ),
        },
    )
    rng = np.random.default_rng(1)
    names = sorted(path.name for path in (flowers / "train").iterdir())
    # Names of one split are unique, so a moved photo is the same photo under a wrong label.
    photos = sorted((flowers / "train").glob("*/*.jpg"))
    moved = set()
    for i in rng.choice(len(photos), 25, replace=False):
        wrong = rng.choice([name for name in names if name != photos[i].parent.name])
        target = flowers / "train" / wrong / f"moved {photos[i].name}"
        photos[i].rename(target)
        moved.add(target.relative_to(flowers).as_posix())

    result = check_data(flowers, backbone="mobilenet_v2")
    suspected = [finding.names[0] for finding in result.of_kind("likely_mislabelled")]
    recall = len(moved & set(suspected)) / 25
    assert recall >= 0.7, f"recall {recall:.2f}"
    assert len(suspected) <= 25 * 4, f"{len(suspected)} suspects for 25 flipped labels"

    pairs = found_pairs(result)
    for name, least in (("cropped", 15), ("turned", 12)):
        # A photo whose original was moved is paired under its new name: count by the planted side.
        copies = {next(n for n in pair if n.startswith("val/")) for pair in planted[name]}
        hits = sum(any(copy in found for found in pairs) for copy in copies)
        assert hits >= least, f"{name}: recall {hits / 20:.2f}"
