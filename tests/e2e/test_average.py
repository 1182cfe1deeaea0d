"""Two networks whose answers are averaged: from photos to one model that is restored and checked."""

from __future__ import annotations

import json

import numpy as np
import pytest

import transferkit
from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.runs.finished.restore import restore
from transferkit.runs.folder.verify import verify_run

AVERAGED = [
    ("average.head.budget", "1s"),
    ("average.scale", 1.5),
    ("phases.head.epochs", 2),
    ("phases.top.epochs", 2),
    ("data.test", 0.3),
    ("evaluation.resamples", 0),
    ("export.parity", False),
]
OPTIONS = {"backbone": "embedded", "image_size": 64, "quiet": True}


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    return transferkit.retrain(
        "finetune_top", data=shapes, run=tmp_path_factory.mktemp("runs") / "averaged", overrides=AVERAGED,
        **OPTIONS,
    )  # fmt: skip


@pytest.mark.slow
def test_it_is_restored_from_the_run_alone_and_answers_with_the_mean(run):
    assert run.metrics["accuracy"] >= 0.8
    assert run.evaluate(quiet=True).metrics["accuracy"] == pytest.approx(run.metrics["accuracy"])
    assert not verify_run(run)
    parts, network = restore(run)
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    trained, second = (np.asarray(one.features(images)) for one in parts.backbone.networks)
    # The second network is the frozen one; the first one's last layers moved.
    first, *_ = parts.backbone.networks
    assert not np.allclose(trained, second[:, -trained.shape[1] :], atol=1e-4)
    standardised = network.standardise(np.concatenate([trained, second], axis=1))
    shares = [parts.layer.get_layer(name) for name in ("trained_share", "second_share")]
    assert shares[1].scale == 0.75
    scale = json.loads((run.path / "head.json").read_text())["scale_of_trained"]
    assert shares[0].scale == pytest.approx(0.75 * scale)
    width = first.feature_width
    sides = standardised[:, :width], standardised[:, width:]
    logits = [
        share.scale * np.asarray(parts.layer.get_layer(name)(side))
        for share, name, side in zip(shares, ("trained", "second"), sides, strict=True)
    ]
    np.testing.assert_allclose(np.asarray(network.logits({"images": images})), sum(logits), atol=1e-4)
    report = (run.path / "report.html").read_text()
    assert "linear and auto, averaged" in report


@pytest.mark.slow
def test_every_format_agrees_and_the_gate_holds(shapes, tmp_path):
    overrides = [*AVERAGED[:-1], ("average.backbone", {"name": "embedded", "mirror": True}),
                 ("average.views", 2), ("average.augmentation", {"flip": True}),
                 ("export.formats", ["keras", "tflite", "tflite_float16", "tflite_int8"])]  # fmt: skip
    run = transferkit.retrain(
        "finetune_top", data=shapes, run=tmp_path / "run", overrides=overrides, **OPTIONS
    )
    found = json.loads((run.path / "parity.json").read_text())["artefacts"]
    assert {one["format"] for one in found} == {
        "saved_model", "keras", "tflite", "tflite_float16", "tflite_int8"
    }  # fmt: skip
    assert all(one["passed"] for one in found)
    assert run.model.output_shape[-1] == len(run.classes)
    again = transferkit.retrain(run.path / "recipe.toml", run=tmp_path / "again", quiet=True)
    assert again.metrics["log_loss"] == run.metrics["log_loss"]


@pytest.mark.slow
def test_a_killed_average_goes_on_to_the_same_weights(shapes, run, tmp_path, monkeypatch):
    from transferkit.runs import execute

    with_average = execute.with_average

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(execute, "with_average", killed)
    with pytest.raises(KeyboardInterrupt):
        transferkit.retrain("finetune_top", data=shapes, run=tmp_path / "run", overrides=AVERAGED, **OPTIONS)
    monkeypatch.setattr(execute, "with_average", with_average)
    again = transferkit.retrain(run=tmp_path / "run", resume=True, quiet=True)
    with np.load(run.path / "weights.npz") as first, np.load(again.path / "weights.npz") as second:
        assert first.files == second.files
        assert all(np.array_equal(first[name], second[name]) for name in first.files)


@pytest.mark.slow
def test_it_is_not_extended(run, shapes, tmp_path):
    with pytest.raises(UserError, match="mean of two networks"):
        transferkit.extend(run, shapes, to=tmp_path / "more", quiet=True)


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        ([("average.head", "linear")], "average.head.kind: received 'linear'"),
        ([("average.head.budgte", 3)], "average.head.budgte"),
        ([("average.views", 3)], "average.views: received 3"),
        ([("average.augmentation", {"flipp": True})], "average.augmentation.flipp"),
        ([("average.backbone.crop", 3)], "average.backbone.crop"),
        ([("average", {}), ("sweep.values", {"seed": [1, 2]})], "no sweep with [average]"),
    ],
)
def test_what_cannot_be_averaged_is_said_before_work(overrides, part):
    with pytest.raises(UserError) as caught:
        load("finetune_top", overrides, backbone="embedded")
    assert part in str(caught.value)
