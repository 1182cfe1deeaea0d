"""Exports of several modes, signatures, hooks that evaluate while training goes on, savers of scaffolds."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf

from conformance.catalogue import error_of, event_tags, four, linear, number, shows

v1 = tf.compat.v1


@shows("files", "what training leaves in its folder")
def _(E: Any, folder: str) -> Any:
    E.Estimator(linear(E), folder).train(four(), steps=2)
    return sorted({name for name in os.listdir(folder) if "tfevents" not in name})


@shows("files", "a checkpoint's graph is read by import_meta_graph")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder).train(four(), steps=2)
    prefix = made.latest_checkpoint()
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(f"{prefix}.meta").restore(session, prefix)
        names = sorted(variable.op.name for variable in v1.trainable_variables())
        return [names, [number(session.run(variable).sum()) for variable in v1.trainable_variables()]]


@shows("files", "no graph where none is asked for")
def _(E: Any, folder: str) -> Any:
    config = E.RunConfig(checkpoint_save_graph_def=False)
    E.Estimator(linear(E), folder, config).train(four(), steps=1)
    return sorted(name for name in os.listdir(folder) if name.endswith((".meta", ".pbtxt")))


@shows("modes", "a SavedModel of three modes: signatures, their inputs and outputs")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder).train(four(), steps=2)
    features = {"x": tf.zeros([1, 1])}
    both = E.build_raw_supervised_input_receiver_fn(features, tf.zeros([1, 1]))
    one = E.build_raw_serving_input_receiver_fn(features)
    receivers = {"train": both, "eval": both, "infer": one}
    place = made.experimental_export_all_saved_models(folder + "/export", receivers)
    seen = {}
    for tag in ("train", "eval", "serve"):
        with tf.Graph().as_default(), v1.Session() as session:
            signatures = v1.saved_model.load(session, [tag], os.fsdecode(place)).signature_def
            seen[tag] = {
                name: [sorted(signature.inputs), sorted(signature.outputs), signature.method_name]
                for name, signature in sorted(signatures.items())
                if not name.startswith("__")
            }
    return seen


@shows("modes", "a SavedModel of no mode")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder).train(four(), steps=1)
    return error_of(lambda: made.experimental_export_all_saved_models(folder + "/export", {}))


@shows("modes", "export outputs as signatures")
def _(E: Any, folder: str) -> Any:
    with tf.Graph().as_default():
        received = {"examples": v1.placeholder(tf.string, [None])}
        value, text = tf.constant([1.0]), tf.constant(["a"])
        outputs = [
            E.PredictOutput({"a": value}),
            E.ClassificationOutput(value, text),
            E.RegressionOutput(value),
            E.EvalOutput(value, {"a": value}, {"m": (value, value)}),
        ]
        made = [output.as_signature_def(received) for output in outputs]
        wrong = error_of(lambda: outputs[2].as_signature_def({"x": value}))
        return [[sorted(one.inputs), sorted(one.outputs), one.method_name] for one in made] + [wrong]


@shows("while training", "InMemoryEvaluatorHook evaluates at these steps")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    hook = E.InMemoryEvaluatorHook(made, four(), steps=1, name="seen", every_n_iter=3)
    made.train(four(), hooks=[hook], steps=8)
    return event_tags(folder + "/eval_seen").get("loss")


@shows("while training", "InMemoryEvaluatorHook every zero steps")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    return error_of(lambda: E.InMemoryEvaluatorHook(made, four(), every_n_iter=0))


@shows("scaffold", "a saver that leaves out a variable of the evaluation")
def _(E: Any, folder: str) -> Any:
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        a = v1.get_variable("a", [], initializer=v1.zeros_initializer())
        b = v1.get_variable("b", [], initializer=v1.zeros_initializer())
        loss = (a + b - 1.0) ** 2
        step = v1.train.get_global_step()
        train_op = v1.train.GradientDescentOptimizer(0.1).minimize(loss, step)
        scaffold = None if mode == "train" else v1.train.Scaffold(saver=v1.train.Saver([a, step]))
        return E.EstimatorSpec(mode, {"a": a}, loss, train_op, scaffold=scaffold)

    made = E.Estimator(model_fn, folder).train(four(), steps=1)
    return error_of(lambda: made.evaluate(four(), steps=1))


@shows("spec", "tensors of another graph, and sparse predictions")
def _(E: Any, folder: str) -> Any:
    with tf.Graph().as_default():
        other = tf.constant(1.0)
    with tf.Graph().as_default():
        here = tf.constant(1.0)
        sparse = tf.SparseTensor([[0]], [1.0], [1])
        return [
            error_of(lambda: E.EstimatorSpec("train", loss=other, train_op=here)),
            error_of(lambda: E.EstimatorSpec("train", loss=here, train_op=other)),
            error_of(lambda: E.EstimatorSpec("eval", {"a": other}, here)),
            error_of(lambda: E.EstimatorSpec("eval", {"a": sparse}, here)),
            error_of(
                lambda: E.EstimatorSpec("eval", {"a": here}, here, eval_metric_ops={"m": (here, other)})
            ),
        ]
