"""Thousands of classes: exact figures in bounded memory, and a predictions.csv that lists the likeliest."""

from __future__ import annotations

import csv
import tracemalloc

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn import metrics as sk

import transferkit
from transferkit.cli.inspection.compare import command as compare_command
from transferkit.errors import UserError
from transferkit.evaluation import compare, evaluate, read_predictions, row_chunks
from transferkit.evaluation.curves import areas, one_curve
from transferkit.evaluation.predictions import parse_top
from transferkit.evaluation.single_label import _macro_f1, macro_f1
from transferkit.intervals.bootstrap import table_interval
from transferkit.runs.finished.run import load_run


def made(classes: int, images: int, seed: int = 0, rounded: bool = False):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    given = rng.random((images, classes)).astype(np.float32) ** 8
    given[np.arange(images), labels] += 0.3
    given /= given.sum(axis=1, keepdims=True)
    if rounded:
        few = np.repeat([1, 2, 4], [classes - 9, 6, 3])
        given = rng.permuted(np.tile((few / few.sum()).astype(np.float32), (images, 1)), axis=1)
    names = [f"kind {number}" for number in rng.permutation(classes)]
    return labels, given, names, [f"{number}.jpg" for number in range(images)]


@pytest.mark.parametrize("rounded", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("several", [False, True], ids=["single", "multi"])
def test_areas_and_pooled_curve_are_those_of_scikit_learn_whatever_the_parts(monkeypatch, rounded, several):
    labels, given, names, _ = made(30, 300, rounded=rounded)
    truth = labels[:, None] == np.arange(30)
    if several:
        truth |= np.random.default_rng(5).random(truth.shape) < 0.05
    monkeypatch.setattr(row_chunks, "_CELLS", 7 * 30)
    found = evaluate(truth if several else labels, given, names, resamples=0)
    pooled = found.curves[0]
    assert pooled.roc_auc == pytest.approx(sk.roc_auc_score(truth.ravel(), given.ravel()), abs=1e-12)
    assert pooled.average_precision == pytest.approx(
        sk.average_precision_score(truth.ravel(), given.ravel()), abs=1e-12
    )
    for row, curve, column, scores in zip(found.per_class, found.curves[1:], truth.T, given.T, strict=True):
        assert row.roc_auc == curve.roc_auc == pytest.approx(sk.roc_auc_score(column, scores), abs=1e-12)
        assert row.average_precision == pytest.approx(sk.average_precision_score(column, scores), abs=1e-12)
    # Every point that is drawn lies on scikit-learn's curves.
    false, true, _ = sk.roc_curve(truth.ravel(), given.ravel(), drop_intermediate=False)
    for x, y in zip(pooled.false_positive_rate, pooled.true_positive_rate, strict=True):
        assert np.min(np.abs(false - x) + np.abs(true - y)) < 2e-5
    precision, recall, _ = sk.precision_recall_curve(truth.ravel(), given.ravel())
    for x, y in zip(pooled.recall, pooled.precision, strict=True):
        assert np.min(np.abs(recall - x) + np.abs(precision - y)) < 2e-5
    assert pooled.recall[0] == 1
    assert (pooled.recall[-1], pooled.precision[-1]) == (0, 1)


def test_areas_without_both_kinds_are_not_defined():
    scores = np.float32([0.1, 0.2])
    assert areas(np.array([True, True]), scores) is None
    assert areas(np.array([False, False]), scores) is None
    assert one_curve("x", scores[:0], [scores]) is None


@pytest.mark.parametrize("several", [False, True], ids=["single", "multi"])
def test_figures_do_not_depend_on_the_parts(monkeypatch, several):
    labels, given, names, _ = made(40, 200)
    truth = (labels[:, None] == np.arange(40)) if several else labels
    whole = evaluate(truth, given, names)
    monkeypatch.setattr(row_chunks, "_CELLS", 1)
    pieces = evaluate(truth, given, names)
    known = {name: value for name, value in whole.metrics.items() if value is not None}
    assert {name: pieces.metrics[name] for name in known} == pytest.approx(known, rel=1e-12)
    assert {name for name, value in pieces.metrics.items() if value is not None} == known.keys()
    assert pieces.curves == whole.curves


def test_an_interval_of_a_sparse_table_is_that_of_the_whole_table():
    rng = np.random.default_rng(0)
    confusion = np.zeros((12, 12), np.int64)
    np.add.at(confusion, (rng.integers(0, 12, 60), rng.integers(0, 12, 60)), 1)
    filled = confusion > 0
    drawn = np.zeros((500, 12, 12), np.int64)
    drawn[:, filled] = np.random.default_rng(1).multinomial(60, confusion[filled] / 60, size=500)
    whole = np.quantile(macro_f1(drawn), [0.05, 0.95])
    sparse = table_interval(confusion, _macro_f1, 500, 0.9, np.random.default_rng(1))
    assert sparse == pytest.approx(whole, abs=1e-12)


def test_three_thousand_classes_take_little_more_memory_than_their_probabilities():
    labels, given, names, paths = made(3000, 1500)
    tracemalloc.start()
    found = evaluate(labels, given, names, paths)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 18 MB of probabilities, a confusion matrix of 72 MB. It was 1.1 GB.
    assert peak < 400e6
    assert found.metrics["accuracy"] == (given.argmax(1) == labels).mean()
    assert found.metrics["roc_auc_macro"] is not None
    assert found.metrics["f1_macro_low"] < found.metrics["f1_macro_high"]


@pytest.mark.parametrize("top", [1, 5, 29])
def test_the_likeliest_are_written_and_read_back(tmp_path, top):
    labels, given, names, paths = made(30, 50)
    given[7] = 1 / 30  # all equal: the first one is predicted
    found = evaluate(labels, given, names, paths)
    file = found.write_predictions(tmp_path / "p.csv", top)
    back = read_predictions(file, names)
    assert (back.classes, back.paths, back.top) == (tuple(names), tuple(paths), top)
    np.testing.assert_array_equal(back.labels, labels)
    np.testing.assert_array_equal(back.predicted, found.predicted)
    listed = back.probabilities != 0
    np.testing.assert_array_equal(back.probabilities[listed], given[listed])
    # The likeliest, the one that is predicted first, and the label.
    rows = list(csv.DictReader(file.open(newline="")))
    for row, place in zip(rows, range(50), strict=True):
        assert row["class_1"] == row["predicted"]
        shown = [float(row[f"probability_{rank}"]) for rank in range(1, top + 1)]
        np.testing.assert_allclose(shown, np.sort(given[place])[::-1][:top], rtol=1e-7)
        assert np.float32(row["probability_of_label"]) == given[place, labels[place]]
    # Without the classes' names they are those that occur, and which image is right stays the same.
    alone = read_predictions(file)
    assert set(alone.classes) <= set(names)
    np.testing.assert_array_equal(alone.labels == alone.predicted, found.correct)


def test_several_labels_keep_every_predicted_one(tmp_path):
    rng = np.random.default_rng(2)
    given = rng.random((40, 30)).astype(np.float32)
    truth = rng.random((40, 30)) < 0.2
    names = [f"label {number}" for number in range(30)]
    found = evaluate(truth, given, names, threshold=0.7, resamples=0)
    back = read_predictions(found.write_predictions(tmp_path / "p.csv", 2), names)
    assert back.top == found.predicted.sum(1).max()
    np.testing.assert_array_equal(back.labels, truth)
    np.testing.assert_array_equal(back.predicted, found.predicted)
    again = evaluate(back.labels, back.probabilities, names, threshold=0.7, resamples=0, complete=False)
    np.testing.assert_array_equal(again.predicted, found.predicted)
    for name in ("accuracy", "hamming_accuracy", "f1_macro", "precision_micro"):
        assert again.metrics[name] == found.metrics[name]
    assert again.metrics["log_loss"] is again.metrics["brier"] is again.metrics["roc_auc_macro"] is None


def test_figures_from_the_likeliest_are_the_same_or_none(tmp_path):
    labels, given, names, paths = made(60, 300)
    found = evaluate(labels, given, names, paths, resamples=0)
    back = read_predictions(found.write_predictions(tmp_path / "p.csv", 10), names)
    again = evaluate(back.labels, back.probabilities, names, back.paths, resamples=0, complete=False)
    missing = {"brier", "roc_auc_macro", "average_precision_macro"}
    assert {name for name, value in again.metrics.items() if value is None} == missing
    for name in found.metrics.keys() - missing:
        assert again.metrics[name] == found.metrics[name], name
    assert again.curves == ()


def test_both_forms_compare(tmp_path):
    labels, given, names, paths = made(30, 200)
    other = made(30, 200, seed=1)[1]
    first, second = evaluate(labels, given, names, paths), evaluate(labels, other, names, paths)
    whole = compare(first, second)
    short = read_predictions(second.write_predictions(tmp_path / "p.csv", 3), names)
    assert compare(first, short) == whole


@pytest.mark.parametrize("damage", ["cell", "class", "short", "number"])
def test_a_damaged_row_is_named(tmp_path, damage):
    labels, given, names, paths = made(30, 5)
    file = evaluate(labels, given, names, paths).write_predictions(tmp_path / "p.csv", 3)
    lines = file.read_text().splitlines()
    cells = lines[3].split(",")
    if damage == "cell":
        cells = cells[:-1]
    elif damage == "class":
        cells[4] = "unheard of"
    elif damage == "short":
        cells = cells[:2]
    else:
        cells[5] = "much"
    file.write_text("\n".join([*lines[:3], ",".join(cells), *lines[4:]]))
    with pytest.raises(UserError, match=r"p\.csv"):
        read_predictions(file, names)


def test_what_the_recipe_says_counts():
    assert [parse_top("auto", count) for count in (2, 200, 201, 3000)] == [None, None, 20, 20]
    assert [parse_top("all", count) for count in (2, 3000)] == [None, None]
    assert [parse_top("top:5", count) for count in (4, 5, 6)] == [None, None, 5]
    for wrong in ("top:0", "top:", "top", "top:-1", "few", "top:2.5"):
        with pytest.raises(UserError, match=r"evaluation\.predictions"):
            transferkit.retrain(data=".", overrides=[("evaluation.predictions", wrong)], quiet=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of the same images: one lists all classes, the other the likeliest two."""
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    for label in range(6):
        (folder / "photos" / f"c{label}").mkdir(parents=True)
        for number in range(6):
            colour = np.clip(rng.normal(40 * label, 30, (1, 1, 3)) + rng.normal(0, 20, (24, 24, 3)), 0, 255)
            Image.fromarray(colour.astype(np.uint8)).save(folder / "photos" / f"c{label}" / f"{number}.png")
    options = {"data": folder / "photos", "backbone": "embedded", "epochs": 2, "quiet": True}
    made = []
    for listed in ("all", "top:2"):
        more = [("evaluation.predictions", listed), ("evaluation.grad_cam", 0), ("export.parity", False)]
        made.append(transferkit.retrain(run=folder / listed[:3], overrides=more, **options))
    return made


def test_every_reader_of_a_run_takes_the_short_form(runs):
    whole, short = (load_run(run.path) for run in runs)
    assert short.metrics == whole.metrics
    text = (short.path / "predictions.csv").read_text()
    assert text.startswith("path,label,predicted,probability_of_label,class_1,probability_1,class_2")
    assert short.evaluation.metrics["accuracy"] == whole.evaluation.metrics["accuracy"]
    assert short.evaluation.metrics["brier"] is None
    assert [one.name for one in short.mistakes()] == [one.name for one in whole.mistakes()]
    assert [one.probability for one in short.mistakes()] == [one.probability for one in whole.mistakes()]
    result = CliRunner().invoke(compare_command, [str(whole.path), str(short.path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "no difference" in result.output


def test_an_export_made_later_is_checked_against_all_classes(runs):
    """What the short form does not list is computed again."""
    short = load_run(runs[1].path)
    version = short.export(formats=["saved_model"])
    assert (version / "saved_model.pb").is_file()
