"""The frozen pass on several devices: in parallel, in order, in 16 bits where that agrees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from transferkit.activations.cache import Cache
from transferkit.activations.engines import choose_engine as choose
from transferkit.activations.engines.choose_engine import available, choose_engine
from transferkit.activations.engines.device_engine import DeviceEngine
from transferkit.activations.engines.make_engine import Target
from transferkit.activations.engines.prefix_engine import TensorFlowEngine, trace
from transferkit.backbones import load_backbone
from transferkit.errors import UserError

SIZE = (128, 128)
CPU = "/device:CPU:0"


@pytest.fixture(scope="module")
def cut():
    return load_backbone("embedded", "imagenet").cut(None)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (11, *SIZE, 3), dtype=np.uint8)


def test_the_last_batch_is_filled_up_and_the_answers_keep_their_order(cut, images):
    traced = trace(cut, SIZE)
    engine = DeviceEngine(traced, [CPU, CPU], batch=4)
    np.testing.assert_allclose(engine(images), TensorFlowEngine(traced)(images), rtol=1e-4, atol=1e-4)
    assert engine(images[:1]).shape == (1, *cut.shape)


def test_batches_are_under_way_together_each_of_one_shape(images):
    """Two devices work at once, and each has its next batch before its last one is read."""
    import threading

    met = threading.Barrier(4, timeout=20)
    shapes = []

    def run(given):
        shapes.append(tuple(given.shape))
        assert given.dtype == tf.uint8
        met.wait()  # nobody passes before four batches are under way
        return tf.cast(given[:, 0, 0, :], tf.float32)

    engine = DeviceEngine.__new__(DeviceEngine)
    DeviceEngine.__init__(engine, trace(Pixels(), SIZE), [CPU, CPU], batch=3)
    engine._run = run
    assert engine.ahead == 4
    found = engine(images[:10])
    np.testing.assert_array_equal(found, images[:10, 0, 0].astype(np.float32))
    assert shapes == [(3, *SIZE, 3)] * 4


class Pixels:
    """A cut that gives a corner's colour."""

    shape = (3,)
    fingerprint = "0" * 64

    def prefix(self, images):
        return tf.cast(images, tf.float32)[:, 0, 0]


def test_a_failure_on_a_device_is_raised_where_the_answers_are_taken(cut, images):
    engine = DeviceEngine(trace(cut, SIZE), [CPU], batch=4)

    def fail(given):
        raise tf.errors.ResourceExhaustedError(None, None, "out of memory")

    engine._run = fail
    with pytest.raises(tf.errors.ResourceExhaustedError):
        engine(images)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_sixteen_bits_are_taken_where_they_agree(cut, images, precision, tmp_path):
    engine = choose_engine(cut, SIZE, images, cache=Cache(tmp_path), target=Target((), precision))
    assert engine.name == "tensorflow"
    plain = TensorFlowEngine(trace(cut, SIZE))(images)
    apart = np.abs(engine(images) - plain).max() / np.abs(plain).max()
    # Not float32 in disguise.
    assert 1e-6 < apart <= choose._TOLERANCES[precision]
    # And it is remembered apart from float32.
    again = choose_engine(cut, SIZE, images, cache=Cache(tmp_path), target=Target((), precision))
    np.testing.assert_array_equal(again(images), engine(images))
    assert np.abs(choose_engine(cut, SIZE, images, cache=Cache(tmp_path))(images) - plain).max() < 1e-3


def test_sixteen_bits_that_do_not_agree_are_refused(cut, images, monkeypatch):
    monkeypatch.setitem(choose._TOLERANCES, "float16", 1e-9)
    with pytest.raises(UserError, match=r"devices\.precision: received 'float16'.*use float32"):
        choose_engine(cut, SIZE, images, target=Target((), "float16"))


def test_a_backbone_without_layers_is_refused_in_sixteen_bits(images):
    with pytest.raises(UserError, match=r"devices\.precision.*shows no layers"):
        choose_engine(Pixels(), SIZE, images, target=Target((), "bfloat16"))


def test_openvino_is_named_in_vain_for_sixteen_bits_and_for_gpus(cut, images):
    assert available(Target(("/device:GPU:0",))) == ("tensorflow", "tensorflow-xla")
    assert "openvino" not in available(Target((), "float16"))
    with pytest.raises(UserError, match=r"activations\.engine"):
        choose_engine(cut, SIZE, images, "openvino", target=Target((), "float16"))


@pytest.mark.slow
def test_several_devices_give_the_activations_of_one(tmp_path):
    script = Path(__file__).with_name("several_devices.py")
    made = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert made.returncode == 0, made.stderr[-3000:]
    found = json.loads(made.stdout.splitlines()[-1])
    assert found["engine"] == "tensorflow"
    assert found["computed"] == 23
    assert found["unreadable"] == [9]
    assert found["apart"] < 1e-4
    # Each device computed several batches.
    assert len(found["on"]) == 3
    assert min(found["on"].values()) >= 2
