"""Augmentation keeps the cut: views are computed once and kept, and batches are mixed above it."""

from __future__ import annotations

import csv
import importlib
import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import transferkit
from transferkit.activations.cache import Cache
from transferkit.errors import UserError

# A dozen retrainings and more: each key's own effect has a quick test where the key is read.
pytestmark = pytest.mark.slow

BASE = [
    "data.test=0.2",
    "data.validation=0.2",
    "batch_size=16",
    "early_stopping=false",
    "epochs=3",
    "export.parity=false",
    "evaluation.grad_cam=0",
]
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


def history(run):
    return [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]


def weights(run):
    return dict(np.load(run.path / "weights.npz"))


def test_without_views_training_passes_the_whole_network(shapes, tmp_path):
    rotation = "augmentation.rotation=20"
    run = retrain(shapes, tmp_path / "run", "head.kind=linear", "augmentation.flip=true", rotation)
    again = retrain(shapes, tmp_path / "again", "head.kind=linear", "augmentation.flip=true", rotation)
    other = retrain(shapes, tmp_path / "other", "head.kind=linear", rotation)
    assert "views" not in seconds_of(run)
    assert run.metrics["accuracy"] >= 0.6
    one, same, another = weights(run), weights(again), weights(other)
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert any(not np.array_equal(one[name], another[name]) for name in one)
    assert "unchanged" in run.summary["frozen"]


@pytest.mark.parametrize("at", ["images", "cut"])
def test_mixup_without_views(shapes, tmp_path, at):
    mixup = f'augmentation.mixup={{alpha=0.4, at="{at}"}}'
    run = retrain(shapes, tmp_path / "run", "head.kind=linear", "augmentation.flip=true", mixup)
    plain = retrain(shapes, tmp_path / "plain", "head.kind=linear", "augmentation.flip=true")
    assert history(run)[-1]["loss"] > history(plain)[-1]["loss"], "shares of labels leave a loss"
    assert run.metrics["accuracy"] > 0.5


def test_cutmix_and_mixup_of_images_while_stages_are_open(shapes, tmp_path):
    words = ["augmentation.cutmix=true", "augmentation.mixup=true", "head.kind=linear"]
    phases = """phases=[{name="head", epochs=2}, {name="top", freeze={last=2}, epochs=1, optimizer="sgd"}]"""
    run = retrain(shapes, tmp_path / "run", *words, phases)
    assert {row["phase"] for row in history(run)} == {"head", "top"}
    assert run.evaluate().metrics["accuracy"] == pytest.approx(run.metrics["accuracy"])


@pytest.mark.slow
def test_large_data_passes_the_frozen_part_in_part_only(shapes, tmp_path, monkeypatch):
    monkeypatch.setattr("transferkit.training.cut_features._SAMPLE", 10)
    broken = tmp_path / "photos"
    shutil.copytree(shapes, broken)
    first = retrain(broken, tmp_path / "first", "epochs=1")
    train = [row["path"] for row in rows_of(first) if row["split"] == "train"]
    (broken / train[0]).write_bytes((broken / train[0]).read_bytes()[:300])
    words = ["epochs=1", "augmentation.flip=true", "data.max_unreadable=0.5"]
    run = retrain(broken, tmp_path / "run", *words, f'activations.cache_dir="{tmp_path / "cache"}"')
    with open(run.path / "quarantine.csv", newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [train[0]]
    held_out = sum(row["split"] != "train" for row in rows_of(run))
    assert "decode" in seconds_of(run)
    assert sum(entry.rows for entry in Cache(tmp_path / "cache").entries()) <= held_out + 10


def rows_of(run):
    with open(run.path / "split.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_head_that_is_found_at_once_needs_views_and_cannot_mix(shapes, tmp_path):
    with pytest.raises(UserError, match=r"activations\.views: received 1.*logistic is fitted once"):
        retrain(shapes, tmp_path / "run", "head.kind=logistic", "augmentation.flip=true")
    with pytest.raises(UserError, match="no mixing"):
        retrain(shapes, tmp_path / "run", "head.kind=ridge", 'augmentation.mixup={at="cut"}')


# In a process of its own: a signal that comes when nothing listens ends whoever it is sent to.
_ENDS_IN_THE_SECOND_EPOCH = """
import json, os, signal, sys

import transferkit
import transferkit.training.end_to_end as direct

decode, read, sent = direct.read_image, [], []


def ends(path, decoding):
    read.append(1)
    # Photos are read ahead: the first of an epoch before its training listens to the signal.
    if len(read) >= 110 and signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL and not sent:
        sent.append(1)
        os.kill(os.getpid(), signal.SIGTERM)
    return decode(path, decoding)


direct.read_image = ends
data, run, overrides = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
transferkit.retrain(data=data, run=run, backbone="embedded", quiet=True, overrides=overrides)
"""


def test_a_run_without_views_goes_on_in_the_midst_of_an_epoch(shapes, tmp_path):
    words = ["augmentation.flip=true", "augmentation.mixup={at='cut'}", "batch_size=4"]
    whole = retrain(shapes, tmp_path / "whole", *words)
    arguments = [str(shapes), str(tmp_path / "run"), json.dumps([*BASE, *words])]
    ended = subprocess.run(
        [sys.executable, "-c", _ENDS_IN_THE_SECOND_EPOCH, *arguments], capture_output=True, text=True
    )
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    partial = tmp_path / ".run.partial"
    rows = next(partial.glob("phases/*/history.jsonl")).read_text().splitlines()
    assert len(rows) == 2, "the first epoch is done, the second is not"
    resumed = transferkit.retrain(run=tmp_path / "run", resume=True, quiet=True)
    one, other = weights(whole), weights(resumed)
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert [row["loss"] for row in history(resumed)] == [row["loss"] for row in history(whole)]


@pytest.mark.slow
def test_a_file_that_goes_away_in_the_midst_is_named_and_the_run_goes_on_when_it_is_back(
    make_shapes, tmp_path, monkeypatch
):
    photos = make_shapes(10)
    words = ["augmentation.flip=true", "head.kind=linear"]
    train_phase = importlib.import_module("transferkit.training.loop").train_phase
    taken = []

    def robbed(network, phase, data, *rest, **more):
        victim = next(row for row in sorted(photos.glob("*/*.png")) if is_trained_on(row))
        victim.rename(tmp_path / "away.png")
        taken.append(victim)
        return train_phase(network, phase, data, *rest, **more)

    def is_trained_on(file):
        with open(tmp_path / ".run.partial" / "split.csv", newline="") as ledger:
            split = {row["path"]: row["split"] for row in csv.DictReader(ledger)}
        return split[file.relative_to(photos).as_posix()] == "train"

    monkeypatch.setattr("transferkit.training.loop.train_phase", robbed)
    with pytest.raises(UserError, match=r"lost during training: No such file .*--resume") as error:
        retrain(photos, tmp_path / "run", *words)
    assert str(taken[0]) in str(error.value)
    monkeypatch.undo()
    (tmp_path / "away.png").rename(taken[0])
    assert transferkit.retrain(run=tmp_path / "run", resume=True, quiet=True).metrics["samples"]
