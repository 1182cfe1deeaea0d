"""A retraining end to end: transferkit, cold and warm, beside Keras's own loop and the least one must do.

    python benchmarks/bench_retrain.py --data photos/ --backbone mobilenet_v2 --weights imagenet

Every side is a process of its own on the same photos (``train/`` and ``val/`` with class folders), timed
from start to end; "without imports" leaves out what each took to import its packages. Without ``--data`` the
photos are made here and the weights are random: the times mean something then, the accuracies do not.

``keras`` is the transfer-learning guide's loop (``sides/keras_guide.py``); ``floor`` decodes once, passes
once and fits a logistic regression (``sides/floor.py``), ``pass`` is the same without the classifier.
transferkit trains for as many epochs as Keras, evaluates, exports, checks the export and writes its report;
"cold" begins with no cache at all, "warm" with what the cold run left.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _report import Report, arguments

SIDES = Path(__file__).parent / "sides"
CLASSES, PHOTOS = 5, {"train": 100, "val": 40}


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    add_run_options(parser)
    parser.add_argument("--without", nargs="*", default=[], help="sides to leave out, such as keras")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            options.data, options.weights = make_photos(Path(folder, "photos")), "random"
        compare(options, Path(folder))


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """What is retrained, and how long."""
    parser.add_argument("--data", type=Path, help="photos in train/ and val/; made here by default")
    parser.add_argument("--backbone", default="mobilenet_v2", choices=["mobilenet_v2", "inception_v3"])
    parser.add_argument("--weights", default="imagenet", choices=["imagenet", "random"])
    parser.add_argument("--epochs", type=int, default=10)


def compare(options: argparse.Namespace, scratch: Path) -> None:
    python = [sys.executable]
    photos = [str(options.data / split) for split in ("train", "val")]
    cache, run = scratch / "cache", scratch / "run"
    network = [options.backbone, options.weights]
    retrain = [*python, "-m", "transferkit", "retrain", "--data", str(options.data), "--run", str(run)]
    retrain += ["--backbone", options.backbone, "--set", f'backbone.weights="{options.weights}"']
    retrain += ["--set", f"epochs={options.epochs}", "--set", "early_stopping=false"]
    retrain += [
        "--set",
        f"activations.cache_dir={json.dumps(str(cache))}",
        "--overwrite",
        "--json",
        "--quiet",
    ]
    sides = {
        "keras": [*python, str(SIDES / "keras_guide.py"), *photos, *network, str(options.epochs)],
        "floor": [*python, str(SIDES / "floor.py"), *photos, *network],
        "pass": [*python, str(SIDES / "floor.py"), *photos, *network, "--pass-only"],
        "transferkit, cold": retrain,
        "transferkit, warm": retrain,
    }
    sides = {name: command for name, command in sides.items() if name not in options.without}
    columns = ["side", "round", "seconds", "without imports", "accuracy", "peak MB"]
    report = Report(f"retrain_{options.backbone}_{options.weights}", columns)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    bare: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(options.repeats):
        for name, command in sides.items():
            if name.endswith("cold"):
                shutil.rmtree(cache, ignore_errors=True)
            took, peak, said = timed(command)
            imports = said.get("imports", said.get("seconds", {}).get("stages", {}).get("start", 0.0))
            accuracy = said.get("accuracy", said.get("metrics", {}).get("accuracy"))
            seconds[name].append(took)
            bare[name].append(took - imports)
            row = {"side": name, "round": number + 1, "seconds": took, "without imports": took - imports}
            report.add(**row, accuracy=accuracy, **{"peak MB": peak})
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    report.note(**{f"{name}, median seconds": value for name, value in middle.items()})
    for ours in ("transferkit, cold", "transferkit, warm"):
        for other in ("keras", "floor", "pass"):
            if other not in middle or ours not in middle:
                continue
            faster = other == "keras"
            for kind, of in (("", middle), (", without imports", _medians(bare))):
                ratio = of[other] / of[ours] if faster else of[ours] / of[other]
                report.note(**{f"{other} / {ours}{kind}" if faster else f"{ours} / {other}{kind}": ratio})
    report.write(options.json)


def timed(command: list[str]) -> tuple[float, float, dict[str, Any]]:
    """Seconds, peak memory in MB, and what the process said, a line of JSON last."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        out.seek(0)
        text = out.read().decode()
    return seconds, usage.ru_maxrss / 1024, json.loads(text[text.index("{") :])


def make_photos(folder: Path) -> Path:
    """Photos of 320 x 240 in class folders, no two alike."""
    from bench_decode import photo

    number = 0
    for split, count in PHOTOS.items():
        for label in range(CLASSES):
            place = folder / split / f"class_{label}"
            place.mkdir(parents=True)
            for _ in range(count):
                (place / f"{number:04d}.jpg").write_bytes(photo(240, 320, number))
                number += 1
    return folder


def _medians(values: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(some) for name, some in values.items()}


if __name__ == "__main__":
    sys.exit(main())
