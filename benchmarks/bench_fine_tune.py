"""Fine-tuning of the last two stages for ten epochs: from the cut's cache, and through the whole network.

Both sides train the same network from the same state through the same Estimator, in the same order of
images. "whole network" does what frameworks do with frozen layers: they run in every step, on pixels that
are decoded once and kept in memory. The cut's side begins with an empty cache and pays for its one pass.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from _report import Report, arguments


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="photos in train/ and val/; made here by default")
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    from transferkit.recipe import load
    from transferkit.training.prepare_images import prepare
    from transferkit.training.progress import Progress

    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            from bench_retrain import make_photos

            options.data, options.weights = make_photos(Path(folder, "photos")), "random"
        recipe = load(
            "finetune_top",
            [f'backbone.weights="{options.weights}"', f"phases.top.epochs={options.epochs}"],
            backbone=options.backbone,
            data=str(options.data),
        )
        images = prepare(recipe, Progress(quiet=True))
        report = Report("fine_tune", ["side", "round", "seconds", "final loss", "val accuracy"])
        seconds: dict[str, list[float]] = {"cut": [], "whole network": []}
        losses: dict[str, float] = {}
        for number in range(options.repeats):
            for side, work in (("cut", from_cut), ("whole network", through_all)):
                place = Path(folder, f"{side} {number}")
                start = time.perf_counter()
                last = fine_tune(recipe, images, work, place, options.epochs)
                seconds[side].append(time.perf_counter() - start)
                losses[side] = last["loss"]
                report.add(
                    side=side,
                    round=number + 1,
                    seconds=seconds[side][-1],
                    **{"final loss": last["loss"], "val accuracy": last["val_accuracy"]},
                )
    middle = {side: statistics.median(values) for side, values in seconds.items()}
    report.note(
        images=len(images),
        **{"whole network / cut": middle["whole network"] / middle["cut"]},
        **{"difference of the final losses": abs(losses["cut"] - losses["whole network"])},
    )
    report.write(options.json)


def fine_tune(recipe: Any, images: Any, work: Callable, place: Path, epochs: int) -> dict[str, Any]:
    """Trains with the last two stages open; the last row of the history."""
    import keras

    from transferkit.training.optimizer import build_optimizer
    from transferkit.training.parts import open_parts
    from transferkit.training.phase import train_phase
    from transferkit.training.phases.phase_data import PhaseSetup
    from transferkit.training.progress import Progress

    keras.backend.clear_session()
    parts = open_parts(recipe, images.classes)
    stages = parts.backbone.stages
    phase = recipe.resolved_phases[-1].model_copy(
        update={"freeze": {"until": stages[-3].name}, "early_stopping": None, "epochs": epochs}
    )
    plan = parts.plan(phase)
    network = parts.network(phase, plan, images.train_counts)
    data = work(network, parts.backbone.input_size, recipe, images, phase, place)
    optimizer, rate = build_optimizer(phase, data.steps_per_epoch, plan, network)
    quiet = Progress(quiet=True)
    setup = PhaseSetup(optimizer, rate, place / "phase", recipe.seed, quiet, parts.devices)
    rows, _ = train_phase(network, phase, data, setup)
    return rows[-1]


def from_cut(network: Any, size: Any, recipe: Any, images: Any, phase: Any, place: Path) -> Any:
    """The batches of a run: one pass, then the cache."""
    from transferkit.activations.division import Division
    from transferkit.training.cut_features import extract_features
    from transferkit.training.phases.phase_data import PhaseData
    from transferkit.training.progress import Progress

    kept = recipe.activations.model_copy(update={"cache_dir": str(place / "cache")})
    recipe = recipe.model_copy(update={"activations": kept})
    images, cut_features = extract_features(network.cut, size, images, recipe, Progress(quiet=True))
    train, validation = images.of_split("train"), images.of_split("val")
    labels = images.labels
    division = Division(phase.batch_size)
    return PhaseData(
        train=lambda epoch: cut_features.shuffled(train, labels[train], division, recipe.seed, epoch),
        validation=lambda: cut_features.in_order(validation, labels[validation]),
        steps_per_epoch=-(-len(train) // phase.batch_size),
    )


def through_all(network: Any, size: Any, recipe: Any, images: Any, phase: Any, place: Path) -> Any:
    """Pixels in memory, in the very order of :func:`from_cut`."""
    import tensorflow as tf

    from transferkit.activations.epoch_order import epoch_order
    from transferkit.data.pixels.decoding import Decoding
    from transferkit.data.reader import read_images
    from transferkit.training.phases.phase_data import PhaseData

    files = [(row.sha256, path) for row, path in zip(images.rows, images.paths, strict=True)]
    pixels = np.concatenate([batch.images for batch in read_images(files, Decoding.of(recipe.data, size))])
    train, validation = images.of_split("train"), images.of_split("val")

    def batches(order: np.ndarray, batch_size: int) -> tf.data.Dataset:
        def named(some: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            shown = tf.numpy_function(lambda index: pixels[index], [some], tf.uint8)
            return {"images": tf.ensure_shape(shown, [None, *size, 3])}, tf.gather(images.labels, some)

        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size).map(named).prefetch(2)

    return PhaseData(
        train=lambda epoch: batches(train[epoch_order(len(train), recipe.seed, epoch)], phase.batch_size),
        validation=lambda: batches(validation, 256),
        steps_per_epoch=-(-len(train) // phase.batch_size),
    )


if __name__ == "__main__":
    sys.exit(main())
