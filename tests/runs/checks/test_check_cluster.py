"""What several workers cannot do together is refused before anything is read, each in a line."""

from __future__ import annotations

import json

import pytest

from transferkit.errors import UserError
from transferkit.recipe import admit_code, load
from transferkit.runs.checks.check_cluster import check_cluster

SWEEP = 'sweep.values={"optimizer.learning_rate"=[1e-4, 1e-3]}'
LIVE = ["batch_norm=train", 'freeze={until="stage2"}']


@pytest.fixture
def two_workers(monkeypatch):
    told = {
        "cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]},
        "task": {"type": "worker", "index": 0},
    }
    monkeypatch.setenv("TF_CONFIG", json.dumps(told))


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ([SWEEP], ["sweep"]),
        (["augmentation={mixup=0.2}"], ["augmentation"]),
        (["augmentation={cutmix=0.5}"], ["augmentation"]),
        (LIVE, ["batch_norm"]),
        (["augmentation={flip=true}"], ["activations.views"]),
        ([SWEEP, "augmentation={mixup=0.2}", *LIVE], ["sweep", "augmentation", "batch_norm"]),
    ],
)
def test_it_is_refused_by_name(two_workers, settings, places):
    recipe = admit_code(load("retrain", ["backbone=embedded", *settings]))
    with pytest.raises(UserError) as caught:
        check_cluster(recipe)
    assert [line.partition(":")[0] for line in caught.value.faults] == places
    assert all("several workers train a run" in line for line in caught.value.faults)


@pytest.mark.parametrize("settings", [[], ['freeze={until="stage2"}'], ["devices=cpu"]])
def test_what_they_can_do_is_not(two_workers, settings):
    check_cluster(admit_code(load("retrain", ["backbone=embedded", *settings])))


def test_one_process_may_do_all_of_it(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    check_cluster(admit_code(load("retrain", [SWEEP, "augmentation={mixup=0.2}", *LIVE])))


@pytest.mark.parametrize(
    ("addresses", "place"),
    [
        (["a", "b"], "TF_CONFIG.cluster.worker"),
        (["127.0.0.1:70000", "127.0.0.1:7"], "TF_CONFIG.cluster.worker"),
        (["127.0.0.1:x", "127.0.0.1:7"], "TF_CONFIG.cluster.worker"),
        ([1, 2], "TF_CONFIG.cluster.worker"),
        ([["a:1"], ["b:1"]], "TF_CONFIG.cluster.worker"),
        (["a:1", "a:1"], "TF_CONFIG.cluster.worker"),
        ("a:1", "TF_CONFIG.cluster.worker"),
    ],
)
def test_addresses_that_cannot_be_are_refused_before_the_workers_meet(monkeypatch, addresses, place):
    told = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(told))
    with pytest.raises(UserError) as caught:
        check_cluster(admit_code(load("retrain", ["backbone=embedded"])))
    assert {line.partition(": ")[0] for line in caught.value.faults} == {place}
