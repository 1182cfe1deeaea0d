"""Graphs as sessions know them: beside checkpoints, and in SavedModels of several modes."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tensorflow as tf

import transferkit.estimator as tke

v1 = tf.compat.v1

X = np.linspace(-1, 1, 16, dtype=np.float32).reshape(8, 2)


def model_fn(features, labels, mode):
    w = v1.get_variable("w", [2, 1], initializer=v1.zeros_initializer())
    fixed = v1.get_variable("fixed", [], initializer=v1.ones_initializer(), trainable=False)
    scale = tf.constant(2.0) * fixed
    y = tf.identity(tf.matmul(features["x"], w) * scale, name="out")
    if mode == "infer":
        return tke.EstimatorSpec(mode, {"y": y})
    loss = tf.reduce_mean((y - labels) ** 2)
    train_op = v1.train.AdamOptimizer(0.1).minimize(loss, v1.train.get_global_step())
    return tke.EstimatorSpec(mode, {"y": y}, loss, train_op, {"mean": v1.metrics.mean(y)})


def input_fn():
    return tf.data.Dataset.from_tensors(({"x": X}, X.sum(1, keepdims=True))).repeat()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("model"))
    config = tke.RunConfig(save_checkpoints_steps=1, keep_checkpoint_max=2)
    return tke.Estimator(model_fn, folder, config).train(input_fn, steps=3)


def test_the_graph_stands_beside_checkpoints(trained):
    files = {name for name in os.listdir(trained.model_dir) if "tfevents" not in name}
    parts = {f"model.ckpt-{n}.{end}" for n in (2, 3) for end in ("data-00000-of-00001", "index", "meta")}
    assert files == {"checkpoint", "graph.pbtxt", *parts} | {
        name for name in files if name.endswith("position.json")
    }
    prefix = trained.latest_checkpoint()
    with tf.Graph().as_default(), v1.Session() as session:
        saver = v1.train.import_meta_graph(f"{prefix}.meta")
        saver.restore(session, prefix)
        assert [variable.op.name for variable in v1.trainable_variables()] == ["w"]
        assert {variable.op.name for variable in v1.global_variables()} == set(trained.get_variable_names())
        expected = next(trained.predict(lambda: tf.data.Dataset.from_tensors({"x": X})))["y"]
        fed = {"input_0_0:0": X}
        np.testing.assert_allclose(session.run("out:0", fed)[0], expected, rtol=1e-6)
        copy = saver.save(session, os.path.join(trained.model_dir, "copy", "again"), write_state=False)
    assert dict(tf.train.list_variables(copy)) == dict(tf.train.list_variables(prefix))
    text = tf.io.gfile.GFile(os.path.join(trained.model_dir, "graph.pbtxt")).read()
    assert 'name: "out"' in text


def test_no_graph_where_none_is_asked_for(tmp_path):
    config = tke.RunConfig(checkpoint_save_graph_def=False)
    tke.Estimator(model_fn, str(tmp_path), config).train(input_fn, steps=1)
    assert not [name for name in os.listdir(tmp_path) if name.endswith((".meta", ".pbtxt"))]


def test_a_saved_model_of_several_modes(trained, tmp_path):
    features = {"x": tf.TensorSpec([None, 2])}
    both = tke.experimental.build_raw_supervised_input_receiver_fn(features, tf.TensorSpec([None, 1]))
    one = tke.export.build_raw_serving_input_receiver_fn(features)
    receivers = {"train": both, "eval": both, "infer": one}
    folder = trained.experimental_export_all_saved_models(str(tmp_path), receivers)
    expected = trained.evaluate(input_fn, steps=1)
    for tag, names in (
        ("train", {"loss", "predictions/y", "metrics/mean/value", "metrics/mean/update_op"}),
        ("eval", {"loss", "predictions/y", "metrics/mean/value", "metrics/mean/update_op"}),
        ("serve", {"y"}),
    ):
        with tf.Graph().as_default(), v1.Session() as session:
            signatures = v1.saved_model.load(session, [tag], folder.decode()).signature_def
            signature = signatures["serving_default" if tag == "serve" else tag]
            assert set(signature.outputs) == names
            given = {"x": X, "label": X.sum(1, keepdims=True)}
            fed = {tensor.name: given[name] for name, tensor in signature.inputs.items()}
            if tag == "serve":
                assert session.run(signature.outputs["y"].name, fed).shape == (8, 1)
                continue
            loss = signature.outputs["loss"].name
            assert session.run(loss, fed) == pytest.approx(expected["loss"], rel=1e-5)
            if tag == "eval":
                session.run(signature.outputs["metrics/mean/update_op"].name, fed)
                mean = session.run(signature.outputs["metrics/mean/value"].name)
                assert mean == pytest.approx(expected["mean"], abs=1e-6)
            else:
                (step,) = v1.get_collection(v1.GraphKeys.TRAIN_OP)
                before = session.run(loss, fed)
                session.run(step, fed)
                assert session.run(loss, fed) < before
    loaded = tf.saved_model.load(folder.decode(), tags=["serve"])
    assert loaded.signatures["serving_default"](x=tf.constant(X))["y"].shape == (8, 1)
    with pytest.raises(ValueError, match="train, eval, infer"):
        trained.experimental_export_all_saved_models(str(tmp_path), {"test": one})


def test_outputs_as_signatures():
    with tf.Graph().as_default():
        number, text = tf.constant([1.0]), tf.constant(["a"])
        received = {"examples": v1.placeholder(tf.string, [None])}
        made = tke.export.PredictOutput({"a": number}).as_signature_def(received)
        assert made.method_name == "tensorflow/serving/predict"
        assert made.inputs["examples"].dtype == tf.string.as_datatype_enum
        made = tke.export.ClassificationOutput(scores=number, classes=text).as_signature_def(received)
        assert set(made.outputs) == {"scores", "classes"}
        made = tke.export.RegressionOutput(number).as_signature_def(received)
        assert made.method_name == "tensorflow/serving/regress"
        with pytest.raises(ValueError, match="single tensor"):
            tke.export.RegressionOutput(number).as_signature_def({"x": number})
        output = tke.export.EvalOutput(number, {"a": number}, {"m": (number, tf.no_op())})
        assert set(output.outputs) == {"loss", "predictions/a", "metrics/m/value", "metrics/m/update_op"}
        assert output.as_signature_def(received).method_name == "tensorflow/supervised/eval"
        with pytest.raises(ValueError, match="must be a Tensor"):
            tke.export.EvalOutput(loss={"a": 1.0})
