"""Images with several labels each: a manifest in, a run out, and an export that says which labels apply."""

from __future__ import annotations

import csv
import importlib.util
import json

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

import transferkit
from transferkit.cli import cli
from transferkit.errors import UserError
from transferkit.evaluation import evaluate, read_predictions

SETTINGS = ["backbone.name=embedded", "data.test=0.25", "data.validation=0.25", "epochs=24"]
FAST = [*SETTINGS, "export.parity=false", "evaluation.grad_cam=0"]


@pytest.fixture(scope="module")
def run(tags, tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "tags"
    return transferkit.retrain("multi_label", data=tags, run=place, quiet=True, overrides=SETTINGS)


def manifest(tags):
    with open(tags, newline="") as file:
        return {
            row["path"]: row["labels"].split("|") if row["labels"] else [] for row in csv.DictReader(file)
        }


def test_the_shipped_recipe_learns_what_can_be_seen(run):
    assert run.classes == ("circle", "cross", "square")
    assert run.metrics["hamming_accuracy"] >= 0.8
    assert run.metrics["f1_macro"] >= 0.75


def test_splits_are_of_label_sets_and_every_label_is_in_each(run, tags):
    truth = manifest(tags)
    seen = {}
    with open(run.path / "split.csv", newline="") as file:
        for row in csv.DictReader(file):
            labels = json.loads(row["classes"])
            assert labels == sorted(truth[row["path"]])
            seen.setdefault(row["split"], set()).update(labels)
    assert seen == {split: set(run.classes) for split in ("train", "val", "test")}


def test_predictions_give_the_run_its_figures_with_its_thresholds(run, tags):
    found = read_predictions(run.path / "predictions.csv")
    thresholds = [run.thresholds[name] for name in run.classes]
    assert len(set(thresholds)) > 1, "each label has its own"
    again = evaluate(found.labels, found.probabilities, found.classes, threshold=thresholds, top=())
    for name in ("accuracy", "hamming_accuracy", "f1_macro", "log_loss"):
        assert again.metrics[name] == pytest.approx(run.metrics[name], abs=1e-6)
    np.testing.assert_array_equal(again.predicted, found.predicted)
    truth = manifest(tags)
    for path, labels in zip(found.paths, found.labels, strict=True):
        assert [run.classes[i] for i in np.flatnonzero(labels)] == truth[path]


def test_the_export_says_which_labels_apply(run, tags):

    found = read_predictions(run.path / "predictions.csv")
    encoded = tf.constant([(tags.parent / path).read_bytes() for path in found.paths])
    answer = tf.saved_model.load(str(run.export_folder)).signatures["serving_default"](bytes=encoded)
    probabilities = answer["probabilities"].numpy()
    np.testing.assert_allclose(probabilities, found.probabilities, atol=1e-4)
    assert np.abs(probabilities.sum(axis=1) - 1).max() > 0.2, "each label stands for itself"
    thresholds = np.array([run.thresholds[name] for name in run.classes], np.float32)
    np.testing.assert_array_equal(answer["present"].numpy(), probabilities >= thresholds)
    ids = answer["class_ids"].numpy()
    assert (np.diff(np.take_along_axis(probabilities, ids, 1)) <= 0).all()
    assert answer["labels"].numpy()[0, 0].decode() == run.classes[ids[0, 0]]
    assets = [path.read_text("utf-8") for path in (run.export_folder / "assets").glob("*.json")]
    assert any(json.loads(text)["thresholds"] == pytest.approx(thresholds.tolist()) for text in assets)


def test_predict_names_all_labels_of_an_image(run, tags):
    found = read_predictions(run.path / "predictions.csv")
    answers = run.predict([tags.parent / path for path in found.paths])
    for answer, said in zip(answers, found.predicted, strict=True):
        assert answer.present == tuple(run.classes[i] for i in np.flatnonzero(said))


def test_it_is_evaluated_anew_and_on_other_manifests(run, tags, make_shapes):
    assert run.evaluate().metrics == run.metrics
    lines = tags.read_text().splitlines()
    some = tags.parent / "some.csv"
    some.write_text("\n".join([lines[0], *(line for line in lines[1:] if "square" not in line)][:40]) + "\n")
    found = run.evaluate(some)
    assert found.metrics["samples"] == 39
    assert found.metrics["hamming_accuracy"] >= 0.8
    assert found.per_class[2].samples == 0
    with pytest.raises(UserError, match=r"expected lists of labels, as in the run; a manifest lists several"):
        run.evaluate(make_shapes(3))


def test_report_verify_and_compare(run, tags):
    page = (run.path / "report.html").read_text("utf-8")
    assert "label accuracy" in page
    assert "chosen on the validation images" in page
    assert "all labels right 0." in run.describe()
    assert "thresholds: circle 0." in run.describe()
    assert (run.export_folder / "README.md").is_file()
    changed = CliRunner().invoke(cli, ["verify", str(run.path)])
    assert changed.exit_code == 0, changed.output
    compared = CliRunner().invoke(cli, ["compare", str(run.path), str(run.path)])
    assert compared.exit_code == 0, compared.output
    assert "label accuracy" in compared.output
    planned = [
        "plan",
        "--recipe",
        "multi_label",
        "--data",
        str(tags),
        "--no-measure",
        "--backbone",
        "embedded",
    ]
    assert CliRunner().invoke(cli, planned).exit_code == 0


@pytest.mark.slow
def test_a_closed_form_head_on_views_and_thresholds_of_ones_own(tags, tmp_path):
    words = [
        "head={kind='logistic', multi_label=true, thresholds={circle=0.3}}",
        "augmentation.flip=true",
        "activations.views=2",
    ]
    run = transferkit.retrain(data=tags, run=tmp_path / "run", quiet=True, overrides=[*FAST, *words])
    assert run.thresholds == {"circle": 0.3, "cross": 0.5, "square": 0.5}
    assert run.metrics["hamming_accuracy"] >= 0.8


@pytest.mark.slow
def test_an_earlier_ledger_stands_for_another_seed(run, tags, tmp_path):
    other = transferkit.retrain(
        "multi_label",
        data=tags,
        run=tmp_path / "run",
        quiet=True,
        overrides=[*FAST, "epochs=1", "data.split_seed=77", f"data.ledger='{run.path}'"],
    )
    assert (other.path / "split.csv").read_text() == (run.path / "split.csv").read_text()
    assert "ledger_sha256" in json.loads((other.path / "manifest.json").read_text())


@pytest.mark.slow
def test_calibrated_with_thresholds_of_a_wanted_precision(tags, tmp_path):
    words = ["evaluation.calibrate='temperature'", "evaluation.precision=0.8"]
    run = transferkit.retrain(
        "multi_label", data=tags, run=tmp_path / "run", quiet=True, overrides=[*SETTINGS, *words]
    )
    found = run.calibrated.temperature
    assert found.temperature != 1
    assert found.log_loss_after < found.log_loss_before
    # The thresholds hold on the images that they were chosen on, at that temperature.
    paths, labels = _split(run, tags, "val")
    said = run.predict([tags.parent / path for path in paths], top=len(run.classes))
    given = np.array([[dict(one.top)[name] for name in run.classes] for one in said])
    thresholds = np.array([run.thresholds[name] for name in run.classes])
    answered = given >= thresholds
    precision = (answered & labels).sum(0) / answered.sum(0)
    assert (precision >= 0.8).all()
    # And the export decides as the evaluation did.
    found = read_predictions(run.path / "predictions.csv")
    encoded = tf.constant([(tags.parent / path).read_bytes() for path in found.paths])
    answer = tf.saved_model.load(str(run.export_folder)).signatures["serving_default"](bytes=encoded)
    np.testing.assert_array_equal(answer["present"].numpy(), found.predicted)
    (row,) = json.loads((run.path / "parity.json").read_text())["artefacts"]
    assert row["passed"]
    assert row["agreement"] == 1.0


def test_thresholds_are_given_or_chosen_for_a_precision(tags, tmp_path):
    words = ["head.thresholds=0.4", "evaluation.precision=0.9"]
    with pytest.raises(UserError, match=r"evaluation\.precision: received 0\.9, expected nothing where"):
        transferkit.retrain("multi_label", data=tags, run=tmp_path / "run", quiet=True, overrides=words)


@pytest.mark.slow
def test_every_format_decides_on_each_label_as_the_run_does(run, tmp_path):
    formats = ["keras", "tflite", "tflite_float16", "tflite_dynamic", "tflite_int8"]
    if importlib.util.find_spec("tf2onnx") and importlib.util.find_spec("onnxruntime"):
        formats.append("onnx")
    version = transferkit.load_run(run.path).export(tmp_path / "served", formats=formats, agreement=0.9)
    rows = {row["format"]: row for row in json.loads((version / "parity.json").read_text())["artefacts"]}
    assert list(rows) == ["saved_model", *formats]
    for name, row in rows.items():
        assert row["passed"], row
        assert row["agreement"] >= (1.0 if name in ("saved_model", "keras", "tflite", "onnx") else 0.9)


def _split(run, tags, split):
    truth = manifest(tags)
    with open(run.path / "split.csv", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file) if row["split"] == split]
    return paths, np.array([[name in truth[path] for name in run.classes] for path in paths])


def test_head_and_data_must_go_together(tags, make_shapes, tmp_path):
    with pytest.raises(UserError) as error:
        transferkit.retrain(data=tags, run=tmp_path / "run", quiet=True)
    assert len(error.value.faults) == 1
    assert "expected a head for several labels; say head.kind = 'multi_label'" in str(error.value)
    with pytest.raises(UserError) as error:
        transferkit.retrain("multi_label", data=make_shapes(3), run=tmp_path / "run", quiet=True)
    assert len(error.value.faults) == 1
    assert "the data has one class an image" in str(error.value)
    assert not list(tmp_path.glob("*run*"))


def test_the_model_card_speaks_of_several_labels(run):
    card = (run.export_folder / "README.md").read_text("utf-8")
    assert "finds any of 3 classes" in card
    assert "any number of its classes in each" in card
    assert f"| test | {run.summary['images']['test']} |" in card
    assert 'answer["present"]' in card
