"""Measures at which learning rates fine-tuning gains and at which it ruins, on three data sets.

    python benchmarks/fine_tuning_rates.py --data ../shared/data

The recipe ``finetune_top`` is run with each rate and schedule in its second phase, and ``keep = "last"``:
what is shown is what the rate does, not what keeping the best state saves. The table goes to
``recipes/README.md`` between its marks, the figures to ``benchmarks/results/fine_tuning_rates.json``, from
which an interrupted measurement goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "fine_tuning_rates.json"
README = HERE.parent / "recipes" / "README.md"
MARKS = ("<!-- rates: begin -->", "<!-- rates: end -->")
CONSTANT = "{ kind = 'constant' }"
COSINE = "{ kind = 'cosine', warmup = 1, unit = 'epochs' }"
# What the second phase is trained with: optimizer and schedule.
PHASES = {
    "adam 1e-4": ("{ name = 'adam', learning_rate = 1e-4 }", CONSTANT),
    "adam 3e-5": ("{ name = 'adam', learning_rate = 3e-5 }", CONSTANT),
    "adam 1e-5": ("{ name = 'adam', learning_rate = 1e-5 }", CONSTANT),
    "adam 3e-6": ("{ name = 'adam', learning_rate = 3e-6 }", CONSTANT),
    "sgd 1e-3, momentum 0.9": ("{ name = 'sgd', learning_rate = 1e-3, momentum = 0.9 }", CONSTANT),
    "adam 1e-4, warm-up, cosine": ("{ name = 'adam', learning_rate = 1e-4 }", COSINE),
    "adam 3e-5, warm-up, cosine": ("{ name = 'adam', learning_rate = 3e-5 }", COSINE),
}
SETS = ("flowers_small", "trashnet", "cifar10_5000")
CIFAR_IMAGES = 5000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets and keras_home")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        for data in arguments.sets:
            for name, how in PHASES.items():
                if name in found.get(data, {}):
                    continue
                folder = images_of(data, arguments.data, Path(scratch))
                result = measure(folder, arguments.data, how, arguments.epochs, Path(scratch))
                found.setdefault(data, {})[name] = result
                print(f"{data:14} {name:24} {result['head']:.4f} -> {result['tuned']:.4f}", flush=True)
                RESULTS.parent.mkdir(exist_ok=True)
                RESULTS.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    write_table(found, arguments.epochs)


def measure(data: Path, home: Path, how: tuple[str, str], epochs: int, scratch: Path) -> dict[str, Any]:
    """Validation accuracy before the second phase and at its end."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        overrides = [
            "data.test=0.2",
            "export.parity=false",
            f"activations.cache_dir={json.dumps(str(scratch / 'cache'))}",
            f"phases.top.optimizer={how[0]}",
            f"phases.top.schedule={how[1]}",
            f"phases.top.epochs={epochs}",
            "phases.top.early_stopping=false",
            "phases.top.keep=last",
        ]
        command = [sys.executable, "-m", "transferkit", "retrain", "--recipe", "finetune_top", "--quiet"]
        command += ["--data", str(data), "--run", str(run)]
        for one in overrides:
            command += ["--set", one]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.setdefault("KERAS_HOME", str((home / "keras_home").resolve()))
        subprocess.run(command, env=environment, check=True)
        rows = [json.loads(line) for line in (run / "history.jsonl").read_text("utf-8").splitlines()]
    top = [row["val_accuracy"] for row in rows if row["phase"] == "top"]
    return {"head": top[0], "first_epoch": top[1], "tuned": top[-1], "best": max(top)}


def images_of(data: str, folder: Path, scratch: Path) -> Path:
    """The folder of a data set; the part of CIFAR-10 is written out as class folders first."""
    if data != "cifar10_5000":
        return folder / data
    target = scratch / data
    if not target.exists():
        for number, (image, label) in enumerate(cifar(folder / "cifar10" / "train.tfrecord")):
            place = target / label
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number:05d}.jpg").write_bytes(image)
    return target


def cifar(path: Path) -> Iterator[tuple[bytes, str]]:
    """The first images of a TFRecord file, with their class names."""
    import tensorflow as tf

    with open(path, "rb") as file:
        for _ in range(CIFAR_IMAGES):
            (length,) = struct.unpack("<Q", file.read(8))
            file.read(4)
            feature = tf.train.Example.FromString(file.read(length)).features.feature
            file.read(4)
            yield (
                feature["image/encoded"].bytes_list.value[0],
                feature["image/class/text"].bytes_list.value[0].decode(),
            )


def write_table(found: dict[str, Any], epochs: int) -> None:
    """Puts the table between its marks in the recipes' README."""
    columns = [data for data in SETS if data in found]
    lines = [
        f"Validation accuracy after {epochs} epochs of the last stages (in brackets: after the first), "
        "against the head alone:",
        "",
        "| second phase | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    heads = [next(iter(found[data].values()))["head"] for data in columns]
    lines.append("| head alone | " + " | ".join(f"{value:.3f}" for value in heads) + " |")
    for name in PHASES:
        cells = []
        for data in columns:
            result = found[data].get(name)
            cells.append(f"{result['tuned']:.3f} ({result['first_epoch']:.3f})" if result else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    text = README.read_text("utf-8")
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    README.write_text(f"{before}{MARKS[0]}\n" + "\n".join(lines) + f"\n{MARKS[1]}{after}", "utf-8")


if __name__ == "__main__":
    main()
