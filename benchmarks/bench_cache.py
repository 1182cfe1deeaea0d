"""The activation cache from 1 000 to 100 000 images: throughput, bytes, peak memory; a process a size.

Activations are synthetic (1280 numbers an image); writing, finding, reading and training are the toolkit's.
Evicting writes the same under a bound of half their size. "train" is one epoch of a linear head in steps of
256; "read" reads all rows once in the order of the file, from memory, "disk" from the disk (where the system
lets go of the pages that it keeps in memory).
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

WIDTH, CLASSES, BATCH, WRITTEN = 1280, 10, 256, 2048


def measure(count: int, evicting: bool) -> dict[str, float]:
    """One size, in a process of its own."""
    import numpy as np
    import tensorflow as tf

    from transferkit.activations.activation_batches import dataset
    from transferkit.activations.cache import Cache
    from transferkit.activations.epoch_order import epoch_steps
    from transferkit.activations.index import digests_of

    rng = np.random.default_rng(0)
    digests = digests_of([hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)])
    total = count * WIDTH * 4
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(folder, total // 2 if evicting else None)
        found: dict[str, float] = {"base MB": _memory()}
        start = time.perf_counter()
        for number, at in enumerate(range(0, count, WRITTEN)):
            # Eight stores in turn where some must go: what a run writes itself is never evicted.
            store = cache.store({"cut": str(number % 8 if evicting else 0)}, (WIDTH,), "float32")
            part = digests[at : at + WRITTEN]
            rows = rng.standard_normal((len(part), WIDTH), dtype=np.float32)
            store.add(part, rows, lambda size, store=store: cache.make_room(size, store))
        found["write MB/s"] = total / 1e6 / (time.perf_counter() - start)
        found["bytes MB"] = cache.bytes() / 1e6
        if not evicting:
            _out_of_memory(Path(folder))
            start = time.perf_counter()
            array = cache.store({"cut": "0"}, (WIDTH,), "float32").rows(digests)
            found["open s"] = time.perf_counter() - start
            for name in ("disk s", "read s"):
                start = time.perf_counter()
                for at in range(0, count, BATCH):
                    array[at : at + BATCH]
                found[name] = time.perf_counter() - start
            found["train s"] = _train(tf, dataset, epoch_steps, array, rng.integers(0, CLASSES, count))
            # An iterator that outlives the interpreter waits for Python code that no longer runs.
            gc.collect()
            found["train / read"] = found["train s"] / found["read s"]
            found["train / disk"] = found["train s"] / found["disk s"]
        found["peak MB"] = _memory()
        return found


def _train(tf, dataset, epoch_steps, array, labels) -> float:
    """Seconds of the second epoch of a linear head, 32 steps a call."""
    import numpy as np

    from transferkit.activations.division import Division
    from transferkit.activations.epoch_order import Epochs

    count = len(labels)
    steps, loop = epoch_steps(count, BATCH), 32
    weights = tf.Variable(tf.zeros([WIDTH, CLASSES]))
    activations = SimpleNamespace(rows=np.arange(count), array=array)
    endless = Epochs(count=None, seed=0)
    batches = iter(dataset(activations, np.arange(count), labels, Division(BATCH, fills=False), endless))

    @tf.function
    def train(some):
        for _ in tf.range(some):
            x, y = next(batches)
            with tf.GradientTape() as tape:
                logits = x @ weights
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
                loss = tf.reduce_mean(losses)
            weights.assign_sub(0.01 * tape.gradient(loss, weights))

    for _ in range(-(-steps // loop)):
        train(tf.constant(loop))
    start = time.perf_counter()
    for at in range(0, steps, loop):
        train(tf.constant(min(loop, steps - at)))
    return time.perf_counter() - start


def _out_of_memory(folder: Path) -> None:
    """Asks the system to keep no file below ``folder`` in memory."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _memory() -> float:
    """Peak resident memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def main() -> None:
    from _report import Report, arguments

    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="*", default=[1000, 10_000, 100_000])
    options = parser.parse_args()
    names = ["write MB/s", "open s", "disk s", "read s", "train s", "train / read", "train / disk"]
    names += ["base MB", "peak MB", "bytes MB"]
    report = Report("cache", ["images", "kind", *names])
    for evicting in (False, True):
        for count in options.counts:
            runs = []
            for _ in range(options.repeats):
                command = [sys.executable, __file__, "--one", str(count), str(int(evicting))]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                runs.append(json.loads(done.stdout.splitlines()[-1]))
            middle = {name: sorted(run[name] for run in runs)[len(runs) // 2] for name in runs[0]}
            report.add(images=count, kind="evicting" if evicting else "plain", **middle)
    peaks = [row["peak MB"] for row in report.rows if row["kind"] == "plain"]
    report.note(**{"peak memory, largest / smallest": max(peaks) / min(peaks)})
    report.write(options.json)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]), bool(int(sys.argv[3])))))
    else:
        sys.path.insert(0, str(Path(__file__).parent))
        sys.exit(main())
