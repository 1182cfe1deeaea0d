"""Every shipped recipe runs through to a report and an export that answers as the evaluated model did.

A new recipe is covered by being in the folder. Only lengths, backbone and number of views are changed.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transferkit
from transferkit.recipe import load
from transferkit.shipped_files import shipped

NAMES = sorted(path.stem for path in shipped("recipes").glob("*.toml"))
PER_CLASS = 16
# What these do, tests of the same parts show in the default run; `make test-all` runs them too.
ELSEWHERE = {
    "best", "finetune_full", "finetune_top", "gradual_unfreeze", "imbalanced", "linear_probe", "mobile",
    "multi_label", "retrain", "robust", "small_data",
}  # fmt: skip


def test_they_are_found():
    assert len(NAMES) >= 10


@pytest.fixture(scope="module")
def tags(shapes, tmp_path_factory):
    """A manifest of images that hold none, one or two of two shapes, side by side."""
    folder = tmp_path_factory.mktemp("tags")
    rng = np.random.default_rng(0)
    with open(folder / "labels.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "labels"])
        for number in range(3 * PER_CLASS):
            wanted = [name for bit, name in enumerate(("circle", "cross")) if number >> bit & 1]
            image = Image.fromarray(rng.integers(0, 60, (96, 192, 3), dtype=np.uint8))
            for name in wanted:
                shape = Image.open(shapes / name / f"{number % 40:03d}.png").resize((96, 96))
                image.paste(shape, (0 if name == "circle" else 96, 0))
            image.save(folder / f"{number}.png")
            writer.writerow([f"{number}.png", "|".join(wanted)])
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def few_shapes(shapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    for kind in shapes.iterdir():
        (folder / kind.name).mkdir()
        for path in sorted(kind.iterdir())[:PER_CLASS]:
            (folder / kind.name / path.name).write_bytes(path.read_bytes())
    return folder


def several_labels(name: str) -> bool:
    head = load(name).head
    return head.kind == "multi_label" or bool(head.options.get("multi_label"))


def shortened(name: str) -> list[str]:
    """Overrides that make a recipe short and leave what it does as it is."""
    recipe = load(name)
    phases = recipe.resolved_phases
    length = ["epochs=2"] if len(phases) == 1 else []
    if len(phases) > 1:
        # A rate that rises over the first epoch needs another one to fall in.
        warm = [bool(phase.schedule.options.get("warmup")) for phase in phases]
        length = [f"phases.{one.name}.epochs={1 + w}" for one, w in zip(phases, warm, strict=True)]
    views = ["activations.views=2"] if recipe.activations.views > 1 else []
    # The check in a process of its own takes longer than the run, and `check` below compares the SavedModel
    # itself; it stays on where a recipe exports more than that.
    parity = ["export.parity=false"] if recipe.export.formats == ("saved_model",) else []
    return [*length, *views, *parity]


def check(run: transferkit.Run, name: str, data: Path) -> None:
    """What must hold of a run of any recipe."""
    rows = [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]
    phases = [phase.name for phase in run.recipe.resolved_phases]
    # A head in closed form is found at once: its phases leave no history.
    assert {row["phase"] for row in rows} in ({*phases}, set())
    assert run.summary["frozen"].startswith("frozen: ")
    page = (run.path / "report.html").read_text("utf-8")
    assert 'id="mistakes"' in page
    assert ("warm colours show" in page) == bool(run.mistakes(1))
    assert (run.export_folder / "README.md").is_file()
    assert load(run.path / "recipe.toml").resolved_phases == run.recipe.resolved_phases
    exported = {path.suffix for path in (run.path / "export").rglob("*") if path.is_file()}
    for form in load(name).export.formats:
        assert ".tflite" in exported if form.startswith("tflite") else ".pb" in exported
    with open(run.path / "predictions.csv", newline="") as file:
        evaluated = list(csv.DictReader(file))
    root = data if data.is_dir() else data.parent
    predictions = run.predict([root / row["path"] for row in evaluated], top=len(run.classes))
    for row, prediction in zip(evaluated, predictions, strict=True):
        assert prediction.error is None
        for label, probability in prediction.top:
            column = next(one for one in row if one.endswith(label) and one not in ("label", "predicted"))
            assert probability == pytest.approx(float(row[column]), abs=1e-4)


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.slow if one in ELSEWHERE else ()) for one in NAMES]
)
def test_it_runs_end_to_end(name, few_shapes, tags, tmp_path):
    data = tags if several_labels(name) else few_shapes
    run = transferkit.retrain(
        name, data=data, backbone="embedded", run=tmp_path / "run", overrides=shortened(name), quiet=True
    )
    check(run, name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_at_full_length_it_learns(name, shapes, tags, tmp_path):
    data = tags if several_labels(name) else shapes
    run = transferkit.retrain(name, data=data, backbone="embedded", run=tmp_path / "run", quiet=True)
    check(run, name, data)
    figure = "hamming_accuracy" if several_labels(name) else "accuracy"
    assert run.metrics[figure] >= 0.75
