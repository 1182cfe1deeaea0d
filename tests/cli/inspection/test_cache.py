"""``transferkit cache`` shows, prunes and clears, and needs no TensorFlow for it."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import pytest
from click.testing import CliRunner

from transferkit.activations.cache import Cache
from transferkit.activations.index import digests_of
from transferkit.cli.inspection.cache import command


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Cache:
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path))
    cache = Cache()
    for age, name in enumerate(["newer", "older"]):
        identity = {"cut": name, "size": [8, 6], "resize": "crop"}
        store = cache.store(identity, (250,), "float32", label=name)
        digests = digests_of([hashlib.sha256(bytes([at])).hexdigest() for at in range(4)])
        store.add(digests, np.zeros((4, 250), np.float32))
        os.utime(store.segment_path(min(store.segments())), (9000 - age, 9000 - age))
    return cache


def run(*arguments: str, **options) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False, **options)
    assert result.exit_code == 0, result.output
    return result.output


def test_info_lists_what_is_there(cache):
    lines = run("info").splitlines()
    assert lines[0].startswith(f"{cache.folder}: 8.0 kB of at most")
    assert lines[2].split()[:8] == ["activations", "newer", "8x6", "crop", "float32", "4", "4.0", "kB"]
    assert "older" in lines[3]


def test_info_as_json(cache):
    facts = json.loads(run("info", "--json"))
    assert facts["bytes"] == 8000
    assert [entry["about"]["label"] for entry in facts["entries"]] == ["newer", "older"]


@pytest.mark.parametrize(
    ("bound", "left"),
    [("4000", 4000), ("4kB", 4000), ("0.004 M", 4000), ("4KiB", 4000), ("8k", 8000), ("0", 0)],
)
def test_prune_takes_sizes_with_units(cache, bound, left):
    run("prune", "--max-bytes", bound)
    assert cache.bytes() == left


def test_prune_refuses_what_is_no_size(cache):
    result = CliRunner().invoke(command, ["prune", "--max-bytes", "many"])
    assert result.exit_code == 2
    assert "received 'many'" in result.output
    assert cache.bytes() == 8000


def test_verify_names_what_is_damaged_and_repairs_it_where_told(cache):
    assert run("verify") == f"{cache.folder}: 0 of 8 rows and files are damaged\n"
    store = next(path for path in cache.stores.iterdir() if "older" in (path / "store.json").read_text())
    segment = min(store.glob("*.seg"))
    data = bytearray(segment.read_bytes())
    data[5] ^= 1
    segment.write_bytes(data)
    for _ in range(2):
        result = CliRunner().invoke(command, ["verify"])
        assert result.exit_code == 1
        lines = result.output.splitlines()
        assert lines[0].endswith("1 of 8 rows and files are damaged")
        assert lines[-1].split() == [
            "activations",
            "older",
            store.name,
            "1",
            *["repair", "it", "with", "--repair"],
        ]
    assert run("verify", "--repair").rstrip().endswith("removed")
    entries = json.loads(run("verify", "--json"))["entries"]
    assert {(one["label"], one["parts"], one["damaged"]) for one in entries} == {
        ("older", 3, 0),
        ("newer", 4, 0),
    }


def test_clear_asks_first(cache):
    result = CliRunner().invoke(command, ["clear"], input="n\n")
    assert result.exit_code == 1
    assert cache.bytes() == 8000
    run("clear", input="y\n")
    assert cache.bytes() == 0


def test_clear_of_a_named_folder_leaves_the_default_alone(cache, tmp_path):
    run("clear", "--yes", "--cache-dir", str(tmp_path / "other"))
    assert cache.bytes() == 8000
