"""Accuracy of recipes on the same photos, splits and backbones, image by image, and the seconds they take.

Each set is a manifest with its own split; what a recipe needs for validation it takes from the training
images. The test images are seen by nothing but the evaluation. Differences are paired: of the same images,
with the interval of their mean. The set of refuse photos has no split of its own and is dealt out three times
by content.

Each row is written as soon as it is measured, and one that the file holds already is not measured again: the
whole takes hours and can be made in pieces (``--sets``, ``--backbones``, ``--recipes``). Seconds by the clock
are those of an idle machine; core seconds can be compared on a busy one too; each row computes its own
features. ``keras_guide`` is the transfer-learning guide of Keras on the same photos, for the backbones of
keras.applications: ten epochs of a new top layer on a frozen base (the guide has two), and one of the whole
network at its rate, 1e-5.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from _report import Report, arguments

ENDINGS = (".jpg", ".jpeg", ".png")
Rows = list[tuple[str, str, str]]
GUIDE = "keras_guide"
BACKBONES = ["mobilenet_v2", "efficientnet_lite0"]
GUIDED = ("mobilenet_v2",)
RECIPES = ["linear_probe", "auto", "best", "retrain", "finetune_top", GUIDE]


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="folder of flowers_small, trashnet and cifar10; else digits alone"
    )
    parser.add_argument("--sets", nargs="*", default=["flowers", "trashnet", "cifar", "digits"])
    parser.add_argument("--backbones", nargs="*", default=BACKBONES)
    parser.add_argument("--recipes", nargs="*", default=RECIPES)
    parser.add_argument("--budget", default="60s", help="of the recipe auto")
    parser.add_argument("--best-budget", default="6m", help="of the recipe best")
    parser.add_argument("--fresh", action="store_true", help="measure again what the file holds already")
    options = parser.parse_args()
    if options.data is None:
        options.sets = ["digits"]
    elif (home := options.data / "keras_home").is_dir():
        os.environ.setdefault("KERAS_HOME", str(home.resolve()))
    report = Report(
        "accuracy",
        [
            "set",
            "backbone",
            "recipe",
            "train",
            "test",
            "accuracy",
            "log loss",
            "seconds",
            "core seconds",
            "to first",
            "low",
            "high",
        ],
    )
    if not options.fresh:
        report.take_up(options.json)
    whole = [row for row in report.rows if row.keys() >= {"right", "core seconds"}]
    done = {(row["set"], row["backbone"], row["recipe"]): row for row in whole}
    report.rows = list(done.values())
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, rows in sets(options, place):
            manifest = place / f"{name}.csv"
            with open(manifest, "w", newline="") as file:
                csv.writer(file).writerows([("path", "label", "split"), *rows])
            for backbone in options.backbones:
                first: np.ndarray | None = None
                for recipe in options.recipes:
                    if recipe == GUIDE and backbone not in GUIDED:
                        continue
                    earlier = done.get((name, backbone, recipe))
                    if earlier is not None:
                        first = unpacked(earlier) if first is None else first
                        continue
                    if recipe == GUIDE:
                        row, right = keras_guide(rows, backbone, place)
                    else:
                        row, right = measure(recipe, manifest, backbone, options, place)
                    if first is None:
                        first = right
                    difference = right.astype(float) - first
                    error = 1.96 * float(difference.std()) / np.sqrt(len(difference))
                    mean = float(difference.mean())
                    report.add(
                        set=name,
                        backbone=backbone,
                        recipe=recipe,
                        **row,
                        **{"to first": mean, "low": mean - error, "high": mean + error},
                        right=np.packbits(right).tobytes().hex(),
                    )
                    report.write(options.json)
    for backbone in options.backbones:
        report.note(**gains(report.rows, backbone))
    report.write(options.json)


def unpacked(row: dict[str, Any]) -> np.ndarray:
    """bool ``[N]`` of a row that was measured: which test images were answered rightly."""
    packed = np.frombuffer(bytes.fromhex(row["right"]), np.uint8)
    return np.unpackbits(packed)[: row["test"]].astype(bool)


def keras_guide(rows: Rows, backbone: str, place: Path) -> tuple[dict[str, Any], np.ndarray]:
    """As of :func:`measure`, for the loop of Keras's guide, in a process of its own."""
    folder = place / "guide"
    shutil.rmtree(folder, ignore_errors=True)
    train = [row for row in rows if row[2] == "train"]
    held = set(np.random.default_rng(0).permutation(len(train))[: len(train) // 10].tolist())
    parts = {"train": [row for number, row in enumerate(train) if number not in held],
             "val": [train[number] for number in sorted(held)],
             "test": [row for row in rows if row[2] == "test"]}  # fmt: skip
    names: list[tuple[str, str]] = []
    for part, some in parts.items():
        for label in {row[1] for row in rows}:
            (folder / part / label).mkdir(parents=True)
        for number, (path, label, _) in enumerate(some):
            link = folder / part / label / f"{number:06d}{Path(path).suffix.lower()}"
            os.symlink(path, link)
            if part == "test":
                names.append((str(link), path))
    side = Path(__file__).parent / "sides" / "keras_guide.py"
    folders = [str(folder / part) for part in ("train", "val")]
    began = spent()
    done = subprocess.run(
        [sys.executable, str(side), *folders, backbone, "imagenet", "10", "--tune=1", str(folder / "test")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds = spent() - began
    found = json.loads(done.stdout.strip().splitlines()[-1])
    # The guide answers in the order of its own paths; the other rows in that of the photos' own.
    paths = [path for _, path in sorted(names)]
    answers = sorted(zip(paths, map(bool, found["right"]), strict=True))
    figures = {"train": len(parts["train"]), "test": len(answers), "accuracy": found["accuracy"],
               "log loss": found["log_loss"], **taken(seconds)}  # fmt: skip
    return figures, np.array([right for _, right in answers])


def measure(
    recipe: str, manifest: Path, backbone: str, options: Any, place: Path
) -> tuple[dict[str, Any], np.ndarray]:
    """One run: its figures, and bool ``[N]``, which test images it answered rightly, by their names."""
    import transferkit

    settings: list[tuple[str, Any]] = [
        ("export.parity", False),
        ("evaluation.grad_cam", 0),
        ("evaluation.resamples", 0),
        ("activations.cache_dir", str(place / "cache")),
        ("data.validation", 0.1),
    ]
    if recipe == "auto":
        settings.append(("head.budget", options.budget))
    if recipe == "best":
        # It may leave the row's backbone for another one of the benchmark, or join them.
        settings += [("best.budget", options.best_budget), ("best.backbones", BACKBONES)]
    shutil.rmtree(place / "cache", ignore_errors=True)
    began = spent()
    run = transferkit.retrain(
        recipe, backbone=backbone, data=str(manifest), run=place / "run", overwrite=True, quiet=True,
        overrides=settings,
    )  # fmt: skip
    seconds = spent() - began
    with open(run.path / "predictions.csv", newline="") as file:
        answers = sorted((row["path"], row["label"] == row["predicted"]) for row in csv.DictReader(file))
    images = run.summary["images"]
    figures = {
        "train": images["train"],
        "test": len(answers),
        "accuracy": run.metrics["accuracy"],
        "log loss": run.metrics["log_loss"],
        **taken(seconds),
    }
    if recipe in ("auto", "best"):
        figures["budget"] = options.budget if recipe == "auto" else options.best_budget
    if recipe == "best":
        steps = json.loads((run.path / "best.json").read_text())["steps"]
        figures["kept"] = [one["name"] for one in steps if one["kept"]]
    return figures, np.array([right for _, right in answers])


def spent() -> np.ndarray:
    """Seconds by the clock, and those that processors worked for this process and what it has started."""
    own, started = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    worked = sum(one.ru_utime + one.ru_stime for one in (own, started))
    return np.array([time.perf_counter(), worked])


def taken(seconds: np.ndarray) -> dict[str, float]:
    """The difference of two of :func:`spent`, by name."""
    return {"seconds": float(seconds[0]), "core seconds": float(seconds[1])}


def sets(options: Any, place: Path) -> Iterator[tuple[str, Rows]]:
    """Name and rows (path, label, split) of each set."""
    for name in options.sets:
        if name == "digits":
            yield name, digits(place / name)
        elif name == "cifar":
            yield name, cifar(options.data / "cifar10", place / name)
        elif name == "flowers":
            folder = options.data / "flowers_small"
            yield (
                name,
                [
                    (str(file), file.parent.name, "train" if part == "train" else "test")
                    for part in ("train", "val")
                    for file in photos(folder / part)
                ],
            )
        else:
            files = photos(options.data / name)
            hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
            for number in range(3):
                yield (
                    f"{name} {number + 1}",
                    [
                        (str(file), file.parent.name, "train" if _share(digest, number) < 0.45 else "test")
                        for file, digest in zip(files, hashes, strict=True)
                    ],
                )


def photos(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS)


def cifar(folder: Path, place: Path) -> Rows:
    """The first 5 000 training and 2 000 test pictures, as files."""
    import tensorflow as tf

    features = {key: tf.io.FixedLenFeature([], tf.string) for key in ("image/encoded", "image/class/text")}
    place.mkdir()
    rows = []
    for split, count in (("train", 5000), ("test", 2000)):
        records = tf.data.TFRecordDataset(str(folder / f"{split}.tfrecord")).take(count)
        for number, record in enumerate(records):
            one = tf.io.parse_single_example(record, features)
            file = place / f"{split}{number:05d}.jpg"
            file.write_bytes(one["image/encoded"].numpy())
            rows.append((str(file), one["image/class/text"].numpy().decode(), split))
    return rows


def digits(place: Path) -> Rows:
    """scikit-learn's handwritten digits: 1 000 to learn from, 797 to test."""
    from PIL import Image
    from sklearn.datasets import load_digits

    found = load_digits()
    place.mkdir()
    rows = []
    for rank, number in enumerate(np.random.default_rng(0).permutation(len(found.target))):
        file = place / f"{number:05d}.png"
        Image.fromarray((found.images[number] * 255 / 16).astype(np.uint8)).save(file)
        rows.append((str(file), str(found.target[number]), "train" if rank < 1000 else "test"))
    return rows


def gains(rows: list[dict[str, Any]], backbone: str) -> dict[str, float]:
    """The mean over the sets of what each recipe gains on the first one; splits of one set count as one."""
    found: dict[str, float] = {}
    own = [row for row in rows if row["backbone"] == backbone]
    for recipe in dict.fromkeys(row["recipe"] for row in own):
        of_set: dict[str, list[float]] = {}
        for row in own:
            if row["recipe"] == recipe:
                of_set.setdefault(row["set"].split()[0], []).append(row["to first"])
        means = {name: float(np.mean(values)) for name, values in of_set.items()}
        found[f"{backbone} {recipe}"] = float(np.mean(list(means.values())))
        found[f"{backbone} {recipe} least"] = min(means.values())
    return found


def _share(digest: str, number: int) -> float:
    return int(hashlib.sha256(f"{number}{digest}".encode()).hexdigest()[:8], 16) / 2**32


if __name__ == "__main__":
    main()
