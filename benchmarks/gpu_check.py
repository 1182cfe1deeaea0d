"""What a machine with a GPU makes of transferkit: one script to run there, and to send what it prints.

    python benchmarks/gpu_check.py --data photos/ --weights imagenet

What the machine offers (``transferkit doctor``); a whole retraining, cold and warm, beside Keras's ``fit`` in
the same run; the frozen pass by engine and precision, with how far each is from float32; and whether the
exports, made on the GPU, answer alike on the CPU. A part that fails is a row that says why, and the others
follow. Without ``--data`` photos are made here and weights are random: times mean something then, accuracies
do not. Without a GPU it checks the CPU in the same way.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from _report import Report, arguments
from bench_retrain import SIDES, add_run_options, make_photos, timed

PRECISIONS = ("float32", "float16", "bfloat16")


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    add_run_options(parser)
    parser.add_argument("--devices", default="auto", help="as `transferkit retrain` takes them")
    parser.add_argument("--batch", type=int, default=256, help="images that engines are timed on")
    options = parser.parse_args()
    report = Report("gpu_check", ["part", "side", "seconds", "images/s", "accuracy", "apart", "said"])
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            options.data, options.weights = make_photos(Path(folder, "photos")), "random"
        for part in (doctor, retraining, engines, parity):
            try:
                part(report, options, Path(folder))
            except Exception as error:
                text = (str(error).strip().splitlines() or [""])[0]
                report.add(part=part.__name__, side="failed", said=f"{type(error).__name__}: {text}"[:300])
    report.write(options.json)


def doctor(report: Report, options: argparse.Namespace, folder: Path) -> None:
    """What the machine offers: what is wrong or could be better, a row each, and all of it as a fact."""
    command = [sys.executable, "-m", "transferkit", "doctor", "--json"]
    seconds, _, found = timed(command)
    report.note(doctor=found)
    wrong = [
        (section, one)
        for section, several in found["sections"].items()
        for one in several
        if one["level"] != "ok" or section == "gpu"
    ]
    works = "a run works here" if found["works"] else "no run works"
    report.add(part="doctor", side=works, seconds=seconds)
    for section, one in wrong:
        said = one["value"] + (f" -> {one['hint']}" if one["hint"] else "")
        report.add(part="doctor", side=f"{section}: {one['name']}", said=said)


def retraining(report: Report, options: argparse.Namespace, folder: Path) -> None:
    """A whole retraining, cold and warm, beside the loop of Keras's guide, each a process of its own."""
    photos = [str(options.data / split) for split in ("train", "val")]
    network = [options.backbone, options.weights, str(options.epochs)]
    ours = [sys.executable, "-m", "transferkit", "retrain", "--data", str(options.data), "--json", "--quiet"]
    ours += ["--run", str(folder / "run"), "--backbone", options.backbone, "--overwrite"]
    ours += ["--devices", options.devices, "--epochs", str(options.epochs)]
    for value in (
        f"backbone.weights={options.weights}",
        f"activations.cache_dir={json.dumps(str(folder / 'cache'))}",
        "early_stopping=false",
        "export.formats=['saved_model', 'tflite']",
    ):
        ours += ["--set", value]
    keras = [sys.executable, str(SIDES / "keras_guide.py"), *photos, *network]
    took: dict[str, float] = {}
    for side, command in (("keras fit", keras), ("transferkit, cold", ours), ("transferkit, warm", ours)):
        took[side], _, said = timed(command)
        accuracy = said.get("accuracy", said.get("metrics", {}).get("accuracy"))
        report.add(part="retraining", side=side, seconds=took[side], accuracy=accuracy)
    for side in ("transferkit, cold", "transferkit, warm"):
        report.note(**{f"keras fit / {side}": took["keras fit"] / took[side]})
    report.note(computed_on=json.loads((folder / "run" / "manifest.json").read_text())["computed_on"])


def engines(report: Report, options: argparse.Namespace, folder: Path) -> None:
    """The frozen pass by engine and precision, and Keras's ``predict``; each one that fails says why."""
    from transferkit.activations.engines.choose_engine import available, choose_engine
    from transferkit.activations.engines.make_engine import Target
    from transferkit.backbones.load_backbone import load_backbone
    from transferkit.devices import choose_devices
    from transferkit.recipe.sections import DevicesSection

    chosen = choose_devices(DevicesSection(strategy=options.devices))
    report.add(part="engines", side="devices", said=chosen.describe())
    with chosen.scope():
        backbone = load_backbone(options.backbone, weights=options.weights)
    cut, size = backbone.cut(None), backbone.input_size
    images = np.random.default_rng(0).integers(0, 256, (options.batch, *size, 3), dtype=np.uint8)
    model: Any = backbone.model  # type: ignore[attr-defined]
    plain: np.ndarray = np.asarray(model.predict(images, verbose=0))
    scale = float(np.abs(plain).max())
    speed(report, "keras predict", lambda: model.predict(images, verbose=0), len(images), 0.0)
    for precision in PRECISIONS:
        for name in available(Target(chosen.names_here, precision)):
            side = f"{name}, {precision}"
            try:
                target = Target(chosen.names_here, precision)
                engine = choose_engine(cut, size, images[:8], name, target=target)
                apart = float(np.abs(engine(images) - plain).max()) / scale
                speed(report, side, lambda made=engine: made(images), len(images), apart)
            except Exception as error:
                report.add(part="engines", side=side, said=str(error).splitlines()[0][:300])


def speed(report: Report, side: str, work: Callable[[], object], count: int, apart: float) -> None:
    """A row with the images a second of work that is warm, and how far its result is from float32's."""
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    report.add(part="engines", side=side, seconds=seconds, **{"images/s": count / seconds}, apart=apart)


def parity(report: Report, options: argparse.Namespace, folder: Path) -> None:
    """What the exports answer on the CPU, where every run checks them, beside the evaluated model."""
    found = json.loads((folder / "run" / "parity.json").read_text())
    for one in found["artefacts"]:
        apart = one["largest_difference"]
        report.add(part="parity", side=one["format"], apart=apart, said=one["reason"])


if __name__ == "__main__":
    sys.exit(main())
