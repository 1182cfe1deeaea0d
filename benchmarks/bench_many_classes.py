"""An evaluation of many classes: seconds, peak memory and the size of predictions.csv, a process each.

Probabilities are synthetic: a softmax over noise in which the true class stands out somewhat. "evaluate" is
every figure with its intervals, "write" is predictions.csv, "read" makes the figures again from that file.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure(classes: int, images: int) -> dict[str, float]:
    """One size, in a process of its own."""
    import numpy as np

    from transferkit.evaluation import evaluate, read_predictions
    from transferkit.evaluation.predictions import parse_top

    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, images)
    logits = rng.standard_normal((images, classes), np.float32)
    logits[np.arange(images), labels] += 4
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    names = [f"class {number:05d}" for number in range(classes)]
    found: dict[str, float] = {"base MB": _memory()}
    start = time.perf_counter()
    evaluation = evaluate(labels, logits, names, [f"{i:06d}.jpg" for i in range(images)])
    found["evaluate s"] = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        file = evaluation.write_predictions(Path(folder) / "predictions.csv", parse_top("auto", classes))
        found["write s"] = time.perf_counter() - start
        found["csv MB"] = file.stat().st_size / 1e6
        found["peak MB"] = _memory()
        start = time.perf_counter()
        read_predictions(file, names)
        found["read s"] = time.perf_counter() - start
    return found


def _memory() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def main() -> None:
    from _report import Report, arguments

    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, nargs="*", default=[10, 100, 1000, 3000])
    parser.add_argument("--images", type=int, default=20_000)
    options = parser.parse_args()
    names = ["evaluate s", "write s", "read s", "csv MB", "base MB", "peak MB"]
    report = Report("many_classes", ["classes", "images", *names])
    for classes in options.classes:
        command = [sys.executable, __file__, "--one", str(classes), str(options.images)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        report.add(classes=classes, images=options.images, **json.loads(done.stdout.splitlines()[-1]))
    report.write(options.json)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]), int(sys.argv[3]))))
    else:
        sys.path.insert(0, str(Path(__file__).parent))
        sys.exit(main())
