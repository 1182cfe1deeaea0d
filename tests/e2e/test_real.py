"""Real photos and real ImageNet weights: what the figures of the documents rest on."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import transferkit

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def flowers(shared_data):
    folder = shared_data / "flowers_small"
    if not folder.is_dir():
        pytest.skip(f"needs the flower photos; {folder} is no folder")
    return folder


@pytest.fixture(scope="module")
def run(shared_data, flowers, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(shared_data / "keras_home"))
        return transferkit.retrain(
            backbone="mobilenet_v2", data=flowers, run=tmp_path_factory.mktemp("real") / "r", quiet=True
        )


def test_mobilenet_v2_tells_the_flowers_apart(run):
    assert run.metrics["samples"] == 200
    assert run.metrics["accuracy"] >= 0.85


def test_predict_agrees_with_the_evaluation_image_by_image(run, flowers):
    with open(run.path / "predictions.csv", newline="") as file:
        evaluated = {row["path"]: row for row in csv.DictReader(file)}
    predictions = run.predict([flowers / "val" / "roses"], top=5)
    assert len(predictions) == 40
    for prediction in predictions:
        row = evaluated[f"val/roses/{prediction.path.rsplit('/', 1)[1]}"]
        assert prediction.label == row["predicted"]
        ours = dict(prediction.top)
        theirs = {name: float(row[_column(row, name)]) for name in run.classes}
        np.testing.assert_allclose([ours[name] for name in theirs], list(theirs.values()), atol=1e-4)


def test_its_report_explains_the_worst_mistakes_at_little_cost(run):
    page = (run.path / "report.html").read_text("utf-8")
    heated = page[page.index('<ol class="mistakes heated">') :].split("</ol>")[0]
    assert heated.count("<img") == 2 * run.recipe.evaluation.grad_cam
    seconds = run.summary["seconds"]
    assert seconds["stages"]["explain"] + seconds["stages"]["report"] < 0.15 * seconds["total"]


@pytest.mark.slow
def test_inception_v3_runs_through_to_the_export(flowers, tmp_path):
    run = transferkit.retrain(
        backbone="inception_v3",
        data=flowers,
        run=tmp_path / "r",
        quiet=True,
        overrides=["backbone.weights=random", "epochs=2"],
    )
    assert (run.export_folder / "saved_model.pb").is_file()
    assert run.predict([flowers / "val" / "roses"])[0].error is None


def _column(row: dict[str, str], name: str) -> str:
    return next(column for column in row if column.endswith(name) and column not in ("label", "predicted"))
