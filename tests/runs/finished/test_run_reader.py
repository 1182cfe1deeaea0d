"""Curves, figures and mistakes of a finished run, read from its files."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from transferkit import load_run
from transferkit.data.file_names import shown
from transferkit.errors import UserError
from transferkit.evaluation import evaluate
from transferkit.recipe import load
from transferkit.runs.finished.run_html import _mistakes

CLASSES = ("cat", "dog")


def finish(folder, evaluation, **facts):
    """A folder with the files of a finished run."""
    (folder / "photos" / "cat").mkdir(parents=True)
    (folder / "photos" / "cat" / "1.jpg").write_bytes(b"there")
    (folder / "recipe.toml").write_text(load(overrides=[("data.path", str(folder / "photos"))]).to_toml())
    evaluation.write_predictions(folder / "predictions.csv")
    facts = {"metrics": evaluation.metrics, "classes": list(CLASSES), **facts}
    (folder / "metrics.json").write_text(json.dumps(facts))
    (folder / "history.jsonl").write_text('{"phase": "head", "epoch": 1, "loss": 0.5}\n')
    return load_run(folder)


@pytest.fixture
def run(tmp_path):
    given = np.float32([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.45, 0.55]])
    names = ["cat/0.jpg", "cat/1.jpg", "dog/2.jpg", "cat/3.jpg"]
    return finish(tmp_path, evaluate([0, 0, 1, 0], given, CLASSES, names))


def test_the_evaluation_is_the_one_that_ended_the_run(run):
    assert run.evaluation.confusion.tolist() == [[1, 2], [0, 1]]
    for name, value in run.evaluation.metrics.items():
        assert run.metrics[name] == pytest.approx(value), name
    assert run.history == [{"phase": "head", "epoch": 1, "loss": 0.5}]


def test_mistakes_come_surest_first_with_the_file_that_is_there(run):
    first, second = run.mistakes()
    assert (first.name, first.label, first.predicted, first.about) == ("cat/1.jpg", "cat", "dog", "dog")
    assert first.probability == pytest.approx(0.8)
    assert first.file.read_bytes() == b"there"
    assert (second.name, second.file) == ("cat/3.jpg", None)
    assert run.mistakes(1) == [first]


def test_a_mistake_s_file_is_found_below_data_root_and_by_a_name_that_is_shown_escaped(tmp_path):
    names = ["cat/0.jpg", os.fsdecode(b"caf\xe9.jpg"), "gone.jpg"]
    found = evaluate(
        [0, 0, 0], np.float32([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]), CLASSES, list(map(shown, names))
    )
    run = finish(tmp_path, found)
    root = tmp_path / "elsewhere"
    for name in names[:2]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(root / name)
    (tmp_path / "list.csv").write_text("path,label\n")
    settings = [("data.path", str(tmp_path / "list.csv")), ("data.root", str(root))]
    (tmp_path / "recipe.toml").write_text(load(overrides=settings).to_toml())
    run = load_run(tmp_path)
    assert [one.file for one in run.mistakes()] == [root / names[0], root / names[1], None]
    assert _mistakes(run).count("<img") == 2


def test_several_labels_keep_the_run_s_thresholds(tmp_path):
    labels = np.array([[True, False], [True, True]])
    given = np.float32([[0.35, 0.2], [0.9, 0.4]])
    found = evaluate(labels, given, CLASSES, ["a", "b"], threshold=[0.3, 0.5])
    run = finish(tmp_path, found, thresholds={"cat": 0.3, "dog": 0.5})
    (mistake,) = run.mistakes()
    assert (mistake.name, mistake.label, mistake.predicted, mistake.about) == ("b", "cat, dog", "cat", "dog")


def test_a_damaged_history_is_named(run):
    (run.path / "history.jsonl").write_text("{")
    with pytest.raises(UserError, match=r"history\.jsonl"):
        _ = run.history
