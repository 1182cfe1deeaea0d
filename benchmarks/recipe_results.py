"""Measures every shipped recipe on real photos and writes what it gave on top of its file.

    python benchmarks/recipe_results.py --data ../shared/data
    python benchmarks/recipe_results.py --data ../shared/data --only linear_probe --sets trashnet

``--data`` holds the data sets and a Keras cache ``keras_home`` with MobileNetV2's ImageNet weights. Each
recipe is run through the command line, as a user would; a line ``# Measured: …`` for each data set replaces
the earlier one in the recipe's opening comment. All figures stand in ``benchmarks/results/recipes.json`` as
well.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from transferkit import __version__
from transferkit.recipe import recipe_files

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "recipes.json"
# Where a data set brings no test split, a fifth of it is the test, dealt out by content: always the same.
SETS: dict[str, list[str]] = {"flowers_small": [], "trashnet": ["data.test=0.2"]}
# For several labels an image: two flowers side by side, the labels of both.
PAIRS, PAIRED = "flowers_pairs", {"train": 1000, "val": 400}
# What a recipe is to be judged by beside its accuracy (with several labels: of whole sets of labels).
ALSO = {"imbalanced": "recall_macro", "retrain": "recall_macro", "multi_label": "f1_macro"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets and keras_home")
    parser.add_argument("--only", nargs="*", help="recipes to measure; all by default")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    for name in arguments.only or recipe_files():
        for data in [PAIRS] if name == "multi_label" else arguments.sets:
            try:
                result = measure(name, arguments.data, data, [*SETS.get(data, ()), *arguments.overrides])
            except Unfinished as error:
                print(f"{name:18} {data}: {error}, not measured", flush=True)
                continue
            found.setdefault(name, {})[data] = result
            print(f"{name:18} {sentence(data, result, ALSO.get(name))}", flush=True)
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
        if name in found and not arguments.overrides:
            write_on_top(recipe_files()[name], found[name], ALSO.get(name))


class Unfinished(Exception):
    """A run that left no figures."""


def measure(recipe: str, folder: Path, data: str, overrides: list[str]) -> dict[str, Any]:
    """One run of a recipe through the command line; its own activation cache makes it a first run."""
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        command = [sys.executable, "-m", "transferkit", "retrain", "--recipe", recipe, "--quiet"]
        place = (
            make_pairs(folder / "flowers_small", Path(scratch) / PAIRS) if data == PAIRS else folder / data
        )
        command += ["--data", str(place), "--run", str(run)]
        for one in [*overrides, f"activations.cache_dir={json.dumps(str(Path(scratch) / 'cache'))}"]:
            command += ["--set", one]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.setdefault("KERAS_HOME", str((folder / "keras_home").resolve()))
        code = subprocess.run(command, env=environment).returncode
        # 1 is a run that is whole, and says that something fell short: a quantised file was refused, perhaps.
        if code not in (0, 1) or not run.is_dir():
            raise Unfinished(f"ended with exit code {code}")
        facts = json.loads((run / "metrics.json").read_text("utf-8"))
        artefacts = json.loads((run / "parity.json").read_text("utf-8"))["artefacts"]
    metrics = facts["metrics"]
    return {
        "backbone": facts["backbone"]["name"],
        "accuracy": metrics["accuracy"],
        "interval": [metrics.get("accuracy_low"), metrics.get("accuracy_high")],
        "recall_macro": metrics.get("recall_macro"),
        "f1_macro": metrics.get("f1_macro"),
        "log_loss": metrics.get("log_loss"),
        "quantised": [
            {key: one[key] for key in ("format", "accuracy", "accuracy_of_model", "agreement", "passed")}
            for one in artefacts
            if one["accuracy"] is not None
        ],
        "held_out": facts["held_out"],
        "images": facts["images"],
        "seconds": facts["seconds"]["total"],
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "transferkit": __version__,
        "overrides": overrides,
    }


def make_pairs(photos: Path, target: Path) -> Path:
    """A manifest of pictures that show two photos of the same split each, drawn by a seed."""
    rng = np.random.default_rng(0)
    target.mkdir()
    rows = []
    for split, count in PAIRED.items():
        found = sorted((photos / split).glob("*/*.jpg"))
        for number in range(count):
            pair = [found[index] for index in rng.choice(len(found), 2, replace=False)]
            shown = Image.new("RGB", (448, 224))
            for place, path in enumerate(pair):
                shown.paste(Image.open(path).convert("RGB").resize((224, 224)), (224 * place, 0))
            shown.save(target / f"{split}{number}.jpg", quality=92)
            rows.append(
                (f"{split}{number}.jpg", "|".join(sorted({path.parent.name for path in pair})), split)
            )
    with open(target / "labels.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "labels", "split"), *rows])
    return target / "labels.csv"


def sentence(data: str, result: dict[str, Any], also: str | None) -> str:
    """A result as it stands on top of a recipe."""
    held_out = result["held_out"]
    parts = [f"accuracy {result['accuracy']:.3f}"]
    if result["interval"][0] is not None:
        parts[0] += " ({:.3f} to {:.3f})".format(*result["interval"])
    if also:
        parts.append(f"{also.replace('_', ' ')} {result[also]:.3f}")
    for one in result.get("quantised", ()):
        fate = "" if one["passed"] else ", refused"
        parts.append(
            f"{one['format']} {one['accuracy']:.3f}, the same answer to {one['agreement']:.1%}{fate}"
        )
    count = result["images"][held_out]
    words = {"val": "validation", "test": "test"}[held_out]
    parts.append(f"{count} {words} images, {result['images']['train']} to train on")
    parts.append(f"{result['seconds']:.0f} s on {result['machine'].split(',')[0]}")
    return f"{data}, {result['backbone']}: {'; '.join(parts)}"


def write_on_top(path: Path, results: dict[str, Any], also: str | None) -> None:
    """Replaces the measured results in the opening comment of a recipe's file."""
    lines = path.read_text("utf-8").splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    opening = [line for line in lines[:end] if not line.startswith("# Measured: ")]
    while opening and opening[-1] == "#":
        opening.pop()
    measured = [f"# Measured: {sentence(data, result, also)}" for data, result in sorted(results.items())]
    path.write_text("\n".join([*opening, "#", *measured, *lines[end:]]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
