"""Replicas train as one device does at the same global batch."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, RunConfig
from transferkit.estimator.distribution import STRATEGIES, strategy_of


def printed(script, *arguments):
    """What ``script``, which sets up its devices by itself, prints last."""
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@functools.cache
def run(count, style, name, loop=""):
    return printed("replicas.py", str(count), style, name, *([loop] if loop else []))


@pytest.mark.parametrize("style", ["tf1", "keras"])
@pytest.mark.parametrize("count", [pytest.param(2), pytest.param(4, marks=pytest.mark.slow)])
def test_mirrored_cpus_give_the_loss_curve_of_one_device(style, count):
    one, several = run(1, style, "none"), run(count, style, "mirrored")
    np.testing.assert_allclose(several["losses"], one["losses"], rtol=1e-5)
    # Adam's step hides a wrong scale of the gradients: its slots show it.
    assert several["weights"].keys() == one["weights"].keys()
    for name, value in one["weights"].items():
        np.testing.assert_allclose(several["weights"][name], value, rtol=2e-4, atol=1e-6, err_msg=name)
    assert several["traces"] == {"train": 1, "eval": 1, "infer": 1}
    # An incomplete set of evaluation batches counts, each example once.
    for name in ("mae", "loss", "predicted"):
        np.testing.assert_allclose(several[name], one[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_replicas_in_loops_inside_the_graph():
    several = run(2, "keras", "mirrored", "5")
    expected = run(1, "keras", "none")["losses"]
    np.testing.assert_allclose(several["losses"], [expected[i] for i in (4, 9, 11)], rtol=1e-5)


ALIKE = [
    ("mirrored", None, "tete"),
    ("mirrored", None, "etete"),
    ("mirrored", None, "ptepte"),
    ("mirrored", "mirrored", "etete"),
    ("mirrored", "cpu", "etete"),
]
ALIKE_ON_ONE_DEVICE = [
    (None, None, "petete"),
    ("cpu", None, "petete"),
    (None, "mirrored", "etete"),
    (None, "mirrored", "tete"),
]
STOPPED, ELSEWHERE, COMPILED = ("mirrored", None, "tese"), ("cpu", "mirrored", "te"), ("mirrored", None, "xt")


@functools.cache
def answers():
    """Case -> the evaluations that ``mode_strategies.py`` made, or the error."""
    cases = [*ALIKE, *ALIKE_ON_ONE_DEVICE, STOPPED, ELSEWHERE, COMPILED]
    return dict(zip(cases, printed("mode_strategies.py", json.dumps(cases)), strict=True))


@pytest.mark.parametrize("cases", [ALIKE, ALIKE_ON_ONE_DEVICE], ids=["replicas", "one device"])
def test_modes_share_weights_whichever_strategy_they_have_and_whichever_comes_first(cases):
    expected = answers()[cases[0]]
    for case in cases:
        results = answers()[case]
        assert len(results) == 2
        for one, other in zip(results, expected, strict=True):
            assert one.keys() == {"mae", "mean", "loss", "global_step"}
            values, wanted = list(one.values()), list(other.values())
            np.testing.assert_allclose(values, wanted, rtol=1e-4, err_msg=str(case))


def test_early_stopping_ends_the_training_of_replicas():
    assert [result["global_step"] for result in answers()[STOPPED]] == [3, 4]


def test_what_replicas_cannot_do_is_refused():
    assert "expected the devices of train_distribute" in answers()[ELSEWHERE]
    assert "a step over 2 devices is not compiled as a whole" in answers()[COMPILED]


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_names_of_one_device(name, tf1_model, train_input):
    estimator = Estimator(tf1_model, config=RunConfig(train_distribute=name), params={})
    estimator.train(train_input, steps=2)
    assert estimator.get_variable_value("global_step") == 2


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="did you mean 'mirrored'"):
        strategy_of("miror")
    assert set(STRATEGIES) == {"auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu"}


def test_central_storage_of_one_machine_trains_and_parameter_servers_are_refused(tf1_model, train_input):
    central = tf.distribute.experimental.CentralStorageStrategy()
    both = RunConfig(tf_random_seed=1, train_distribute=central, eval_distribute=central)
    losses = []
    for config in (both, RunConfig(tf_random_seed=1)):
        estimator = Estimator(tf1_model, config=config, params={}).train(train_input, steps=2)
        losses.append(estimator.evaluate(train_input, steps=1)["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": ["localhost:1"], "ps": ["localhost:2"]}),
        task_type="worker",
        task_id=0,
    )
    servers = tf.compat.v1.distribute.experimental.ParameterServerStrategy(resolver)
    with pytest.raises(ValueError, match="parameter servers are not supported"):
        strategy_of(servers)


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="this machine has a GPU")
def test_missing_devices_are_named():
    with pytest.raises(ValueError, match="no GPU"):
        strategy_of("gpu")


@pytest.mark.parametrize("name", ["gpu", "tpu"])
def test_devices_that_are_asked_for(name, tf1_model, train_input):
    """Runs on a real GPU or TPU where TRANSFERKIT_TEST_STRATEGY names it."""
    if os.environ.get("TRANSFERKIT_TEST_STRATEGY") != name:
        pytest.skip(f"set TRANSFERKIT_TEST_STRATEGY={name} on a machine that has one")
    estimator = Estimator(tf1_model, config=RunConfig(train_distribute=name), params={})
    estimator.train(lambda: train_input().map(lambda x, y: (x, y)), steps=3)
    assert estimator.get_variable_value("global_step") == 3
