"""The check of whole data sets, with faults planted in them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from transferkit.data.check import KINDS, check_dataset, quick_check
from transferkit.data.hashing import hash_files
from transferkit.data.sources.class_folder import read_class_folder


def test_sound_data_has_nothing_but_small_classes(folder):
    result = check_dataset(read_class_folder(folder))
    assert [kind for kind, _, _ in result.summary()] == ["few_images"]
    assert result.counts == {"train": {"cat": 8, "dog": 8}, "val": {"cat": 4, "dog": 4}}
    assert result.formats == {"jpeg": 24}
    assert (result.widths, result.heights) == ((128, 128, 128), (96, 96, 96))
    assert result.images == 24
    assert "labels" not in result.checked


def test_planted_faults_are_found(folder):
    shutil.copy(folder / "train/cat/1.jpg", folder / "val/cat/copy.jpg")
    shutil.copy(folder / "train/cat/2.jpg", folder / "train/dog/copy.jpg")
    shutil.copy(folder / "train/cat/3.jpg", folder / "train/cat/copy.jpg")
    Image.open(folder / "train/dog/4.jpg").resize((90, 70)).save(folder / "val/dog/scaled.jpg", quality=60)
    Image.open(folder / "train/dog/5.jpg").save(folder / "train/dog/again.jpg", quality=50)
    Image.open(folder / "train/dog/6.jpg").save(folder / "train/cat/other class.jpg", quality=50)
    Image.new("RGB", (80, 80), (10, 200, 30)).save(folder / "train/cat/green.png")
    Image.new("RGB", (80, 80), (11, 200, 30)).save(folder / "val/cat/green too.png")
    (folder / "val/cat/half.jpg").write_bytes((folder / "train/cat/7.jpg").read_bytes()[:900])
    result = check_dataset(read_class_folder(folder))
    named = {
        kind: [set(finding.names) for finding in result.of_kind(kind)]
        for kind in KINDS
        if kind != "few_images"
    }
    assert {kind: found for kind, found in named.items() if found} == {
        "unreadable": [{"val/cat/half.jpg"}],
        "conflict": [{"train/cat/2.jpg", "train/dog/copy.jpg"}],
        "leak": [{"train/cat/1.jpg", "val/cat/copy.jpg"}],
        "near_leak": [{"train/dog/4.jpg", "val/dog/scaled.jpg"}],
        "near_conflict": [{"train/cat/other class.jpg", "train/dog/6.jpg"}],
        "constant": [{"train/cat/green.png"}, {"val/cat/green too.png"}],
        "duplicate": [{"train/cat/3.jpg", "train/cat/copy.jpg"}],
        "near_duplicate": [{"train/dog/5.jpg", "train/dog/again.jpg"}],
    }
    assert result.refused[0][0] == "val/cat/half.jpg"
    back = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert back["summary"]["leak"] == 1
    assert any("conflict" in sentence for sentence in result.sentences())
    assert not any("near duplicate" in sentence for sentence in result.sentences())


def test_features_tell_wrong_labels_and_mirrored_copies(folder):
    Image.open(folder / "train/cat/0.jpg").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
        folder / "val/cat/mirrored.jpg"
    )
    dataset = read_class_folder(folder)
    names = [item.name for item in dataset]
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(2, 32)) * 3
    given = np.stack([centres[item.label] for item in dataset]) + rng.normal(size=(len(dataset), 32)) * 3
    wrong = names.index("train/dog/3.jpg")
    given[wrong] = centres[0] + rng.normal(size=32)
    given[names.index("val/cat/mirrored.jpg")] = given[names.index("train/cat/0.jpg")] + 0.01
    given[names.index("train/dog/7.jpg")] = np.nan  # an image that the network could not take

    asked = []

    def features(rows):
        asked.extend(rows.tolist())
        return given[rows]

    result = check_dataset(dataset, features=features)
    assert asked == list(range(len(dataset)))
    assert {"train/cat/0.jpg", "val/cat/mirrored.jpg"} == set(result.of_kind("near_leak")[0].names)
    first = result.of_kind("likely_mislabelled")[0]
    assert first.names == ("train/dog/3.jpg",)
    assert first.classes == ("dog", "cat")
    assert "labelled dog, looks like cat" in first.message
    assert result.checked[-1] == "labels"


def test_splits_may_come_from_a_ledger(folder):
    flat = folder.parent / "flat"
    shutil.copytree(folder / "train", flat)
    shutil.copy(flat / "cat/1.jpg", flat / "cat/copy.jpg")
    dataset = read_class_folder(flat)
    assert check_dataset(dataset).of_kind("duplicate")
    splits = ["val" if item.name == "cat/copy.jpg" else "train" for item in dataset]
    assert check_dataset(dataset, splits=splits).of_kind("leak")


def test_the_cheap_part_opens_no_pixel_and_finds_what_headers_and_hashes_tell(folder):
    shutil.copy(folder / "train/cat/1.jpg", folder / "val/cat/copy.jpg")
    shutil.copy(folder / "train/cat/2.jpg", folder / "train/cat/named.png")
    (folder / "train/dog/link.jpg").symlink_to("/etc/hostname")
    (folder / "train/dog/words.jpg").write_text("words")
    dataset = read_class_folder(folder)
    seen = []
    found = quick_check(dataset, hash_files([item.path for item in dataset]), progress=seen.append)
    kinds = [finding.kind for finding in found]
    assert kinds == ["unreadable", "unreadable", "leak", "few_images", "few_images", "duplicate", "misnamed"]
    assert {finding.names[0] for finding in found[:2]} == {"train/dog/link.jpg", "train/dog/words.jpg"}
    assert seen == list(range(1, len(dataset) + 1))


def test_lopsided_classes_are_told(tmp_path):
    for name, count in (("many", 220), ("few", 20)):
        (tmp_path / name).mkdir()
        for i in range(count):
            (tmp_path / name / f"{i}.jpg").write_bytes(b"")
    dataset = read_class_folder(tmp_path)
    found = [f for f in quick_check(dataset, [None] * 240) if f.kind == "imbalance"]
    assert found[0].message == "'many' has 220 images, 'few' has 20"


@pytest.mark.real
def test_real_photos_hold_a_leak_that_no_hash_of_bytes_tells(shared_data):
    root = shared_data / "flowers_small"
    if not root.is_dir():
        pytest.skip(f"needs real photos; {root} is no folder")
    result = check_dataset(read_class_folder(root))
    assert result.refused == ()
    leaks = [set(finding.names) for finding in result.of_kind("near_leak")]
    assert {"train/daisy/10466290366_cc72e33532.jpg", "val/daisy/10994032453_ac7f8d9e2e.jpg"} in leaks
    assert len(leaks) <= 3
