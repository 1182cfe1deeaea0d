"""A head on two networks and on mirror images, from photos to exports that answer the same."""

from __future__ import annotations

import json

import pytest

import transferkit
from transferkit.errors import UserError
from transferkit.runs.folder.verify import verify_run

JOINED = [
    ("backbone.join", ["embedded"]),
    ("backbone.mirror", True),
    ("head.kind", "kernel"),
    ("head.features", "levels"),
    ("data.test", 0.3),
    ("evaluation.resamples", 0),
]


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    return transferkit.retrain(
        data=shapes, run=tmp_path_factory.mktemp("runs") / "joined", backbone="embedded", image_size=64,
        quiet=True, overrides=JOINED,
    )  # fmt: skip


def test_it_learns_and_its_export_agrees(run):
    assert run.metrics["accuracy"] >= 0.8
    assert all(one["passed"] for one in json.loads((run.path / "parity.json").read_text())["artefacts"])
    found = json.loads((run.path / "head.json").read_text())
    assert found["levels"][0] == "embedded:stage2"
    assert found["levels"][-1] == "embedded':top"


def test_it_is_restored_from_the_run_alone(run):
    assert run.evaluate(quiet=True).metrics["accuracy"] == pytest.approx(run.metrics["accuracy"])
    assert not verify_run(run)


def test_every_format_agrees(run):
    formats = ["keras", "tflite", "tflite_float16", "tflite_int8"]
    run.export(formats=formats, quiet=True)
    assert {"model.keras", "model.tflite"} <= {one.name for one in run.path.rglob("model.*")}


def test_what_is_joined_stays_frozen(shapes, tmp_path):
    with pytest.raises(UserError, match=r"'all' with backbone\.join"):
        transferkit.retrain(
            data=shapes, run=tmp_path / "run", backbone="embedded", quiet=True,
            overrides=[("backbone.join", ["embedded"]), ("freeze", {"last": 2})],
        )  # fmt: skip
    assert not list(tmp_path.iterdir())
