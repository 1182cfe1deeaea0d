"""Augmentation keeps the cut: views are computed once and kept, and batches are mixed above it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import transferkit
from transferkit.errors import UserError

BASE = ["data.test=0.2", "data.validation=0.2", "batch_size=16", "early_stopping=false", "epochs=4"]
VIEWS = ["augmentation.flip=true", "augmentation.crop={least=0.7}", "activations.views=3"]


def retrain(data, run, *overrides):
    return transferkit.retrain(
        data=data, run=run, backbone="embedded", quiet=True, overrides=[*BASE, *overrides]
    )


def seconds_of(run):
    return json.loads((run.path / "metrics.json").read_text())["seconds"]["stages"]


def test_views_are_kept_and_training_on_them_is_the_same_again(shapes, tmp_path):
    first = retrain(shapes, tmp_path / "a", "head.kind=linear", *VIEWS)
    again = retrain(shapes, tmp_path / "b", "head.kind=linear", *VIEWS)
    assert "views" in seconds_of(first)
    assert seconds_of(again)["views"] < seconds_of(first)["views"]
    one, other = (np.load(run.path / "weights.npz") for run in (first, again))
    assert all(np.array_equal(one[name], other[name]) for name in one.files)
    plain = retrain(shapes, tmp_path / "c", "head.kind=linear")
    assert plain.metrics["log_loss"] != first.metrics["log_loss"]
    assert "views" not in seconds_of(plain)


def test_a_closed_form_head_is_fitted_on_every_view(shapes, tmp_path):
    plain = retrain(shapes, tmp_path / "plain", "head.kind=prototype")
    viewed = retrain(shapes, tmp_path / "viewed", "head.kind=prototype", *VIEWS)
    assert viewed.metrics["accuracy"] >= 0.6
    assert viewed.metrics["log_loss"] != plain.metrics["log_loss"]


def test_mixup_at_the_cut_trains_on_shares_of_labels(shapes, tmp_path):
    run = retrain(shapes, tmp_path / "run", "head.kind=linear", 'augmentation.mixup={alpha=0.4, at="cut"}')
    plain = retrain(shapes, tmp_path / "plain", "head.kind=linear")
    losses = [
        json.loads((one.path / "history.jsonl").read_text().splitlines()[-1])["loss"] for one in (run, plain)
    ]
    assert losses[0] > losses[1], "mixed labels leave a loss that nothing can take away"
    assert run.metrics["accuracy"] > 0.5


def test_what_would_run_the_frozen_part_every_epoch_is_refused(shapes, tmp_path):
    with pytest.raises(UserError, match=r"activations\.views"):
        retrain(shapes, tmp_path / "run", "augmentation.flip=true")
