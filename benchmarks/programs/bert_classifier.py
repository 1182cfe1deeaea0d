"""A sentence classifier in the style of BERT's run_classifier: TPUEstimator, TFRecords, a warm start by
init_from_checkpoint, a decaying rate with warm-up, weight decay, clipped gradients, metrics, predictions.
"""

import os
import sys

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
if sys.argv[-1:] != ["real"]:
    import transferkit.estimator

    transferkit.estimator.install()
from tensorflow_estimator.python.estimator.tpu import tpu_config  # noqa: E402
from tensorflow_estimator.python.estimator.tpu.tpu_estimator import (  # noqa: E402
    TPUEstimator,
    TPUEstimatorSpec,
)

WORDS, LENGTH, WIDTH, HEADS, LAYERS, CLASSES = 50, 8, 16, 2, 2, 2


def values(shape, dtype=None, partition_info=None):
    """First values that both sides draw alike."""
    shape = [int(n) for n in shape]
    seed = sum(n * (31**place) for place, n in enumerate(shape))
    return np.random.RandomState(seed % 2**31).normal(0, 0.1, shape).astype("f")


def weight(name, shape):
    return v1.get_variable(name, shape, initializer=values)


def dense(x, size, name, activation=None):
    with v1.variable_scope(name):
        kernel = weight("kernel", [x.shape[-1], size])
        bias = v1.get_variable("bias", [size], initializer=v1.zeros_initializer())
        y = tf.tensordot(x, kernel, 1) + bias
        return activation(y) if activation else y


def norm(x, name):
    with v1.variable_scope(name):
        gamma = v1.get_variable("gamma", [x.shape[-1]], initializer=v1.ones_initializer())
        beta = v1.get_variable("beta", [x.shape[-1]], initializer=v1.zeros_initializer())
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-12) * gamma + beta


def bert(ids, mask):
    with v1.variable_scope("bert"):
        with v1.variable_scope("embeddings"):
            table = weight("word_embeddings", [WORDS, WIDTH])
            place = weight("position_embeddings", [LENGTH, WIDTH])
            x = norm(tf.gather(table, ids) + place, "LayerNorm")
        outside = (1.0 - tf.cast(mask, tf.float32))[:, None, None, :] * -10000.0
        for number in range(LAYERS):
            with v1.variable_scope(f"encoder/layer_{number}"):
                with v1.variable_scope("attention"):
                    parts = [dense(x, WIDTH, name) for name in ("query", "key", "value")]
                    shape = [-1, LENGTH, HEADS, WIDTH // HEADS]
                    q, k, v = (tf.transpose(tf.reshape(p, shape), [0, 2, 1, 3]) for p in parts)
                    scores = tf.matmul(q, k, transpose_b=True) / (WIDTH // HEADS) ** 0.5 + outside
                    context = tf.transpose(tf.matmul(tf.nn.softmax(scores), v), [0, 2, 1, 3])
                    context = tf.reshape(context, [-1, LENGTH, WIDTH])
                    x = norm(x + dense(context, WIDTH, "output"), "LayerNorm")
                with v1.variable_scope("feed_forward"):
                    inner = dense(x, 2 * WIDTH, "inner", tf.nn.relu)
                    x = norm(x + dense(inner, WIDTH, "outer"), "LayerNorm")
        return dense(x[:, 0], WIDTH, "pooler", tf.tanh)


def model_fn_builder(init_checkpoint, learning_rate, steps, warmup):
    def model_fn(features, labels, mode, params):
        for name in sorted(features):
            v1.logging.info("  name = %s, shape = %s", name, features[name].shape)
        pooled = bert(features["input_ids"], features["input_mask"])
        logits = dense(pooled, CLASSES, "output")
        if mode == tf.estimator.ModeKeys.PREDICT:
            return TPUEstimatorSpec(mode=mode, predictions={"probabilities": tf.nn.softmax(logits)})
        truth = tf.one_hot(features["label_ids"], CLASSES)
        per_example = -tf.reduce_sum(truth * tf.nn.log_softmax(logits), -1)
        loss = tf.reduce_mean(per_example)
        trainable = v1.trainable_variables()
        scaffold_fn = None
        if init_checkpoint:
            known = {name for name, _ in tf.train.list_variables(init_checkpoint)}
            mapping = {v.op.name: v.op.name for v in trainable if v.op.name in known}
            if params["use_tpu"]:

                def scaffold_fn():
                    v1.train.init_from_checkpoint(init_checkpoint, mapping)
                    return v1.train.Scaffold()

            else:
                v1.train.init_from_checkpoint(init_checkpoint, mapping)
        if mode == tf.estimator.ModeKeys.TRAIN:
            step = v1.train.get_or_create_global_step()
            rate = v1.train.polynomial_decay(learning_rate, step, steps, 0.0, 1.0)
            share = tf.cast(step, tf.float32) / warmup
            rate = tf.where(step < warmup, learning_rate * share, rate)
            optimizer = v1.train.AdamOptimizer(rate)
            if params["use_tpu"]:
                optimizer = v1.tpu.CrossShardOptimizer(optimizer)
            gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, trainable), 1.0)
            decay = [
                v.assign_sub(rate * 0.01 * v)
                for v in trainable
                if "LayerNorm" not in v.name and "bias" not in v.name
            ]
            with tf.control_dependencies(decay):
                train_op = optimizer.apply_gradients(
                    zip(gradients, trainable, strict=False), global_step=step
                )
            return TPUEstimatorSpec(mode=mode, loss=loss, train_op=train_op, scaffold_fn=scaffold_fn)

        def metric_fn(per_example, label_ids, logits):
            chosen = tf.argmax(logits, -1, output_type=tf.int32)
            accuracy = v1.metrics.accuracy(label_ids, chosen)
            return {"eval_accuracy": accuracy, "eval_loss": v1.metrics.mean(per_example)}

        metrics = (metric_fn, [per_example, features["label_ids"], logits])
        return TPUEstimatorSpec(mode=mode, loss=loss, eval_metrics=metrics, scaffold_fn=scaffold_fn)

    return model_fn


def write(path, count, seed):
    random = np.random.RandomState(seed)
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(count):
            ids = random.randint(1, WORDS, LENGTH)
            length = random.randint(3, LENGTH + 1)
            mask = (np.arange(LENGTH) < length).astype(int)
            label = int((ids[:length] > WORDS // 2).mean() > 0.5)
            made = {"input_ids": ids * mask, "input_mask": mask, "label_ids": [label]}
            feature = {
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=list(value)))
                for name, value in made.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


def file_based_input_fn_builder(path, is_training, drop_remainder):
    spec = {
        "input_ids": tf.io.FixedLenFeature([LENGTH], tf.int64),
        "input_mask": tf.io.FixedLenFeature([LENGTH], tf.int64),
        "label_ids": tf.io.FixedLenFeature([], tf.int64),
    }

    def decode(record):
        example = tf.io.parse_single_example(record, spec)
        return {name: tf.cast(value, tf.int32) for name, value in example.items()}

    def input_fn(params):
        data = tf.data.TFRecordDataset(path)
        if is_training:
            data = data.repeat()
        return data.map(decode).batch(params["batch_size"], drop_remainder=drop_remainder)

    return input_fn


def estimator_of(folder, init_checkpoint, steps):
    config = tpu_config.RunConfig(
        model_dir=folder,
        save_checkpoints_steps=10,
        tpu_config=tpu_config.TPUConfig(
            iterations_per_loop=10,
            per_host_input_for_training=tpu_config.InputPipelineConfig.PER_HOST_V2,
        ),
    )
    return TPUEstimator(
        use_tpu=False,
        model_fn=model_fn_builder(init_checkpoint, 3e-3, steps, 5),
        config=config,
        train_batch_size=16,
        eval_batch_size=8,
        predict_batch_size=8,
    )


def main():
    write("train.tf_record", 64, 0)
    write("dev.tf_record", 28, 1)
    checkpoint = None
    for folder in ("first", "second"):
        estimator = estimator_of(os.path.join("out", folder), checkpoint, 25)
        estimator.train(file_based_input_fn_builder("train.tf_record", True, True), max_steps=25)
        result = estimator.evaluate(file_based_input_fn_builder("dev.tf_record", False, False))
        print(folder, {key: f"{value:.4g}" for key, value in sorted(result.items())})
        rows = estimator.predict(file_based_input_fn_builder("dev.tf_record", False, False))
        rows = [row["probabilities"] for row in rows]
        print(folder, len(rows), [f"{row[0]:.4g}" for row in rows[:4]])
        for name in ("bert/embeddings/word_embeddings", "bert/encoder/layer_1/attention/query/kernel"):
            print(folder, name, f"{np.abs(estimator.get_variable_value(name)).sum():.4g}")
        print(folder, len(estimator.get_variable_names()), os.path.basename(estimator.latest_checkpoint()))
        checkpoint = estimator.latest_checkpoint()


if __name__ == "__main__":
    main()
