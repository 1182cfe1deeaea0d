"""A residual network in the style of the official CIFAR program: batch normalisation with UPDATE_OPS, weight
decay, gradients in stages, a rate that a hook sets by hand, an examples-per-second hook, several train and
evaluate rounds, and a second model warm-started from the first one's body.
"""

import functools
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
    scale = (2.0 / np.prod(shape[:-1])) ** 0.5
    return np.random.RandomState(sum(shape)).normal(0, scale, shape).astype("f")


def batch_norm(x, training):
    with v1.variable_scope("batch_normalization"):
        size = [x.shape[-1]]
        gamma = v1.get_variable("gamma", size, initializer=v1.ones_initializer())
        beta = v1.get_variable("beta", size, initializer=v1.zeros_initializer())
        means = v1.get_variable("moving_mean", size, initializer=v1.zeros_initializer(), trainable=False)
        scales = v1.get_variable("moving_variance", size, initializer=v1.ones_initializer(), trainable=False)
        if not training:
            return tf.nn.batch_normalization(x, means, scales, beta, gamma, 1e-5)
        mean, variance = tf.nn.moments(x, [0, 1, 2])
        for moving, value in ((means, mean), (scales, variance)):
            update = v1.assign_sub(moving, (moving - value) * 0.1)
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-5)


def conv(x, size, stride, name):
    with v1.variable_scope(name):
        kernel = v1.get_variable("kernel", [3, 3, x.shape[-1], size], initializer=values)
        return tf.nn.conv2d(x, kernel, stride, "SAME")


class Model:
    def __init__(self, blocks, classes):
        self.blocks, self.classes = blocks, classes

    def forward(self, x, training):
        x = conv(x, 4, 1, "stem")
        for stage, size in enumerate((4, 8)):
            for number in range(self.blocks):
                with v1.variable_scope(f"stage{stage}/unit{number}"):
                    stride = 2 if stage and not number else 1
                    residual = tf.nn.relu(batch_norm(x, training))
                    if stride == 2:
                        pooled = tf.nn.avg_pool2d(x, 2, 2, "VALID")
                        x = tf.pad(pooled, [[0, 0], [0, 0], [0, 0], [2, 2]])
                    residual = conv(residual, size, stride, "a")
                    with v1.variable_scope("middle"):
                        residual = tf.nn.relu(batch_norm(residual, training))
                    x = x + conv(residual, size, 1, "b")
        x = tf.reduce_mean(tf.nn.relu(x), [1, 2])
        with v1.variable_scope("head"):
            kernel = v1.get_variable("kernel", [x.shape[-1], self.classes], initializer=values)
            return tf.matmul(x, kernel)


class LearningRateSetterHook(v1.train.SessionRunHook):
    """Feeds the rate that its own step asks for, as such programs do."""

    def begin(self):
        self._rate = 0.05

    def before_run(self, run_context):
        step = v1.train.get_global_step()
        graph = v1.get_default_graph()
        rate = graph.get_tensor_by_name("learning_rate:0")
        return v1.train.SessionRunArgs(step, feed_dict={rate: self._rate})

    def after_run(self, run_context, run_values):
        if run_values.results >= 12:
            self._rate = 0.01


class ExamplesPerSecondHook(v1.train.SessionRunHook):
    def __init__(self, batch, every):
        self._timer = v1.train.SecondOrStepTimer(every_steps=every)
        self._batch, self.seen = batch, []

    def begin(self):
        self._step = v1.train.get_or_create_global_step()

    def before_run(self, run_context):
        return v1.train.SessionRunArgs(self._step)

    def after_run(self, run_context, run_values):
        step = run_values.results
        if self._timer.should_trigger_for_step(step):
            elapsed, steps = self._timer.update_last_triggered_step(step)
            if elapsed is not None:
                assert self._batch * steps / elapsed > 0
                self.seen.append(int(steps))


def model_fn(features, labels, mode, params):
    training = mode == E.ModeKeys.TRAIN
    logits = Model(params["blocks"], params["classes"]).forward(features, training)
    predictions = {"classes": tf.argmax(logits, 1), "probabilities": tf.nn.softmax(logits)}
    if mode == E.ModeKeys.PREDICT:
        return E.EstimatorSpec(mode, predictions=predictions)
    loss = v1.losses.sparse_softmax_cross_entropy(labels, logits)
    decayed = [v for v in v1.trainable_variables() if "batch_normalization" not in v.name]
    loss = loss + 2e-4 * tf.add_n([tf.nn.l2_loss(v) for v in decayed])
    metrics = {
        "accuracy": v1.metrics.accuracy(labels, predictions["classes"]),
        "top_2": v1.metrics.mean(tf.cast(tf.nn.in_top_k(labels, logits, 2), tf.float32)),
    }
    train_op = None
    if training:
        step = v1.train.get_global_step()
        rate = v1.placeholder_with_default(0.1, [], name="learning_rate")
        optimizer = v1.train.MomentumOptimizer(rate, 0.9, use_nesterov=True)
        with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
            gradients = optimizer.compute_gradients(loss)
            train_op = optimizer.apply_gradients(gradients, step)
    return E.EstimatorSpec(mode, predictions, loss, train_op, metrics)


def input_fn(classes, seed, batch, repeat=None):
    random = np.random.RandomState(seed)
    labels = random.randint(0, classes, 64).astype("i")
    images = random.normal(0, 0.5, [64, 8, 8, 3]).astype("f")
    images[np.arange(64), :, labels % 8, labels % 3] += 2
    return tf.data.Dataset.from_tensor_slices((images, labels)).repeat(repeat).batch(batch)


def rounds(folder, classes, warm_start):
    params = {"blocks": 2, "classes": classes}
    config = E.RunConfig(model_dir=os.path.join("out", folder), save_checkpoints_steps=8)
    model = E.Estimator(model_fn, config=config, params=params, warm_start_from=warm_start)
    speed = ExamplesPerSecondHook(16, 4)
    for number in range(3):
        hooks = [LearningRateSetterHook(), speed]
        model.train(functools.partial(input_fn, classes, number, 16), hooks=hooks, steps=8)
        result = model.evaluate(lambda: input_fn(classes, 9, 24, 1), name="dev")
        print(folder, number, {key: f"{value:.3g}" for key, value in sorted(result.items())})
    print(folder, speed.seen)
    for name in ("stem/kernel", "head/kernel", "stage1/unit0/middle/batch_normalization/moving_mean"):
        print(folder, name, f"{np.abs(model.get_variable_value(name)).sum():.4g}")
    rows = list(model.predict(lambda: input_fn(classes, 9, 24, 1), predict_keys=["classes"]))
    print(folder, len(rows), sorted(rows[0]), len(model.get_variable_names()))
    return model


def main():
    first = rounds("first", 4, None)
    body = E.WarmStartSettings(first.model_dir, vars_to_warm_start=["(?!head|global_step).*"])
    rounds("second", 3, body)


if __name__ == "__main__":
    main()
