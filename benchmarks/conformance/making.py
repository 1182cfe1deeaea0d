"""Making an Estimator, its model_fn's signature, and what a spec accepts."""

from __future__ import annotations

import functools
import inspect
import os
from typing import Any

import tensorflow as tf

from conformance.catalogue import error_of, errors_of, four, linear, number, shows

v1 = tf.compat.v1


@shows("Estimator", "a model_fn without features, with unknown arguments, or none at all is refused")
def _(E: Any, folder: str) -> Any:
    return errors_of(
        lambda: E.Estimator(lambda labels, mode: None, folder),
        lambda: E.Estimator(lambda features, labels, mode, more: None, folder),
        lambda: E.Estimator(None, folder),
    )


@shows("Estimator", "params for a model_fn that takes none are refused")
def _(E: Any, folder: str) -> Any:
    return error_of(lambda: E.Estimator(lambda features, labels, mode: None, folder, params={"a": 1}))


@shows("Estimator", "a model_dir that differs from the configuration's is refused")
def _(E: Any, folder: str) -> Any:
    return error_of(lambda: E.Estimator(linear(E), folder, E.RunConfig(model_dir=folder + "2")))


@shows("Estimator", "a configuration of the wrong type is refused")
def _(E: Any, folder: str) -> Any:
    return error_of(lambda: E.Estimator(linear(E), folder, {"model_dir": folder}))


@shows("Estimator", "params of the wrong type are refused")
def _(E: Any, folder: str) -> Any:
    return error_of(lambda: E.Estimator(lambda features, params: None, folder, params=[1]))


@shows("Estimator", "params are copied in and out")
def _(E: Any, folder: str) -> Any:
    given = {"deep": {"a": 1}}
    made = E.Estimator(lambda features, labels, mode, params: None, folder, params=given)
    given["deep"]["a"] = 2
    made.params["deep"]["a"] = 3
    return made.params


@shows("Estimator", "model_dir comes from the configuration, and is in it where given beside it")
def _(E: Any, folder: str) -> Any:
    one = E.Estimator(linear(E), config=E.RunConfig(model_dir=folder))
    other = E.Estimator(linear(E), folder, E.RunConfig(save_summary_steps=7))
    return [one.model_dir == folder, other.config.model_dir == folder, other.config.save_summary_steps]


@shows("Estimator", "without a model_dir a folder is made up")
def _(E: Any, folder: str) -> Any:
    one, other = E.Estimator(linear(E)), E.Estimator(linear(E))
    return [os.path.isdir(one.model_dir), one.model_dir != other.model_dir]


@shows("Estimator", "eval_dir is eval, or eval_NAME")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    return [os.path.relpath(made.eval_dir(name), folder) for name in (None, "", "test")]


@shows("Estimator", "the model_fn property takes features, labels, mode, config")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    return list(inspect.signature(made.model_fn).parameters)


@shows("ModeKeys", "the modes' values")
def _(E: Any, folder: str) -> Any:
    return [E.ModeKeys.TRAIN, E.ModeKeys.EVAL, E.ModeKeys.PREDICT]


@shows("model_fn", "arguments are found by name: mode, params, config in any order")
def _(E: Any, folder: str) -> Any:
    seen: list[Any] = []

    def model_fn(features: Any, config: Any, params: Any, labels: Any, mode: str) -> Any:
        seen.append([mode, params["a"], config.tf_random_seed])
        return linear(E)(features, labels, mode)

    E.Estimator(model_fn, folder, E.RunConfig(tf_random_seed=9), {"a": 3}).train(four(), steps=1)
    return seen


@shows("model_fn", "a partial, an object with __call__ and a bound method are taken")
def _(E: Any, folder: str) -> Any:
    class Model:
        def method(self, features: Any, labels: Any, mode: str) -> Any:
            return linear(E)(features, labels, mode)

        def __call__(self, features: Any, labels: Any, mode: str) -> Any:
            return self.method(features, labels, mode)

    def more(features: Any, labels: Any, mode: str, extra: int) -> Any:
        return linear(E)(features, labels, mode)

    losses = []
    for place, model_fn in enumerate((Model(), Model().method, functools.partial(more, extra=1))):
        made = E.Estimator(model_fn, os.path.join(folder, str(place)))
        losses.append(number(made.train(four(), steps=2).evaluate(four(), steps=1)["loss"]))
    return losses


@shows("model_fn", "anything but an EstimatorSpec returned is refused")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(lambda features, labels, mode: {"loss": 1}, folder)
    return error_of(lambda: made.train(four(), steps=1))


@shows("model_fn", "labels for a model_fn that takes none are refused, and missing labels are not")
def _(E: Any, folder: str) -> Any:
    def model_fn(features: Any, mode: str) -> Any:
        weight = v1.get_variable("w", [], initializer=v1.zeros_initializer())
        loss = tf.reduce_mean(tf.square(features - weight))
        step = v1.train.get_global_step()
        return E.EstimatorSpec(
            mode, loss=loss, train_op=v1.train.GradientDescentOptimizer(0.1).minimize(loss, step)
        )

    made = E.Estimator(model_fn, folder)
    refused = error_of(lambda: made.train(four(keyed=False), steps=1))
    alone = error_of(lambda: made.train(lambda: tf.data.Dataset.from_tensors([[1.0]]).repeat(), steps=2))
    return [refused, alone]


def _spec(E: Any, mode: str, **given: Any) -> Any:
    """What a spec of ``mode`` makes of ``given``, in a graph."""
    one = tf.constant(1.0)
    base: dict[str, Any] = {
        "loss": one,
        "train_op": tf.identity(one),
        "predictions": {"a": tf.constant([1.0])},
    }
    base.update(given)
    return E.EstimatorSpec(mode, **base)


def _spec_errors(E: Any, mode: str, *cases: dict[str, Any]) -> list[str]:
    with tf.Graph().as_default():
        v1.train.create_global_step()
        made = [{k: v() if callable(v) else v for k, v in case.items()} for case in cases]
        return [error_of(lambda case=case: _spec(E, mode, **case)) for case in made]


@shows("EstimatorSpec", "what a mode needs must be there: loss, train_op, predictions")
def _(E: Any, folder: str) -> Any:
    train = _spec_errors(E, "train", {"loss": None}, {"train_op": None}, {"predictions": None})
    evaluate = _spec_errors(E, "eval", {"loss": None}, {"train_op": None}, {"predictions": None})
    predict = _spec_errors(E, "infer", {"loss": None}, {"train_op": None}, {"predictions": None})
    return [train, evaluate, predict]


@shows("EstimatorSpec", "a loss must be one number")
def _(E: Any, folder: str) -> Any:
    with tf.Graph().as_default():
        shape = _spec(E, "eval", loss=tf.constant([1.0])).loss.shape.as_list()
    cases = ({"loss": lambda: tf.constant([1.0, 2.0])}, {"loss": lambda: "text"}, {"loss": 1.0})
    return [shape, *_spec_errors(E, "eval", *cases)]


@shows("EstimatorSpec", "predictions and train_op must be tensors")
def _(E: Any, folder: str) -> Any:
    predict = _spec_errors(E, "infer", {"predictions": {"a": 1.0}}, {"predictions": 1.0})
    return [predict, _spec_errors(E, "train", {"train_op": 1.0}, {"train_op": tf.no_op})]


@shows("EstimatorSpec", "eval_metric_ops are pairs by name")
def _(E: Any, folder: str) -> Any:
    return _spec_errors(
        E,
        "eval",
        {"eval_metric_ops": [1]},
        {"eval_metric_ops": {"m": 1.0}},
        {"eval_metric_ops": {"m": (1.0,)}},
        {"eval_metric_ops": lambda: {"m": (tf.constant(1.0), tf.no_op())}},
    )


@shows("EstimatorSpec", "export_outputs are export outputs by name, one of them the default")
def _(E: Any, folder: str) -> Any:
    def outputs(*names: str) -> Any:
        return lambda: {name: E.PredictOutput(tf.constant([1.0])) for name in names}

    wrong = _spec_errors(
        E,
        "infer",
        {"export_outputs": [1]},
        {"export_outputs": {"a": 1}},
        {"export_outputs": outputs("a", "b")},
        {"export_outputs": outputs("a", "serving_default")},
    )
    with tf.Graph().as_default():
        one = sorted(_spec(E, "infer", export_outputs=outputs("a")()).export_outputs)
        none = sorted(_spec(E, "infer").export_outputs)
    return [wrong, one, none]


@shows("EstimatorSpec", "hooks and scaffold must be of their types")
def _(E: Any, folder: str) -> Any:
    names = ("training_hooks", "training_chief_hooks", "evaluation_hooks", "prediction_hooks")
    return _spec_errors(E, "train", *({name: [1]} for name in names), {"scaffold": 1})


@shows("EstimatorSpec", "an unknown mode")
def _(E: Any, folder: str) -> Any:
    return _spec_errors(E, "test", {})


@shows("EstimatorSpec", "a model_fn that takes no mode has none to give")
def _(E: Any, folder: str) -> Any:
    def model_fn(features: Any) -> Any:
        step = tf.compat.v1.assign_add(tf.compat.v1.train.get_global_step(), 1)
        return E.EstimatorSpec(None, {"x": features}, tf.reduce_mean(features), step)

    def data() -> Any:
        return tf.data.Dataset.from_tensors([1.0, 3.0]).repeat(2)

    model = E.Estimator(model_fn, folder)
    model.train(data, steps=2)
    found = {name: float(value) for name, value in model.evaluate(data, steps=1).items()}
    return [found, [float(one["x"]) for one in model.predict(data)]]


@shows("EstimatorSpec", "fields, their order, and what is there when not given")
def _(E: Any, folder: str) -> Any:
    with tf.Graph().as_default():
        made = E.EstimatorSpec("eval", loss=tf.constant(1.0))
        kinds = [repr(made.predictions), repr(made.eval_metric_ops), repr(made.training_hooks)]
        changed = made._replace(predictions={"a": tf.constant(1.0)})
    return [list(made._fields), kinds, list(changed.predictions), type(changed).__name__]
