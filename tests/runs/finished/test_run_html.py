"""What notebooks show of runs, evaluations, plans and comparisons: escaped, small, no arrays."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from transferkit.drawing.html_pieces import block, html_table, paragraph
from transferkit.errors import UserError
from transferkit.evaluation import evaluate
from transferkit.inspection.compare_runs import compare_runs
from transferkit.recipe import load
from transferkit.runs.finished.run import Run

EVIL = "<script>alert('rose')</script>"
CLASSES = ("daisy", EVIL)


def write_run(root, name, wrong):
    """A finished run on 40 images that are there, of which those in ``wrong`` are answered wrong."""
    photos, folder = root / "photos", root / name
    labels = np.arange(40) % 2
    said = np.where(np.isin(np.arange(40), wrong), 1 - labels, labels)
    names = [f"{k}<b>.png" for k in range(40)]
    photos.mkdir(exist_ok=True)
    for one in names:
        Image.new("RGB", (8, 8)).save(photos / one)
    found = evaluate(labels, np.eye(2, dtype=np.float32)[said], CLASSES, names, resamples=50)
    (folder / "export" / "1").mkdir(parents=True)
    (folder / "export" / "1" / "saved_model.pb").touch()
    found.write_predictions(folder / "predictions.csv")
    facts = {
        "metrics": found.metrics,
        "classes": list(CLASSES),
        "held_out": "test",
        "images": {"train": 90, "val": 20, "test": 40},
        "quarantined": 0,
        "epochs": 2,
        "frozen": "frozen: 3 tensors unchanged",
        "seconds": {"total": 8.0, "stages": {"train": 3.0}},
        "advice": {"weakest": f"{EVIL}: 15 of 20 found", "next": "more photos of <roses>"},
    }
    (folder / "metrics.json").write_text(json.dumps(facts))
    rows = [
        {
            "phase": "train",
            "epoch": k,
            "step": 9 * k,
            "loss": 1 / (k + 1),
            "val_loss": 0.9,
            "val_accuracy": 0.8,
        }
        for k in range(3)
    ]
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "recipe.toml").write_text(load(data={"path": str(photos)}, name=name).to_toml())
    return Run(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("html"), "run", [1, 3, 5, 8])


def check(html, most=60_000):
    assert len(html) < most
    assert "<script" not in html
    assert "array(" not in html
    assert "&lt;script&gt;" in html
    for tag in ("div", "table", "tr", "figure", "p", "svg"):
        assert len(re.findall(rf"<{tag}\b", html)) == html.count(f"</{tag}>"), tag


def test_a_run_shows_figures_curves_mistakes_and_the_next_step(run):
    html = run._repr_html_()
    check(html)
    assert "accuracy 0.900" in html
    assert "40 test images" in html
    assert "more photos of &lt;roses&gt;" in html
    assert "transferkit predict" in html
    assert html.count("<svg") == 2
    assert html.count("data:image") == 4
    assert "5&lt;b&gt;.png" in html


def test_a_damaged_run_shows_what_is_wrong_with_it(run, tmp_path):
    broken = write_run(tmp_path, "broken", [1])
    (broken.path / "history.jsonl").write_text("no JSON\n")
    html = broken._repr_html_()
    assert "history.jsonl: it cannot be read" in html
    assert "Run(" in html


def test_evaluations_and_comparisons(run, tmp_path):
    html = run.evaluation._repr_html_()
    check(html, 12_000)
    assert html.count("<svg") == 1
    assert html.count('<td style="background:') == 4
    assert repr(run.evaluation) == "Evaluation(accuracy 0.900 on 40 images, 2 classes)"
    other = write_run(run.path.parent, "other", [])
    compared = compare_runs([run, other])
    html = compared._repr_html_()
    check(html, 16_000)
    assert html.count("<svg") == 1
    assert html.count("data:image") == 4, "photos that the other run alone has right"
    assert "Right only in other" in html
    assert "Right only in run" not in html
    assert compared.next_step().startswith("40 images do not tell run and other apart")
    assert "do not tell run and other apart" in html
    assert "not significant, p = 0.12" in repr(compared)
    assert "&#39;" in compared._repr_html_() or "not significant" in compared._repr_html_()
    assert ".png" not in repr(compared.against[0]), "lists of images are not printed"


def test_the_better_run_is_the_next_step(tmp_path):
    poor, good, same = (write_run(tmp_path, name, wrong) for name, wrong in
                        (("poor", range(16)), ("good", []), ("same", range(15))))  # fmt: skip
    assert compare_runs([poor, good, same]).next_step().startswith("go on with good: its lead over poor")
    assert compare_runs([good, poor, same]).next_step().startswith("go on with good: its lead over the other")


def test_plotting_is_one_call(run, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    loss, accuracy = run.plot()
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert list(loss.lines[0].get_ydata()) == [1, 1 / 2, 1 / 3]
    assert [line.get_label() for line in accuracy.lines] == ["validation"]
    (only,) = run.plot("loss")
    assert only.get_title() == "loss"
    with pytest.raises(UserError, match=r"run.plot: received 'los', .*did you mean 'loss'"):
        run.plot("los")
    confusions, reliability = run.evaluation.plot()
    assert [text.get_text() for text in confusions.texts] == ["19", "1", "3", "17"]
    assert "calibration error" in reliability.get_title()
    for axes in (loss, only, confusions):
        axes.figure.canvas.draw()


def test_a_run_without_epochs_says_so(run, tmp_path):
    found = write_run(tmp_path, "closed", [1])
    (found.path / "history.jsonl").write_text("")
    with pytest.raises(UserError, match="a run that trained by epochs"):
        found.plot()
    assert "<svg" not in found._repr_html_()


def test_a_long_table_is_cut_and_says_so():
    html = block(paragraph("a", EVIL), html_table([(EVIL, k, None, 0.5) for k in range(40)], ("x", "<y>")))
    check(html)
    assert "and 10 more" in html
    assert "&lt;y&gt;" in html
