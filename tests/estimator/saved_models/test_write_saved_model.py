"""Exports load without Keras or the model_fn, and appear whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import transferkit.estimator as tke

_LOAD = """
import sys
sys.modules["keras"] = None
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
print(model.signatures["serving_default"](x=tf.constant([[1.0], [2.0]]))["value"].numpy().ravel().tolist())
"""


def receiver():
    return tke.build_raw_serving_input_receiver_fn({"x": np.zeros([1, 1], np.float32)})


def exported(estimator, *args, **kwargs):
    """The folder as text: the call gives bytes, as tf.estimator's did."""
    folder = estimator.export_saved_model(*args, **kwargs)
    assert isinstance(folder, bytes)
    return os.fsdecode(folder)


@pytest.mark.parametrize("style", ["tf1", "keras"])
def test_an_export_answers_as_the_estimator_predicts(style, tf1_model, keras_model, train_input, tmp_path):
    model_fn, params = (tf1_model, {}) if style == "tf1" else (keras_model(), None)
    estimator = tke.Estimator(model_fn, str(tmp_path / "model"), params=params).train(train_input, steps=5)
    extra = tmp_path / "labels.txt"
    extra.write_text("a\nb\n")
    folder = exported(estimator, tmp_path / "export", receiver(), assets_extra={"deep/labels": str(extra)})
    assert os.path.basename(folder).isdigit()
    assert Path(folder, "assets.extra/deep/labels").read_text() == "a\nb\n"
    data = tf.data.Dataset.from_tensor_slices({"x": tf.constant([[1.0], [2.0]])}).batch(2)
    expected = [one["value"][0] for one in estimator.predict(lambda: data)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, folder], capture_output=True, text=True, check=True, env=environment
    )
    np.testing.assert_allclose(eval(done.stdout.splitlines()[-1]), expected, rtol=1e-6)
    assert estimator.trace_counts["infer"] == 1


def test_a_failed_export_leaves_nothing(tf1_model, train_input, tmp_path):
    estimator = tke.Estimator(tf1_model, str(tmp_path / "model"), params={}).train(train_input, steps=1)
    with pytest.raises(FileNotFoundError):
        estimator.export_saved_model(
            tmp_path / "export", receiver(), assets_extra={"a": str(tmp_path / "missing")}
        )
    assert os.listdir(tmp_path / "export") == []


def test_an_export_as_text_loads(tf1_model, train_input, tmp_path):
    estimator = tke.Estimator(tf1_model, str(tmp_path / "model"), params={}).train(train_input, steps=1)
    folder = exported(estimator, tmp_path / "export", receiver(), as_text=True)
    assert os.path.exists(os.path.join(folder, "saved_model.pbtxt"))
    assert "serving_default" in tf.saved_model.load(folder).signatures


def test_an_untrained_model_is_not_exported(tf1_model, tmp_path):
    with pytest.raises(ValueError, match="train before"):
        tke.Estimator(tf1_model, str(tmp_path), params={}).export_saved_model(tmp_path / "export", receiver())


def test_before_training_the_weights_that_it_begins_from_are_exported(tf1_model, train_input, tmp_path):
    first = tke.Estimator(tf1_model, str(tmp_path / "model"), params={}).train(train_input, steps=3)
    second = tke.Estimator(tf1_model, params={}, warm_start_from=first.model_dir)
    loaded = [
        tf.saved_model.load(exported(one, tmp_path / name, receiver()))
        for name, one in (("first", first), ("second", second))
    ]
    given = {"x": tf.ones([2, 1])}
    answers = [one.signatures["serving_default"](**given)["value"].numpy() for one in loaded]
    np.testing.assert_array_equal(*answers)


def test_examples_are_parsed_and_classified(tmp_path):
    def model_fn(features, labels, mode):
        weight = tf.Variable([[1.0, -1.0]], name="weight")
        scores = tf.nn.softmax(features["x"] @ weight)
        outputs = {"serving_default": tke.ClassificationOutput(scores=scores)}
        loss = tf.reduce_mean(scores)
        step = tf.compat.v1.train.get_global_step()
        train_op = (
            tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss, step) if mode == "train" else None
        )
        return tke.EstimatorSpec(mode, {"scores": scores}, loss, train_op, export_outputs=outputs)

    estimator = tke.Estimator(model_fn, str(tmp_path / "model"))
    estimator.train(lambda: ({"x": tf.ones([2, 1])}, None), steps=1)
    spec = {"x": tf.io.FixedLenFeature([1], tf.float32)}
    folder = exported(estimator, tmp_path / "export", tke.build_parsing_serving_input_receiver_fn(spec))
    example = tf.train.Example(
        features=tf.train.Features(
            feature={"x": tf.train.Feature(float_list=tf.train.FloatList(value=[3.0]))}
        )
    )
    model = tf.saved_model.load(folder)
    scores = model.signatures["serving_default"](inputs=tf.constant([example.SerializeToString()]))["scores"]
    assert scores.shape == (1, 2)
    assert scores[0, 0] > 0.99
