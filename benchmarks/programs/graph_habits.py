"""Sets and lists of variables, moving averages, specs that are replaced, a subclass of RunConfig."""

# runs: none
# runs: disable_v2_behavior
# runs: disable_eager_execution
# runs: disable_tensor_equality

import itertools
import sys
import tempfile

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
if sys.argv[1] != "none":
    getattr(v1, sys.argv[1])()
if sys.argv[-1] == "real":
    E = tf.estimator
else:
    from transferkit import estimator as E


class Config(E.RunConfig):
    @property
    def is_chief(self):
        return True

    @property
    def save_summary_steps(self):
        return 7


def model_fn(features, labels, mode, params, config):
    with v1.variable_scope("tower"):
        hidden = tf.keras.layers.Dense(2, kernel_initializer="ones", name="hidden")(features["x"])
    scale = v1.get_variable("scale", [], initializer=v1.ones_initializer())
    y = tf.reduce_sum(hidden * scale, 1)
    if mode == E.ModeKeys.PREDICT:
        return E.EstimatorSpec(mode, {"y": y})
    loss = tf.reduce_mean(tf.square(y - labels))
    step = v1.train.get_global_step()
    rest = set(v1.global_variables()) - set(v1.trainable_variables())
    print(
        mode, rest == {step}, step in v1.trainable_variables(), {y: "y", loss: "loss"}[loss], bool(y == loss)
    )
    average = tf.train.ExponentialMovingAverage(0.5)
    optimizer = v1.train.AdagradOptimizer(params["rate"])
    pairs = {v: g for g, v in optimizer.compute_gradients(loss)}
    train_op = optimizer.apply_gradients([(pairs[v], v) for v in v1.trainable_variables()], step)
    with tf.control_dependencies([train_op]):
        train_op = average.apply([scale])
    spec = E.EstimatorSpec(mode, loss=loss, train_op=train_op)
    if mode == E.ModeKeys.EVAL:
        return spec._replace(eval_metric_ops={"mean": v1.metrics.mean(y)})
    for change in ({"mode": "infer"}, {"loss": tf.zeros([2])}, {"eval_metric_ops": {"a": 1}}):
        try:
            spec._replace(**change)
        except (TypeError, ValueError) as error:
            print(type(error).__name__)
    return spec


def data():
    x = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    return tf.data.Dataset.from_tensor_slices(({"x": x}, np.array([1.0, 2.0], np.float32))).batch(2).repeat()


estimator = E.Estimator(model_fn, config=Config(), params={"rate": 0.1})
estimator.train(data, steps=3)
print(estimator.get_variable_names())
print({name: np.round(float(value), 4) for name, value in estimator.evaluate(data, steps=2).items()})
print(np.round([one["y"] for one in itertools.islice(estimator.predict(data), 2)], 4).tolist())


def receiver():
    x = v1.placeholder(tf.float32, [None, 2])
    return E.export.ServingInputReceiver({"x": x}, {"x": x})


print(type(estimator.export_saved_model(tempfile.mkdtemp(), receiver)).__name__)
