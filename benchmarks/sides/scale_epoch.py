"""One worker's side of bench_scale.py: epochs of a linear head over kept features, alone or in a cluster.

``scale_epoch.py IMAGES WIDTH CLASSES BATCH EPOCHS FOLDER``; the place among the workers is in TF_CONFIG.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    images, width, classes, batch, epochs = map(int, sys.argv[1:6])
    from transferkit.cluster.cluster import joined
    from transferkit.cluster.place import read_place
    from transferkit.tensorflow_startup import start_tensorflow

    start_tensorflow()
    cluster = joined(print) if read_place() is not None else None
    import numpy as np
    import tensorflow as tf

    from transferkit.activations.cache import Cache
    from transferkit.activations.compute import Activations, Stats
    from transferkit.activations.division import Division
    from transferkit.activations.index import digests_of
    from transferkit.estimator import Estimator, RunConfig
    from transferkit.heads import make_head
    from transferkit.keras3 import keras
    from transferkit.training.cut_features import CutFeatures
    from transferkit.transfer.epoch_mean import EpochMean
    from transferkit.transfer.model_fn import make_model_fn
    from transferkit.transfer.network import Network
    from transferkit.transfer.standardise import Standardise

    class Cut:
        """Features are kept as they are: nothing of a backbone trains."""

        trainable_variables = suffix_variables = prefix_variables = frozen_variables = ()
        regularisation_losses = ()

        @staticmethod
        def suffix(features: tf.Tensor, training: bool = False) -> tf.Tensor:
            return features

    number, count = (0, 1) if cluster is None else (cluster.place.number, cluster.count)
    mine = np.arange(images) % count == number
    places = np.flatnonzero(mine)
    store = Cache(os.path.join(sys.argv[6], f"worker-{number}")).store({"bench": 1}, (width,), "float32")
    names = digests_of([f"{place:064x}" for place in places])
    for start in range(0, len(places), 8192):
        rng = np.random.default_rng(start)
        part = names[start : start + 8192]
        store.add(part, rng.standard_normal((len(part), width), np.float32))
    rows = np.full(images, -1)
    rows[places] = np.arange(len(places))
    stats = Stats(images, 0, images, 0, 0.0, None, "float32", 0)
    features = CutFeatures(
        Activations(rows, store.rows(names), (), stats), rows, mine=None if cluster is None else mine
    )
    kept = np.where(rows >= 0, np.arange(images), -1)
    features = CutFeatures(features.activations, kept, mine=features.mine)
    labels = np.random.default_rng(1).integers(0, classes, images)
    head = make_head({"kind": "linear", "dropout": 0.0}, width, [f"c{n}" for n in range(classes)])
    network = Network(Cut(), head, head.build_layer(0), Standardise(width))
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(network.trainable_variables)
    steps = -(-images // batch)
    over = None if cluster is None else functools.partial(cluster.total_in_graph, key=cluster.key())
    loop = {} if cluster is None else {"steps_per_loop": 1}
    estimator = Estimator(
        make_model_fn(network, optimizer, EpochMean(steps), over),
        config=RunConfig(save_checkpoints_secs=None, save_summary_steps=None, **loop),
    )
    seconds = []
    every = np.arange(images)
    for epoch in range(epochs + 1):
        if cluster is not None:
            cluster.barrier()
        began = time.perf_counter()
        estimator.train(
            lambda epoch=epoch: features.shuffled(every, labels, Division(batch, 1, False), 0, epoch),
            max_steps=(epoch + 1) * steps,
        )
        seconds.append(time.perf_counter() - began)
    if cluster is not None:
        cluster.part()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = statistics.median(seconds[1:])  # the first one traces
    print(json.dumps({"epoch s": found, "step ms": 1000 * found / steps, "peak MB": peak}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
