"""Files that are listed and cannot be used: missing, beyond a limit and undecodable are different faults."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """img/cat and img/dog with 30 pictures each."""
    root = tmp_path_factory.mktemp("missing")
    for label, name in enumerate(("cat", "dog")):
        (root / "img" / name).mkdir(parents=True)
        for k in range(30):
            pixels = np.random.default_rng(100 * label + k).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(root / "img" / name / f"{k:03}.png")
    return root


def manifest(folder, path):
    file = folder / "m.csv"
    rows = [f"{path(name, k)},{name}" for name in ("cat", "dog") for k in range(30)]
    file.write_text("\n".join(["path,label", *rows]) + "\n")
    return file


def prepared(data, *words):
    return prepare(load(None, [("data.path", str(data)), *words]), Progress(quiet=True))


def refused(data, *words):
    with pytest.raises(UserError) as caught:
        prepared(data, *words)
    return caught.value.faults


def test_missing_files_in_bulk_are_a_fault_of_the_manifest(folder):
    table = manifest(folder, lambda c, k: f"img/{c}/{k:03}.png" if k % 5 == 0 else f"img/{c}/gone{k:03}.png")
    faults = refused(table)
    assert faults[0].startswith("data: received '48 of 60 files missing', expected at most 5%; ")
    assert "the others are there: correct these rows" in faults[0]
    assert "data.max_missing=SHARE" in faults[0]
    assert "img/cat/gone001.png" in faults[1]
    assert faults[-1] == "data: and 43 more"
    # A share for other reasons allows none of these.
    assert refused(table, "data.max_unreadable=0.9", "data.max_beyond_limits=0.9") == faults
    found = prepared(table, "data.max_missing=0.9")
    assert len(found) == 12
    assert {one.kind for one in found.unreadable} == {"missing"}


def test_backslashes_beside_slashes_lead_to_the_same_files(folder):
    table = manifest(folder, lambda c, k: f"img/{c}/{k:03}.png" if k % 5 == 0 else f"img\\{c}\\{k:03}.png")
    found = prepared(table)
    assert len(found) == 60
    assert any("48 path(s) are read with / for \\" in note for note in found.notes)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (lambda c, k: f"images/{c}/{k:03}.png", 'img/cat/000.png is there: data.root="'),
        (lambda c, k: f"img/{c}/{k:03}.JPG", "img/cat/000.png is there: the manifest spells it otherwise"),
        (lambda c, k: f"img/{c}", "it is a folder"),
        (lambda c, k: f"nowhere/{c}{k}", "data.path_suffix adds one"),
    ],
)
def test_the_nearest_correction_is_worked_out(folder, path, says):
    table = manifest(folder, path)
    assert any(says in line for line in refused(table)), refused(table)


def test_paths_without_endings_find_their_files(folder):
    found = prepared(manifest(folder, lambda c, k: f"img/{c}/{k:03}"))
    assert len(found) == 60
    assert any("img/cat/000.png" in note for note in found.notes)


def test_the_hint_leads_to_the_files(folder):
    table = manifest(folder, lambda c, k: f"images/{c}/{k:03}.png")
    (hint,) = [line for line in refused(table) if "data.root=" in line]
    root = hint.partition('data.root="')[2].partition('"')[0]
    assert len(prepared(table, ("data.root", root))) == 60


def test_each_kind_has_its_own_limit(folder, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for k in range(30):
            side = 8 if k < 6 else 40
            pixels = np.random.default_rng(k).integers(0, 256, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{name}{k}.png")
    faults = refused(tmp_path, "data.max_pixels=100", "data.max_unreadable=0.9", "data.max_missing=0.9")
    assert faults[0].startswith("data: received '48 of 60 files beyond the limits', expected at most 5%")
    assert "data.max_beyond_limits=SHARE" in faults[0]
    assert "above the limit of 100" in faults[1]
    for k in range(6, 30):
        (tmp_path / "cat" / f"cat{k}.png").write_bytes(b"")
    faults = refused(tmp_path, "data.max_pixels=100", "data.max_beyond_limits=0.9", "data.max_missing=0.9")
    assert faults[0].startswith("data: received '24 of 60 files unreadable', expected at most 5%")
    assert len([line for line in refused(tmp_path, "data.max_pixels=100") if "expected at most" in line]) == 2
