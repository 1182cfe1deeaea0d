"""Evaluation, prediction and export."""

from __future__ import annotations

import glob
import inspect
import os
from typing import Any

import numpy as np
import tensorflow as tf

from conformance.catalogue import (
    X,
    checkpoints,
    error_of,
    errors_of,
    event_tags,
    four,
    linear,
    number,
    shows,
)

v1 = tf.compat.v1


class _Count(v1.train.SessionRunHook):
    def __init__(self) -> None:
        self.steps = 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.steps += 1


def _trained(E: Any, folder: str, steps: int = 4, **more: Any) -> Any:
    return E.Estimator(linear(E, **more), folder, E.RunConfig(save_checkpoints_steps=2)).train(
        four(), steps=steps
    )


@shows("evaluate", "names, kinds and values of the results")
def _(E: Any, folder: str) -> Any:
    result = _trained(E, folder).evaluate(four(repeat=False))
    return {name: [np.asarray(value).dtype.name, number(value)] for name, value in sorted(result.items())}


@shows("evaluate", "loss is a mean over batches, metrics over examples")
def _(E: Any, folder: str) -> Any:
    result = _trained(E, folder).evaluate(four(repeat=False, size=3))
    return [number(result["loss"]), number(result["mae"])]


@shows("evaluate", "steps limit it, metrics begin anew, zero and less are refused")
def _(E: Any, folder: str) -> Any:
    made = _trained(E, folder)
    seen = [number(made.evaluate(four(size=1), steps=n)["loss"]) for n in (1, 2, 1)]
    return [seen, errors_of(*(lambda n=n: made.evaluate(four(), steps=n) for n in (0, -1)))]


@shows("evaluate", "before any training the initial values are taken")
def _(E: Any, folder: str) -> Any:
    result = E.Estimator(linear(E), folder).evaluate(four(), steps=1)
    return {name: number(value) for name, value in sorted(result.items())}


@shows("evaluate", "checkpoint_path names other weights; later calls have the newest again")
def _(E: Any, folder: str) -> Any:
    made, seen = _trained(E, folder), []
    for path in (os.path.join(folder, "model.ckpt-2"), None):
        result = made.evaluate(four(), steps=1, checkpoint_path=path)
        seen.append([number(result["loss"]), int(result["global_step"])])
    return seen


@shows("evaluate", "a checkpoint_path that is not there is refused")
def _(E: Any, folder: str) -> Any:
    made = _trained(E, folder)
    return error_of(lambda: made.evaluate(four(), steps=1, checkpoint_path=folder + "/no")) != "no error"


@shows("evaluate", "data without a single batch")
def _(E: Any, folder: str) -> Any:
    made = _trained(E, folder)
    return error_of(lambda: made.evaluate(lambda: four()().take(0)))


@shows("evaluate", "event files under eval and eval_NAME, at the global step")
def _(E: Any, folder: str) -> Any:
    made = _trained(E, folder)
    made.evaluate(four(), steps=1)
    made.evaluate(four(), steps=1, name="test")
    return [event_tags(os.path.join(folder, name)) for name in ("eval", "eval_test")]


@shows("evaluate", "hooks of the call and of the spec see each batch")
def _(E: Any, folder: str) -> Any:
    mine, of_spec = _Count(), _Count()
    made = _trained(E, folder, evaluation_hooks=[of_spec])
    made.evaluate(four(), steps=3, hooks=[mine])
    return [mine.steps, of_spec.steps, error_of(lambda: made.evaluate(four(), steps=1, hooks=[1]))]


@shows("evaluate", "a metric named loss")
def _(E: Any, folder: str) -> Any:
    def metrics(loss: Any, mode: str) -> Any:
        return {"loss": v1.metrics.mean(loss)} if mode == "eval" else None

    made = _trained(E, folder, eval_metric_ops=metrics)
    return error_of(lambda: made.evaluate(four(), steps=1))


@shows("evaluate", "a Keras metric")
def _(E: Any, folder: str) -> Any:
    def metrics(loss: Any, mode: str) -> Any:
        if mode != "eval":
            return None
        mean = tf.keras.metrics.Mean(name="mean")
        mean.update_state(loss)
        return {"mean": mean}

    made = _trained(E, folder, eval_metric_ops=metrics)
    result = [made.evaluate(four(size=1), steps=n) for n in (4, 2)]
    return [[number(one["mean"]), number(one["loss"])] for one in result]


@shows("evaluate", "several metrics, precision and AUC among them")
def _(E: Any, folder: str) -> Any:
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        chance = tf.sigmoid(features["x"] - 2.5)
        label = labels > 5.0
        metrics = {
            "auc": v1.metrics.auc(label, chance),
            "precision": v1.metrics.precision(label, chance > 0.3),
            "count": v1.metrics.true_positives(label, chance > 0.3),
        }
        return E.EstimatorSpec(mode, loss=tf.reduce_mean(chance), eval_metric_ops=metrics)

    result = E.Estimator(model_fn, folder).evaluate(four(repeat=False, size=1))
    return {name: number(value) for name, value in sorted(result.items())}


@shows("predict", "a generator that does nothing until it is asked")
def _(E: Any, folder: str) -> Any:
    made, calls = _trained(E, folder), []
    answer = made.predict(lambda: calls.append(1) or four(repeat=False)())
    before = len(calls)
    next(answer)
    return [inspect.isgenerator(answer) or hasattr(answer, "__next__"), before, len(calls)]


@shows("predict", "one dictionary an example, or a batch; labels are left out")
def _(E: Any, folder: str) -> Any:
    made = _trained(E, folder)
    single = [sorted(one) for one in made.predict(four(repeat=False, size=3))]
    whole = [
        one["value"].shape for one in made.predict(four(repeat=False, size=3), yield_single_examples=False)
    ]
    values = [number(one["value"]) for one in made.predict(four(repeat=False))]
    return [single, [list(shape) for shape in whole], values]


@shows("predict", "predict_keys choose, and wrong ones are refused")
def _(E: Any, folder: str) -> Any:
    made = _trained(E, folder)

    def keys(*names: str) -> Any:
        return sorted(next(made.predict(four(), predict_keys=list(names))))

    alone = E.Estimator(linear(E, predictions=lambda loss, mode: tf.ones([4])), folder + "/alone")
    return [
        keys("value"),
        keys("value", "missing"),
        error_of(lambda: keys("missing")),
        error_of(lambda: next(alone.predict(four(), predict_keys=["value"]))),
    ]


@shows("predict", "predictions that are one tensor come as arrays")
def _(E: Any, folder: str) -> Any:
    def model_fn(features: Any, mode: str) -> Any:
        return E.EstimatorSpec(mode, predictions=features["x"] * [[1.0, 2.0]])

    made = E.Estimator(model_fn, folder)
    return [list(one.shape) for one in made.predict(four(repeat=False))]


@shows("predict", "parts of unequal length are refused, one example at a time")
def _(E: Any, folder: str) -> Any:
    def uneven(loss: Any, mode: str) -> Any:
        return {"a": tf.ones([4]), "b": tf.ones([3])}

    made = E.Estimator(linear(E, predictions=uneven), folder)
    whole = next(made.predict(four(), yield_single_examples=False))
    return [error_of(lambda: list(made.predict(four(repeat=False)))), sorted(whole)]


@shows("predict", "before any training, and from a named checkpoint")
def _(E: Any, folder: str) -> Any:
    fresh = next(E.Estimator(linear(E), folder).predict(four()))["value"]
    made = _trained(E, folder)
    path = os.path.join(folder, "model.ckpt-2")
    older = next(made.predict(four(), checkpoint_path=path))["value"]
    return [number(fresh), number(older), number(next(made.predict(four()))["value"])]


@shows("predict", "hooks of the call and of the spec see each batch; empty data give nothing")
def _(E: Any, folder: str) -> Any:
    mine, of_spec = _Count(), _Count()
    made = _trained(E, folder, prediction_hooks=[of_spec])
    list(made.predict(four(repeat=False, size=2), hooks=[mine]))
    return [mine.steps, of_spec.steps, list(made.predict(lambda: four()().take(0)))]


def _receiver(E: Any) -> Any:
    return E.build_raw_serving_input_receiver_fn({"x": tf.zeros([1, 1])})


def _signatures(path: str) -> dict[str, Any]:
    model = tf.saved_model.load(path)
    return {
        name: [
            sorted(function.structured_input_signature[1]),
            sorted(function.structured_outputs),
        ]
        for name, function in sorted(model.signatures.items())
    }


def _methods(path: str) -> dict[str, str]:
    from tensorflow.core.protobuf import saved_model_pb2

    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        message = saved_model_pb2.SavedModel.FromString(file.read())
    found = message.meta_graphs[0].signature_def
    return {name: found[name].method_name for name in sorted(found) if not name.startswith("_")}


@shows("export", "a folder named by the time, whose signature answers as predict does")
def _(E: Any, folder: str) -> Any:
    made = _trained(E, folder)
    path = made.export_saved_model(folder + "/export", _receiver(E))
    path = path.decode() if isinstance(path, bytes) else path
    serve = tf.saved_model.load(path).signatures["serving_default"]
    answer = serve(x=tf.constant(X))["value"].numpy()
    expected = np.array([one["value"] for one in made.predict(four(repeat=False))])
    same = bool(np.allclose(answer, expected, rtol=1e-5))
    return [
        os.path.basename(path).isdigit(),
        os.listdir(folder + "/export") == [os.path.basename(path)],
        same,
    ]


@shows("export", "the folder's name is text or bytes")
def _(E: Any, folder: str) -> Any:
    return type(_trained(E, folder).export_saved_model(folder + "/export", _receiver(E))).__name__


@shows("export", "signatures, their inputs and outputs")
def _(E: Any, folder: str) -> Any:
    path = _trained(E, folder).export_saved_model(folder + "/export", _receiver(E))
    return _signatures(path if isinstance(path, str) else path.decode())


@shows("export", "without a receiver, or before any training, it is refused and leaves nothing")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    early = error_of(lambda: made.export_saved_model(folder + "/export", _receiver(E)))
    left = glob.glob(folder + "/export/*")
    made.train(four(), steps=1)
    return [early, left, error_of(lambda: made.export_saved_model(folder + "/export", None))]


@shows("export", "extra assets and the text form")
def _(E: Any, folder: str) -> Any:
    source = os.path.join(folder, "note.txt")
    with open(source, "w") as file:
        file.write("hello")
    path = _trained(E, folder + "/model").export_saved_model(
        folder + "/export", _receiver(E), assets_extra={"deep/note": source}, as_text=True
    )
    path = path if isinstance(path, str) else path.decode()
    with open(os.path.join(path, "assets.extra/deep/note")) as file:
        return [file.read(), sorted(name for name in os.listdir(path) if name.startswith("saved_model"))]


@shows("export", "checkpoint_path names the weights")
def _(E: Any, folder: str) -> Any:
    made = _trained(E, folder)
    path = made.export_saved_model(folder + "/export", _receiver(E), checkpoint_path=folder + "/model.ckpt-2")
    serve = tf.saved_model.load(path if isinstance(path, str) else path.decode()).signatures[
        "serving_default"
    ]
    return [number(serve(x=tf.constant(X))["value"]), checkpoints(folder)]


@shows("export", "classification, regression and prediction of serialized examples")
def _(E: Any, folder: str) -> Any:
    def outputs(loss: Any, mode: str) -> Any:
        if mode != "infer":
            return None
        score = tf.ones([4, 2])
        return {
            "serving_default": E.PredictOutput({"a": score}),
            "classes": E.ClassificationOutput(scores=score, classes=tf.as_string(score)),
            "number": E.RegressionOutput(score[:, 0]),
        }

    parse = E.build_parsing_serving_input_receiver_fn({"x": tf.io.FixedLenFeature([1], tf.float32)})
    path = _trained(E, folder, export_outputs=outputs).export_saved_model(folder + "/export", parse)
    path = path if isinstance(path, str) else path.decode()
    return [_signatures(path), _methods(path)]


@shows("export", "receivers check what they are given")
def _(E: Any, folder: str) -> Any:
    with tf.Graph().as_default():
        one = v1.placeholder(tf.float32, [None])
        made = E.ServingInputReceiver(one, one)
        kept = E.TensorServingInputReceiver(one, {"in": one})
        return [
            sorted(made.receiver_tensors),
            sorted(made.features) if isinstance(made.features, dict) else "tensor",
            [sorted(kept.receiver_tensors), tf.is_tensor(kept.features)],
            errors_of(
                lambda: E.ServingInputReceiver(None, one),
                lambda: E.ServingInputReceiver(one, None),
                lambda: E.ServingInputReceiver({"a": 1}, one),
                lambda: E.ServingInputReceiver({(1,): one}, one),
                lambda: E.ServingInputReceiver(one, {"a": 1}),
                lambda: E.ServingInputReceiver(one, one, [one]),
                lambda: E.TensorServingInputReceiver({"a": one}, one),
                lambda: E.TensorServingInputReceiver(None, one),
            ),
        ]


@shows("export", "export outputs check what they are given")
def _(E: Any, folder: str) -> Any:
    with tf.Graph().as_default():
        one, whole, text = tf.constant([1.0]), tf.constant([1]), tf.constant(["a"])
        return [
            sorted(E.PredictOutput(one).outputs),
            errors_of(
                lambda: E.PredictOutput({"a": 1.0}),
                lambda: E.PredictOutput({1: one}),
                lambda: E.ClassificationOutput(),
                lambda: E.ClassificationOutput(scores=whole),
                lambda: E.ClassificationOutput(classes=whole),
                lambda: E.ClassificationOutput(scores=one, classes=text),
                lambda: E.RegressionOutput(whole),
                lambda: E.RegressionOutput(one),
            ),
        ]


@shows("export", "an alternative receiver gets a signature of its own")
def _(E: Any, folder: str) -> Any:
    def receive() -> Any:
        x = v1.placeholder(tf.float32, [None, 1], "x")
        half = v1.placeholder(tf.float32, [None, 1], "half")
        both = tf.add(x, 0.0)
        return E.ServingInputReceiver({"x": both}, {"x": x}, {"other": {"sum": both, "half": half}})

    path = _trained(E, folder).export_saved_model(folder + "/export", receive)
    return _signatures(path if isinstance(path, str) else path.decode())
