"""Faults of the machine and damaged files: one line, the right status, and nothing lost."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import transferkit
from transferkit.cli import main
from transferkit.errors import UserError
from transferkit.export.versions import NewVersion, exclusive, versions
from transferkit.runs.finished.run import Run
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.training.progress import Progress


@pytest.fixture(scope="module")
def photos(noise_photos):
    return noise_photos({"left": 80, "right": 140}, count=10, spread=30, seed=8)


def ended(*arguments):
    with pytest.raises(SystemExit) as raised:
        main([str(part) for part in arguments])
    return raised.value.code


def test_a_name_to_which_nothing_can_be_added_is_refused(photos, capsys):
    arguments = ("retrain", "--data", photos, "--backbone", "embedded", "--run")
    assert ended(*arguments, photos.parent / ("x" * 255)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a shorter name or path" in line
    with pytest.raises(UserError, match="NUL"):
        RunFolder("a\0b")


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "where",
    ["checkpoint", *(pytest.param(one, marks=pytest.mark.slow) for one in ("history", "weights"))],
)
def test_a_full_disk_ends_a_run_in_one_line_and_it_goes_on_from_there(
    photos, tmp_path, monkeypatch, capsys, where
):
    import tensorflow as tf

    place = tmp_path / "run"
    settings = ["--set", "epochs=2", "--set", "export.parity=false", "--set", "early_stopping=false"]

    def full(*_, **__):
        if where == "checkpoint":
            raise tf.errors.ResourceExhaustedError(None, None, f"{place}: No space left on device")
        raise FULL

    targets = {
        "history": "transferkit.training.history.History.append",
        "weights": "transferkit.runs.execute.write_weights",
        "checkpoint": "transferkit.estimator.checkpoints.checkpoint_writer.CheckpointWriter.save",
    }
    with monkeypatch.context() as patch:
        patch.setattr(targets[where], full)
        status = ended(
            *("retrain", "--data", photos, "--backbone", "embedded", "--run", place, "-q", *settings)
        )
    assert status == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("transferkit: No space left on device; continue with: transferkit retrain --run")
    assert not place.exists()
    run = transferkit.retrain(run=place, resume=True, quiet=True)
    assert [row["epoch"] for row in run.history] == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[]", "an object"),
        ("null", "an object"),
        ("{}", "metrics, classes"),
        ('{"metrics": [], "classes": {}}', "metrics, classes"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_a_broken_metrics_file_is_said_in_one_line(tmp_path, text, said):
    (tmp_path / "metrics.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=said) as raised:
        Run(tmp_path)
    assert len(raised.value.faults) == 1


def test_half_a_metrics_file_is_said_before_anything_is_shown(tmp_path):
    (tmp_path / "metrics.json").write_text('{"metrics": {"accuracy": 1.0}, "classes": ["a"]}')
    with pytest.raises(UserError, match="held_out, images"):
        Run(tmp_path).describe()


def test_weights_that_are_no_numbers_are_named(photos, tmp_path):
    from transferkit.backbones import load_backbone
    from transferkit.training.weight_files import read_weights, write_weights

    backbone = load_backbone("embedded", "random")
    first = backbone.variables[0]
    first.assign(np.full(first.shape, np.nan))
    path = tmp_path / "own.weights.h5"
    backbone.model.save_weights(path)
    with pytest.raises(UserError, match="NaN or infinite values in"):
        transferkit.retrain(
            data=photos, backbone={"name": "embedded", "weights": str(path)}, run=tmp_path / "run", quiet=True
        )
    assert not list(tmp_path.glob(".run*"))
    write_weights(tmp_path / "w.npz", [first])
    with pytest.raises(UserError, match="the file is damaged"):
        read_weights(tmp_path / "w.npz", [first], finite=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "a JSON object"),
        ("[1]", "a JSON object"),
        ('{"cluster": {"worker": ["a:1"]}}', "a type and an index"),
        ('{"cluster": "x", "task": {"type": "worker", "index": 0}}', "TF_CONFIG"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 7}}', "less than 1"),
        (
            '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}',
            "one of chief",
        ),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}', "the chief"),
        ('{"model_dir": "/elsewhere"}', "a run has its own folder"),
        ('{"task": {"type": "ps", "index": 0}}', "TF_CONFIG"),
        ('{"task": 3}', "TF_CONFIG"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": "x"}}', "TF_CONFIG"),
    ],
)
def test_a_tf_config_that_no_run_can_have_is_refused_before_anything_is_written(
    photos, tmp_path, monkeypatch, text, said
):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=said) as raised:
        transferkit.retrain(data=photos, backbone="embedded", run=tmp_path / "run", quiet=True, devices="cpu")
    assert len(raised.value.faults) == 1
    assert not list(tmp_path.iterdir())


def test_what_a_killed_export_left_goes_with_the_next(tmp_path):
    left = NewVersion(tmp_path / "export")
    (left.path / "half").write_text("")
    with exclusive(tmp_path / "export"):
        assert list((tmp_path / "export").glob(".partial*")) == []
        NewVersion(tmp_path / "export").publish()
        with (
            pytest.raises(UserError, match="no other process exports to"),
            exclusive(tmp_path / "export"),
        ):
            pass
    assert [path.name for path in (tmp_path / "export").iterdir()] == ["1"]
    assert [path.name for path in versions(tmp_path / "export")] == ["1"]


class Failing:
    """A stream whose reader has gone."""

    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error

    def isatty(self):
        return False


@pytest.mark.parametrize("stream", [Failing(BrokenPipeError()), Failing(FULL), Failing(ValueError("closed"))])
def test_a_run_goes_on_when_nobody_reads_what_it_says(stream):
    progress = Progress(stream=stream)
    with progress.stage("work", total=2) as stage:
        stage.update(2)
    progress.say("done")
    assert progress.counts["work"] == (2, "image")


def test_a_run_without_any_stream_goes_on(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    Progress().say("hello")


def shell(line):
    return subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("verb", ["recipes list", "--help", "backbones --json"])
def test_output_that_cannot_be_written(verb):
    command = f"{sys.executable} -m transferkit {verb}"
    full = shell(f"{command} > /dev/full")
    assert full.returncode == 1
    assert full.stderr == "transferkit: the output cannot be written: No space left on device\n"
    head = shell(f"{command} | head -c 1")
    assert head.stderr == ""
    closed = shell(f"{command} >&-")
    assert "Traceback" not in closed.stderr


def test_predictions_of_a_run_survive_as_json(tmp_path):
    """A manifest with figures that are no numbers is still read."""
    facts = {"metrics": {"accuracy": float("nan")}, "classes": ["a"]}
    (tmp_path / "metrics.json").write_text(json.dumps(facts))
    assert np.isnan(Run(tmp_path).metrics["accuracy"])
