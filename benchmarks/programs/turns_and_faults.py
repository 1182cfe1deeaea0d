"""Two Estimators on one folder, a failed training, an older checkpoint, an evaluation of nothing."""

import sys
import tempfile

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
if sys.argv[-1] == "real":
    E = tf.estimator
else:
    from transferkit import estimator as E


def model_fn(features, labels, mode):
    level = v1.get_variable("level", [], initializer=v1.zeros_initializer())
    loss = tf.reduce_mean(features) * (10.0 - level)
    train_op = v1.train.GradientDescentOptimizer(1.0).minimize(loss, v1.train.get_global_step())
    metrics = {
        "rows": v1.metrics.mean_tensor(tf.stack([features[0], 2.0 * features[0]])),
        "picture": (v1.summary.image("i", tf.zeros([2, 3, 3, 1])), tf.no_op()),
        "count": (tf.constant(3), tf.no_op()),
    }
    return E.EstimatorSpec(mode, {"level": tf.reshape(level, [1])}, loss, train_op, metrics)


def data():
    return tf.data.Dataset.from_tensors([1.0]).repeat()


def broken():
    return tf.data.Dataset.from_tensor_slices([[1.0]] * 5 + [[np.nan]])


def shown(result):
    return {name: np.round(value, 4).tolist() for name, value in result.items() if name != "picture"}


folder = tempfile.mkdtemp()
one, two = E.Estimator(model_fn, folder), E.Estimator(model_fn, folder)
for estimator in (one, two, one, two):
    estimator.train(data, steps=2)
    print(float(estimator.get_variable_value("level")), shown(one.evaluate(data, steps=1)))
old = folder + "/model.ckpt-4"
print("an older one", shown(E.Estimator(model_fn, folder).evaluate(data, steps=1, checkpoint_path=old)))
print("nothing", shown(one.evaluate(lambda: data().take(0))))

third = E.Estimator(model_fn, config=E.RunConfig(save_checkpoints_steps=4))
try:
    third.train(broken)
except v1.train.NanLossDuringTrainingError:
    print("diverged", third.latest_checkpoint()[-6:], shown(third.evaluate(data, steps=1)))
third.train(lambda: data().take(2))
print("goes on", third.latest_checkpoint()[-6:], float(third.get_variable_value("level")))
print(E.RunConfig().tf_random_seed)
