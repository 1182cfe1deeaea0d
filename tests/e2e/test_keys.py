"""Keys of the recipe that no other run here sets: each one does what it says, in a whole run."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import transferkit

# A dozen retrainings and more: each key's own effect has a quick test where the key is read.
pytestmark = pytest.mark.slow

BASE = [
    "data.test=0.2",
    "data.validation=0.2",
    "batch_size=16",
    "epochs=3",
    "export.parity=false",
    "evaluation.grad_cam=0",
]


def retrain(data, run, *overrides):
    return transferkit.retrain(
        "retrain", data=data, run=run, backbone="embedded", quiet=True, overrides=[*BASE, *overrides]
    )


def rows_of(run):
    return [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]


def weights_of(run):
    with np.load(run.path / "weights.npz") as file:
        return {name.partition(":")[2]: file[name] for name in file.files}


@pytest.fixture(scope="module")
def plain(shapes, tmp_path_factory):
    return retrain(shapes, tmp_path_factory.mktemp("plain") / "run")


@pytest.fixture(scope="module")
def top():
    from transferkit.find_card import load_card

    return f'freeze={{until="{list(load_card("embedded").stages)[-2]}"}}'


@pytest.mark.parametrize("engine", ["tensorflow", "openvino"])
def test_every_engine_gives_the_same_run(engine, plain, shapes, tmp_path, monkeypatch):
    if engine == "openvino":
        pytest.importorskip("openvino")
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cache"))
    run = retrain(shapes, tmp_path / "run", f"activations.engine={engine}")
    assert run.metrics["log_loss"] == pytest.approx(plain.metrics["log_loss"], abs=1e-4)


def test_batch_normalisation_moves_its_statistics_where_it_is_told_to(shapes, tmp_path, top):
    still = weights_of(retrain(shapes, tmp_path / "still", top))
    moved = weights_of(retrain(shapes, tmp_path / "moved", top, "batch_norm=train"))
    first = weights_of(retrain(shapes, tmp_path / "begun", "epochs=1"))
    statistics = [name for name in first if "moving_mean" in name]
    same = [np.array_equal(first[name], still[name]) for name in statistics]
    assert statistics
    assert all(same), "frozen is the default"
    changed = [not np.array_equal(first[name], moved[name]) for name in statistics]
    assert any(changed)
    assert not all(changed), "those below the cut stay"


def test_an_image_comes_to_its_size_as_is_said_and_in_the_export_too(shapes, tmp_path):
    wide = tmp_path / "wide"
    for path in sorted(shapes.rglob("*.png")):
        target = wide / path.relative_to(shapes)
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image.resize((160, 60)).save(target)
    found = {}
    for way in ("stretch", "crop", "pad"):
        run = retrain(wide, tmp_path / way, f"data.resize={way}", "export.parity=true")
        found[way] = run.predict([wide / "cross" / "000.png"])[0].top
    assert len({tuple(top) for top in found.values()}) == 3


def test_evaluations_and_the_end_come_when_they_are_due(shapes, tmp_path):
    seldom = rows_of(retrain(shapes, tmp_path / "seldom", "epochs=5", "evaluate_every=2"))
    assert [row["epoch"] for row in seldom if "val_loss" in row] == [0, 2, 4, 5]
    # On a busy machine tracing alone may take a second.
    short = rows_of(
        retrain(shapes, tmp_path / "short", "epochs=100000", "early_stopping=false", "time_budget=3s")
    )
    assert 1 < len(short) < 30_000


def test_losses_of_other_kinds_are_what_is_trained_and_reported(plain, shapes, tmp_path):
    first = {"plain": rows_of(plain)[0]["val_loss"]}
    for name, loss in {
        "focal": "{kind='focal', gamma=2.0}",
        "weights": "{kind='cross_entropy', class_weights={circle=4.0}}",
    }.items():
        rows = rows_of(retrain(shapes, tmp_path / name, f"loss={loss}"))
        first[name] = rows[0]["val_loss"]
        assert rows[-1]["val_loss"] < rows[0]["val_loss"]
    # A head of noughts gives each of three classes a third: the loss of each kind is known then.
    assert first["plain"] == pytest.approx(np.log(3), abs=1e-4)
    assert first["focal"] == pytest.approx((2 / 3) ** 2 * np.log(3), abs=1e-4)
    assert first["weights"] > 1.2 * np.log(3)


def test_a_temperature_that_the_export_is_to_leave_out_stays_out(shapes, tmp_path):
    settings = ["evaluation.calibrate=true", "epochs=8"]
    kept = retrain(shapes, tmp_path / "kept", *settings)
    left = retrain(shapes, tmp_path / "left", *settings, "export.temperature=false")
    photo = shapes / "cross" / "003.png"
    # The figures are those of what the export answers.
    assert kept.metrics["log_loss"] < left.metrics["log_loss"]
    one, other = (run.predict([photo])[0].top[0][1] for run in (kept, left))
    assert abs(one - other) > 1e-3
