"""What has changed since a run, and whether two runs differ by more than chance."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

import transferkit
from transferkit.cli import cli


@pytest.fixture(scope="module")
def runs(shapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    settings = ["data.test=0.2", "data.validation=0.2", "head.kind=linear", "epochs=3", "export.parity=false"]
    first, second = (
        transferkit.retrain(
            backbone="embedded", data=shapes, run=folder / name, quiet=True, overrides=[*settings, change]
        )
        for name, change in (("a", "seed=0"), ("b", "backbone.weights=random"))
    )
    return first, second


def call(*arguments, code=0):
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    assert done.exit_code == code, done.output
    return done.stdout


def test_nothing_changed_and_the_data_may_have_moved(runs, shapes, tmp_path):
    assert call("verify", runs[0].path).startswith("unchanged")
    moved = shutil.copytree(shapes, tmp_path / "moved")
    assert call("verify", runs[0].path, "--data", moved).startswith("unchanged")


@pytest.mark.slow
@pytest.mark.parametrize("named", ["earlier/split.csv", "earlier"])
def test_an_earlier_ledger_that_is_gone_is_a_change_and_no_error(runs, shapes, tmp_path, named):
    (tmp_path / "earlier").mkdir()
    shutil.copy(runs[0].path / "split.csv", tmp_path / "earlier" / "split.csv")
    ledger = tmp_path / named
    settings = [f"data.ledger='{ledger}'", "epochs=1", "export.parity=false", "evaluation.grad_cam=0"]
    run = transferkit.retrain(
        backbone="embedded", data=shapes, run=tmp_path / "run", quiet=True, overrides=settings
    )
    assert call("verify", run.path).startswith("unchanged")
    (tmp_path / "earlier" / "split.csv").unlink()
    (line,) = call("verify", run.path, code=1).splitlines()
    assert line.startswith("ledger_sha256: was ")
    assert line.endswith("is null")


def test_another_image_another_label_and_another_version_are_named(runs, shapes, tmp_path):
    changed = shutil.copytree(shapes, tmp_path / "changed")
    (changed / "circle" / "000.png").rename(changed / "cross" / "moved.png")
    lines = call("verify", runs[0].path, "--data", changed, code=1).splitlines()
    assert {line.split(":")[0] for line in lines} == {"data_sha256", "split_sha256"}

    copy = shutil.copytree(runs[0].path, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["versions"]["numpy"] = "0.1"
    manifest["weights_sha256"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    lines = call("verify", copy, code=1).splitlines()
    assert [line.split(":")[0] for line in lines] == ["manifest.json", "weights_sha256", "versions.numpy"]


def test_runs_are_compared_on_the_same_images(runs):
    shown = call("compare", runs[0].path, runs[1].path)
    assert "accuracy" in shown
    assert "backbone.weights" in shown
    assert "common images" in shown
    facts = json.loads(call("compare", runs[0].path, runs[1].path, "--json"))
    (against,) = facts["against_first"]
    accuracies = facts["metrics"]["accuracy"]
    assert against["difference"] == pytest.approx(accuracies[1] - accuracies[0])
    assert against["images"] == runs[0].metrics["samples"]
    (same,) = json.loads(call("compare", runs[0].path, runs[0].path, "--json"))["against_first"]
    assert same["p_value"] == 1.0
    assert call("compare", runs[0].path, code=1) == ""
