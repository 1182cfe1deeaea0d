"""Features of a share of the images, computed by jobs that know nothing of each other."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil

import pytest

from transferkit.activations.cache import Cache
from transferkit.cli import main
from transferkit.data.shard import Shard
from transferkit.errors import UserError
from transferkit.runs.features.shards import compute_features, read_shard

OVERRIDES = ["backbone=embedded"]


@pytest.fixture(scope="module")
def photos(noise_photos):
    return noise_photos({"dark": 60, "light": 190}, count=12, spread=20, seed=11)


def rows(cache):
    return sum(entry.rows for entry in Cache(cache).entries() if entry.kind == "activations")


def test_each_image_is_in_one_shard():
    hashes = [hashlib.sha256(bytes([number])).hexdigest() for number in range(200)]
    for of in (1, 2, 3, 16):
        held = [[one for one in hashes if Shard(number, of).has(one)] for number in range(1, of + 1)]
        assert sorted(itertools.chain(*held)) == sorted(hashes)
        assert all(held)


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "a/b", "-1/4", "1/0", "", "1/4/2", "1.5/4"])
def test_what_is_no_shard_is_refused_before_work(text):
    with pytest.raises(UserError, match=r"^--shard: received .*3/16"):
        compute_features(data="nowhere", shard=text)
    with pytest.raises(UserError):
        read_shard(text)


@pytest.mark.slow
def test_shards_together_are_all_that_a_run_needs(photos, tmp_path, capsys):
    cache = tmp_path / "cache"
    done = [compute_features(None, OVERRIDES, data=photos, to=cache, shard=f"{n}/3") for n in (1, 2, 3)]
    assert {one.images for one in done} == {24}
    assert sum(one.mine for one in done) == sum(one.computed for one in done) == 24
    assert rows(cache) == 24
    again = compute_features(None, OVERRIDES, data=photos, to=cache, shard="2/3")
    assert (again.computed, again.found) == (0, done[1].mine)
    # Shares stay when files move.
    moved = shutil.copytree(photos, tmp_path / "moved")
    (moved / "dark" / "00.png").rename(moved / "dark" / "zz.png")
    assert compute_features(None, OVERRIDES, data=moved, to=cache, shard="2/3").computed == 0
    everything = compute_features(None, OVERRIDES, data=moved, to=cache)
    assert (everything.mine, everything.computed, everything.found) == (24, 0, 24)
    # A run keeps the weights of the first phase's cut, and so finds the same rows.
    arguments = ["retrain", "--data", photos, "--run", tmp_path / "run", "--backbone", "embedded", "--quiet"]
    settings = ["epochs=1", f"activations.cache_dir={cache}", "export.parity=false", "evaluation.grad_cam=0"]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), *(part for one in settings for part in ("--set", one))])
    assert not ended.value.code
    assert rows(cache) == 24


def test_the_command_says_what_it_did_and_names_what_it_could_not_read(photos, tmp_path, capsys):
    data = shutil.copytree(photos, tmp_path / "data")
    (data / "dark" / "00.png").write_bytes((data / "dark" / "00.png").read_bytes()[:60])
    arguments = [
        "features",
        "compute",
        "--data",
        data,
        "--backbone",
        "embedded",
        "--to",
        tmp_path / "cache",
        "-q",
    ]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--json"])
    assert not ended.value.code
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["computed"], found["found"]) == (23, 0)
    assert [one["name"] for one in found["unreadable"]] == ["dark/00.png"]
    assert "dark/00.png" in err


def test_without_anything_to_keep_it_is_refused(photos, tmp_path):
    settings = [*OVERRIDES, "augmentation.flip=true", "activations.views=0"]
    with pytest.raises(UserError, match=r"activations\.views: received 0"):
        compute_features(None, settings, data=photos, to=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
