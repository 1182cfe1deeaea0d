"""Train the embedded backbone (backbones/embedded.weights.h5) by distillation, on a CPU, from a seed.

    KERAS_HOME=DATA/keras_home python benchmarks/train_embedded.py \
        --photos DATA/flowers_small/train 0.45 0 --photos DATA/trashnet 0.25 0.2 \
        --tfrecord DATA/cifar10/train.tfrecord 0.3 --stop-after 20 --out backbones/embedded.weights.h5

The student never sees a label. Views (crops, blends and collages of the images given) go to two ImageNet
teachers, MobileNetV2 and MobileNet 0.25 (keras.applications, 224 px weights), and the student learns to
give their feature maps at three depths and their class probabilities. It starts from random weights;
nothing is copied from the teachers. A pool of views is kept in memory (about 90 kB a view) and a quarter
of it drawn anew each round, so that the time goes into the student and not into the teachers.

The shipped weights are those of this command: the rate was planned over 30 rounds of 12288 views and training
ended after 20, some 40 minutes of processor time. They were taken from the running process soon after round
20, so a run of your own will not be the same bit for bit. All 30 rounds were not tried to the end.

The weights are written as float16, which halves the file; Keras reads them back as float32.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from embedded_teachers import LATE_WIDTH, Teachers
from embedded_views import Views, read_photos, read_tfrecord
from keras import layers

from transferkit.backbones.networks.embedded import embedded

SIZE = 128
LOSS_WEIGHTS = {"early": 0.1, "middle": 0.3, "late": 0.5, "pooled": 3.0, "classes": 0.5}


def with_heads(student: keras.Model) -> keras.Model:
    """The student with one linear head a target; the heads serve training alone."""
    middle = student.get_layer("stage3_out").output
    late = layers.AveragePooling2D(2, name="late_pool")(student.output)
    late = layers.Dense(LATE_WIDTH, dtype="float32", name="late")(late)
    average = layers.GlobalAveragePooling2D(name="average")(student.output)
    outputs = {
        "early": layers.Conv2D(32, 1, dtype="float32", name="early")(student.get_layer("stage2_out").output),
        "middle": layers.Conv2D(96, 1, dtype="float32", name="middle")(middle),
        "late": late,
        "pooled": layers.GlobalAveragePooling2D(dtype="float32", name="pooled")(late),
        "classes": layers.Dense(1000, dtype="float32", name="classes")(average),
    }
    return keras.Model(student.input, outputs)


def losses(targets: dict[str, tf.Tensor], answers: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """One loss a head: mean squared error for features, Kullback-Leibler divergence for classes."""
    targets = {**targets, "pooled": tf.reduce_mean(targets["late"], (1, 2))}
    found = {
        name: tf.reduce_mean(tf.square(answers[name] - targets[name]))
        for name in ("early", "middle", "late", "pooled")
    }
    classes = targets["classes"]
    logarithms = tf.nn.log_softmax(answers["classes"])
    divergence = tf.reduce_sum(classes * (tf.math.log(classes + 1e-8) - logarithms), -1)
    return {**found, "classes": tf.reduce_mean(divergence)}


class Trainer:
    """One training run: the pool of views, the student and its optimizer."""

    def __init__(self, views: Views, teachers: Teachers, options: argparse.Namespace) -> None:
        self._views, self._teachers, self._options = views, teachers, options
        first = views.draw(options.pool)
        teachers.fit(first[:4096])
        self._pool = {"views": first, **teachers.targets(first)}
        self._random = np.random.default_rng(options.seed)
        keras.mixed_precision.set_global_policy(options.precision)
        self.student = embedded(input_shape=(SIZE, SIZE, 3))
        self._model = with_heads(self.student)
        steps = options.rounds * (options.pool // options.batch)
        warmup = min(300, steps // 10)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps - warmup, warmup_target=options.rate, warmup_steps=warmup
        )
        self._optimizer = keras.optimizers.AdamW(rate, weight_decay=options.weight_decay, global_clipnorm=5.0)
        self._optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self._optimizer.build(self._model.trainable_variables)

    def round(self, refresh: float) -> dict[str, float]:
        """One pass over the pool after drawing the share ``refresh`` of it anew; gives the mean losses."""
        self._renew(refresh)
        views, batch = self._pool["views"], self._options.batch
        order = self._random.permutation(len(views))
        sums: dict[str, float] = {}
        for start in range(0, len(order) - batch + 1, batch):
            rows = np.sort(order[start : start + batch])
            targets = {name: tf.constant(all_[rows]) for name, all_ in self._pool.items() if name != "views"}
            for name, value in self._step(tf.constant(views[rows]), targets).items():
                sums[name] = sums.get(name, 0.0) + float(value)
        return {name: value / (len(order) // batch) for name, value in sums.items()}

    def _renew(self, share: float) -> None:
        count = len(self._pool["views"])
        places = self._random.choice(count, int(share * count), replace=False)
        if len(places):
            views = self._views.draw(len(places))
            for name, values in {"views": views, **self._teachers.targets(views)}.items():
                self._pool[name][places] = values

    @tf.function(reduce_retracing=True)
    def _step(self, views: tf.Tensor, targets: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        images = tf.cast(views, tf.float32) / 127.5 - 1.0
        targets = {name: tf.cast(value, tf.float32) for name, value in targets.items()}
        with tf.GradientTape() as tape:
            found = losses(targets, self._model(images, training=True))
            total = tf.add_n([LOSS_WEIGHTS[name] * value for name, value in found.items()])
        gradients = tape.gradient(total, self._model.trainable_variables)
        self._optimizer.apply_gradients(zip(gradients, self._model.trainable_variables, strict=True))
        return found


def write_weights(student: keras.Model, path: Path) -> None:
    """Write the weights as float16: through the same network built in that precision."""
    keras.mixed_precision.set_global_policy("float16")
    small = embedded(input_shape=(SIZE, SIZE, 3))
    small.set_weights([np.asarray(value, np.float16) for value in student.get_weights()])
    small.save_weights(path)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--photos",
        nargs=3,
        action="append",
        default=[],
        metavar=("DIR", "SHARE", "KEPT"),
        help="a folder of photos, its share of the views, and the share of its files that is kept back "
        "for measuring, chosen by content hash (0..1); may be given again",
    )
    parser.add_argument(
        "--tfrecord",
        nargs=2,
        action="append",
        default=[],
        metavar=("FILE", "SHARE"),
        help="a TFRecord file with image/encoded and its share of the views; may be given again",
    )
    parser.add_argument("--out", type=Path, required=True, help="the .weights.h5 file to write")
    parser.add_argument("--rounds", type=int, default=30, help="passes over the pool that the schedule spans")
    parser.add_argument("--stop-after", type=int, metavar="ROUNDS", help="end before the schedule does")
    parser.add_argument("--pool", type=int, default=12288, help="views kept in memory")
    parser.add_argument("--refresh", type=float, default=0.25, help="share of the pool drawn anew each round")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("float32", "mixed_bfloat16"), default="mixed_bfloat16")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Read the images, train, write the weights."""
    options = arguments()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    keras.utils.set_random_seed(options.seed)
    groups = [
        (float(share), read_photos(Path(folder), float(kept))) for folder, share, kept in options.photos
    ]
    groups += [(float(share), read_tfrecord(Path(file))) for file, share in options.tfrecord]
    print("images:", [len(images) for _, images in groups], flush=True)
    views = Views(groups, SIZE, options.seed)
    trainer = Trainer(views, Teachers(SIZE, options.threads), options)
    start = time.monotonic()
    for number in range(min(options.rounds, options.stop_after or options.rounds)):
        found = trainer.round(options.refresh if number else 0.0)
        text = " ".join(f"{name} {value:.3f}" for name, value in found.items())
        print(f"round {number + 1}/{options.rounds} {time.monotonic() - start:.0f} s: {text}", flush=True)
    write_weights(trainer.student, options.out)
    print(f"{options.out}: {options.out.stat().st_size} bytes, {trainer.student.count_params()} weights")


if __name__ == "__main__":
    main()
