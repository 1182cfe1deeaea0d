"""Digits in the style of the official MNIST: convolutions, dropout in training only, a metric for accuracy,
LoggingTensorHook on names, train_and_evaluate with exporters, a learning rate that is logged by name.
"""

import glob
import logging
import os
import sys

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
if sys.argv[-1:] == ["real"]:
    E = tf.estimator
else:
    from transferkit import estimator as E


def values(shape, dtype=None, partition_info=None):
    shape = [int(n) for n in shape]
    return np.random.RandomState(sum(shape)).normal(0, 0.1, shape).astype("f")


def conv(x, size, name):
    with v1.variable_scope(name):
        kernel = v1.get_variable("kernel", [3, 3, x.shape[-1], size], initializer=values)
        bias = v1.get_variable("bias", [size], initializer=v1.zeros_initializer())
        return tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias), 2, 2, "SAME")


def model_fn(features, labels, mode, params):
    image = features["image"] if isinstance(features, dict) else features
    x = tf.reshape(image, [-1, 8, 8, 1])
    x = conv(conv(x, 4, "conv1"), 8, "conv2")
    x = tf.reshape(x, [-1, 32])
    kernel = v1.get_variable("dense/kernel", [32, 4], initializer=values)
    logits = tf.matmul(x, kernel, name="logits")
    predictions = {
        "classes": tf.argmax(logits, axis=1),
        "probabilities": tf.nn.softmax(logits, name="softmax_tensor"),
    }
    if mode == E.ModeKeys.PREDICT:
        exports = {"classify": E.export.PredictOutput(predictions)}
        return E.EstimatorSpec(mode=mode, predictions=predictions, export_outputs=exports)
    loss = v1.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
    accuracy = v1.metrics.accuracy(labels=labels, predictions=predictions["classes"], name="accuracy")
    if mode == E.ModeKeys.EVAL:
        return E.EstimatorSpec(mode=mode, loss=loss, eval_metric_ops={"accuracy": accuracy})
    step = v1.train.get_or_create_global_step()
    rate = v1.train.exponential_decay(params["rate"], step, 10, 0.9)
    tf.identity(rate, "learning_rate")
    tf.identity(loss, name="cross_entropy")
    tf.identity(accuracy[1], name="train_accuracy")
    v1.summary.scalar("train_accuracy", accuracy[1])
    optimizer = v1.train.AdamOptimizer(rate)
    return E.EstimatorSpec(mode=mode, loss=loss, train_op=optimizer.minimize(loss, step))


def data(count, seed):
    random = np.random.RandomState(seed)
    labels = random.randint(0, 4, count)
    images = random.normal(0, 0.3, [count, 8, 8]).astype("f")
    for image, label in zip(images, labels, strict=False):
        image[(label // 2) * 4 : (label // 2) * 4 + 4, (label % 2) * 4 : (label % 2) * 4 + 4] += 1
    return images.reshape(count, 64), labels


def train_input_fn():
    images, labels = data(128, 0)
    return tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).batch(16).repeat()


def eval_input_fn():
    images, labels = data(50, 1)
    one = tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).batch(16)
    return v1.data.make_one_shot_iterator(one).get_next()


class Formatted(logging.Handler):
    def emit(self, record):
        message = record.getMessage()
        if message.startswith("learning_rate"):
            print("logged", message.split("(")[0].strip())


def main():
    v1.logging.set_verbosity(v1.logging.INFO)
    logger = logging.getLogger("tensorflow")
    logger.handlers[:] = [Formatted()]
    logger.propagate = False
    folder = os.path.join("out", "mnist")
    config = E.RunConfig(save_checkpoints_steps=20, save_summary_steps=10, keep_checkpoint_max=2)
    model = E.Estimator(model_fn, folder, config, {"rate": 0.01})
    names = {name: name for name in ("learning_rate", "cross_entropy", "train_accuracy")}

    def formatter(tensors):
        return ", ".join(f"{key} {tensors[key]:.3g}" for key in ("learning_rate", "cross_entropy"))

    hook = E.LoggingTensorHook(tensors=names, every_n_iter=20, formatter=formatter)

    def serving_input_receiver_fn():
        image = v1.placeholder(tf.float32, [None, 64], name="image")
        return E.export.ServingInputReceiver({"image": image}, {"image": image})

    train_spec = E.TrainSpec(train_input_fn, max_steps=60, hooks=[hook])
    kinds = (("best", E.BestExporter), ("final", E.FinalExporter))
    exporters = [kind(name, serving_input_receiver_fn) for name, kind in kinds]
    eval_spec = E.EvalSpec(eval_input_fn, steps=None, exporters=exporters, throttle_secs=0)
    result, exported = E.train_and_evaluate(model, train_spec, eval_spec)
    print({key: f"{value:.4g}" for key, value in sorted(result.items())}, len(exported))
    images, labels = data(8, 2)
    rows = list(model.predict(lambda: tf.data.Dataset.from_tensor_slices({"image": images}).batch(3)))
    print([int(row["classes"]) for row in rows] == labels.tolist(), f"{rows[0]['probabilities'].max():.4g}")
    for name in model.get_variable_names():
        print(name, f"{np.abs(model.get_variable_value(name)).sum():.4g}")
    tags = set()
    for file in glob.glob(os.path.join(folder, "events*")):
        for event in v1.train.summary_iterator(file):
            tags |= {value.tag for value in event.summary.value}
    print(sorted(tags - {"learning_rate", "examples/sec"}))
    kinds = {name.split(".")[0] + "." + name.split(".")[-1] for name in os.listdir(folder) if "." in name}
    print(sorted(kind for kind in kinds if "events" not in kind and not kind.endswith("json")))
    final = glob.glob(os.path.join(folder, "export", "final", "*"))[0]
    loaded = tf.saved_model.load(final)
    print(
        sorted(loaded.signatures), loaded.signatures["classify"](image=tf.constant(images))["classes"].shape
    )


if __name__ == "__main__":
    main()
