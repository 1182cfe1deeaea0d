"""The main job, whole: photos in, a run out, whose export answers as the evaluated model did."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

import transferkit
from transferkit.errors import GateError, UserError

FAST = {"epochs": 6, "data.test": 0.2, "data.validation": 0.2}
# For tests that ask nothing of the export: a process of its own takes longer than the run.
UNCHECKED = {"export.parity": False}


def retrain(data, run, **settings):
    values = {**FAST, **settings.pop("overrides", {})}
    arguments = {"backbone": "embedded", "quiet": True, **settings}
    return transferkit.retrain(data=data, run=run, overrides=list(values.items()), **arguments)


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    return retrain(shapes, tmp_path_factory.mktemp("runs") / "shapes")


def test_it_learns_what_can_be_seen(run):
    assert run.metrics["accuracy"] >= 0.8
    assert run.classes == ("circle", "cross", "square")


def test_the_run_holds_all_there_is_to_know(run):
    names = {path.name for path in run.path.iterdir()}
    assert names >= {
        "export", "history.jsonl", "metrics.json", "phases", "predictions.csv", "quarantine.csv",
        "recipe.toml", "split.csv", "weights.npz",
    }  # fmt: skip
    assert run.summary["frozen"].startswith("frozen: ")
    assert "unchanged" in run.summary["frozen"]
    assert sum(run.summary["images"].values()) == 120
    assert not [path for path in run.path.parent.iterdir() if path != run.path]


def test_every_held_out_image_is_evaluated_once_and_the_export_agrees_image_by_image(run, shapes):
    with open(run.path / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(run.path / "split.csv", newline="") as file:
        held_out = sorted(row["path"] for row in csv.DictReader(file) if row["split"] == "test")
    assert sorted(row["path"] for row in rows) == held_out
    predictions = run.predict([shapes / row["path"] for row in rows], top=3)
    for row, prediction in zip(rows, predictions, strict=True):
        assert prediction.error is None
        assert prediction.label == row["predicted"]
        for label, probability in prediction.top:
            column = next(name for name in row if name == label or name.endswith(label))
            assert probability == pytest.approx(float(row[column]), abs=1e-4)


ANSWER = """
import json, sys
# As if neither were installed.
sys.modules.update({"keras": None, "tf_keras": None, "transferkit": None})
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
encoded = [open(path, "rb").read() for path in sys.argv[2:]]
answer = model.signatures["serving_default"](bytes=tf.constant(encoded))
pixels = tf.stack([tf.io.decode_image(one, channels=3) for one in encoded])
again = model.signatures["images"](images=pixels)
assert answer["class_ids"].dtype == tf.int64 and answer["probabilities"].dtype == tf.float32
assert float(tf.reduce_max(tf.abs(answer["probabilities"] - again["probabilities"]))) == 0
print(json.dumps({
    "probabilities": answer["probabilities"].numpy().tolist(),
    "class_ids": answer["class_ids"].numpy().tolist(),
    "labels": [[label.decode() for label in row] for row in answer["labels"].numpy()],
}))
"""


def test_the_export_runs_under_tensorflow_alone_and_keeps_the_class_order(run, shapes):
    paths = [shapes / "circle" / "000.png", shapes / "cross" / "001.png", shapes / "square" / "002.png"]
    done = subprocess.run(
        [sys.executable, "-c", ANSWER, run.export_folder, *paths], capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (run.export_folder / "assets" / "labels.txt").read_text().split() == list(run.classes)
    for row, probabilities in enumerate(answer["probabilities"]):
        order = answer["class_ids"][row]
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        assert [probabilities[index] for index in order] == sorted(probabilities, reverse=True)
        assert [run.classes[index] for index in order] == answer["labels"][row]
    here = {one.path: dict(one.top) for one in run.predict(paths)}
    for path, probabilities in zip(paths, answer["probabilities"], strict=True):
        expected = [here[str(path)][name] for name in run.classes]
        np.testing.assert_allclose(probabilities, expected, atol=1e-6)


def test_the_resolved_recipe_gives_the_same_weights_again(run, tmp_path):
    again = transferkit.retrain(run.path / "recipe.toml", run=tmp_path / "again", quiet=True)
    first, second = (np.load(one.path / "weights.npz") for one in (run, again))
    assert set(first.files) == set(second.files)
    assert all(np.array_equal(first[name], second[name]) for name in first.files)
    assert again.metrics == run.metrics
    assert again.recipe == run.recipe


def test_evaluating_a_run_anew_gives_its_own_figures(run, shapes, make_shapes):
    loaded = transferkit.load_run(run.path)
    assert loaded.evaluate().metrics["accuracy"] == run.metrics["accuracy"]
    assert loaded.evaluate(split="train").metrics["samples"] == run.summary["images"]["train"]
    other = loaded.evaluate(make_shapes(5, first_seed=77_000))
    assert other.metrics["samples"] == 15
    with pytest.raises(GateError):
        loaded.evaluate(fail_under="accuracy=1.0,log_loss=0.0")
    unknown = make_shapes(5, name="unknown")
    (unknown / "circle").rename(unknown / "stars")
    with pytest.raises(UserError, match="stars"):
        loaded.evaluate(unknown)


def test_exports_count_up(run, tmp_path):
    assert run.export(tmp_path / "served").name == "1"
    second = run.export(tmp_path / "served")
    assert second.name == "2"
    assert sorted(path.name for path in (tmp_path / "served").iterdir()) == ["1", "2"]
    assert (second / "saved_model.pb").is_file()


def test_noise_fails_the_gate_and_the_run_is_kept(noise, tmp_path):
    with pytest.raises(GateError, match="accuracy"):
        retrain(noise, tmp_path / "run", fail_under=0.9, overrides=UNCHECKED)
    assert transferkit.load_run(tmp_path / "run").metrics["accuracy"] < 0.9


def test_unreadable_images_are_quarantined_and_the_rest_trains(make_shapes, tmp_path):
    data = make_shapes(20)
    (data / "cross" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    (data / "circle" / "empty.png").write_bytes(b"")
    run = retrain(data, tmp_path / "run", overrides={"epochs": 1, **UNCHECKED})
    with open(run.path / "quarantine.csv", newline="") as file:
        rows = {row["path"]: row["reason"] for row in csv.DictReader(file)}
    assert set(rows) == {"cross/broken.jpg", "circle/empty.png"}
    assert all(rows.values())
    assert run.summary["quarantined"] == 2
    assert "quarantine.csv" in run.describe()


def test_too_many_unreadable_images_stop_the_run_and_nothing_is_written(make_shapes, tmp_path):
    data = make_shapes(10)
    for number in range(8):
        (data / "cross" / f"broken{number}.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"8 of 38 files unreadable.*at most 5%") as error:
        retrain(data, tmp_path / "run")
    assert len(error.value.faults) == 7
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backbone": "mobilnet_v2"}, "did you mean 'mobilenet_v2'"),
        ({"overrides": {"head.kind": "linaer"}}, "did you mean 'linear'"),
        ({"overrides": {"epocs": 3}}, "did you mean 'epochs'"),
        ({"recipe": "retran"}, "did you mean 'retrain'"),
        ({"fail_under": "acuracy=0.9"}, "did you mean 'accuracy'"),
        ({"fail_under": "recall.star=0.9"}, "square"),
    ],
)
def test_what_is_misspelt_is_named_with_its_neighbours_and_nothing_is_written(
    shapes, tmp_path, settings, words
):
    with pytest.raises(UserError, match=words):
        retrain(shapes, tmp_path / "run", **settings)
    assert not list(tmp_path.iterdir())


def test_weights_that_cannot_be_had_offline_say_which_file_and_where_to_put_it(shapes, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise OSError('no network')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "from transferkit.cli import main\n"
        "main(sys.argv[1:])"
    )
    arguments = ["retrain", "--backbone", "mobilenet_v2", "--data", shapes, "--run", tmp_path / "run"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5" in done.stderr
    assert "KERAS_HOME" in done.stderr
    assert "backbone.weights" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_another_run_is_not_overwritten_unless_asked(make_shapes, tmp_path):
    data = make_shapes(12)
    first = retrain(data, tmp_path / "run", overrides={"epochs": 1, **UNCHECKED})
    with pytest.raises(UserError, match="--overwrite"):
        retrain(data, tmp_path / "run")
    second = retrain(data, tmp_path / "run", overwrite=True, overrides={"epochs": 2, **UNCHECKED})
    assert second.path == first.path
    assert second.summary["epochs"] == 2
