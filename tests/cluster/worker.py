"""One worker of a cluster that does what the word in its arguments says; its place is in TF_CONFIG."""

from __future__ import annotations

import json
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np

from transferkit.cluster.cluster import joined
from transferkit.errors import UserError


def everything(cluster):
    import tensorflow as tf

    number = cluster.place.number
    rows = np.arange(20_000_000, dtype=np.float32) % 1000 + number
    large = cluster.total(rows)
    variable = tf.Variable(np.float32([-0.0, 1.5, np.nan]) if number == 0 else np.zeros(3, np.float32))
    cluster.settle([variable])
    key = cluster.key()
    step = tf.function(lambda tensor: cluster.total_in_graph(tensor, key))
    return {
        "small": cluster.total(np.array([[number, 1]], np.int64)).tolist(),
        "empty": cluster.total(np.zeros((0, 3), np.float32)).shape,
        "large": bool(np.array_equal(large, 2 * rows + (1 - 2 * number))),
        "gathered": cluster.gather({"number": number, "text": "ä" * (number + 1)}),
        "shared": cluster.share({"loss": 0.1} if number == 0 else None),
        "bytes": cluster.bytes_of(1, b"\x00\x01\xff" if number == 1 else None).hex(),
        "none": cluster.bytes_of(0, b"").hex(),
        "settled": variable.numpy().tobytes().hex(),
        "steps": [step(tf.fill([3], float(number + 1))).numpy().tolist() for _ in range(2)],
    }


if __name__ == "__main__":
    try:
        cluster = joined(lambda line: print(line, file=sys.stderr), float(sys.argv[2]))
        with cluster.watched("go on"):
            if sys.argv[1] == "die" and cluster.place.number == int(sys.argv[3]):
                os.kill(os.getpid(), 9)
            if sys.argv[1] == "wait":
                print("here", flush=True)
                time.sleep(60)
            if sys.argv[1] == "die":
                time.sleep(0.5)
                cluster.barrier()
            print(json.dumps(everything(cluster)), flush=True)
            cluster.barrier()
    except UserError as error:
        print(error)
        os._exit(error.exit_code)
    os._exit(0)
