"""What ``transferkit probe`` takes beside the passes of the images through each backbone.

Both sides are measured in one process, backbone by backbone and in turn, with caches that are empty: first
the pass alone (the images of the training split through the frozen backbone, all levels kept), then the probe
of this backbone, which passes them again, chooses the head and measures the speed. What loading a backbone
takes is on both sides, and said by itself.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from _report import Report, arguments


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of class folders")
    parser.add_argument("--backbones", nargs="*", help="default: all whose weights are on this machine")
    options = parser.parse_args()
    report = Report("probe", ["backbone", "images", "load", "pass", "probe", "ratio", "ratio with load"])

    from transferkit.inspection.probe import probe
    from transferkit.recipe import load
    from transferkit.tensorflow_startup import start_tensorflow
    from transferkit.training.images import prepare
    from transferkit.training.progress import Progress

    start_tensorflow()
    from transferkit.backbones.weights.pretrained import at_hand
    from transferkit.training.cut_features import extract_features
    from transferkit.training.parts import open_parts

    quiet = Progress(quiet=True)
    images = prepare(load("auto", [("data.path", options.data)]), quiet)
    images = images.take(images.of_split("train"))
    names = options.backbones or at_hand()
    total = {"load": 0.0, "pass": 0.0, "probe": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        # What is loaded but once, and compiled once, is no backbone's.
        warm = [("data.path", options.data), ("activations.cache_dir", str(Path(folder) / "warm"))]
        probe(options.data, ["embedded"], overrides=warm[1:], quiet=True)
        for name in names:
            settings = [
                ("data.path", options.data),
                ("activations.cache_dir", str(Path(folder) / f"p{name}")),
            ]
            recipe = load("auto", settings, backbone=name)
            began = time.perf_counter()
            parts = open_parts(recipe, images.classes)
            phase = recipe.resolved_phases[0]
            network = parts.network(phase, parts.plan(phase), images.train_counts, len(images))
            loaded = time.perf_counter()
            extract_features(network.cut, parts.backbone.input_size, images, recipe, quiet)
            passed = time.perf_counter()
            cold = [("activations.cache_dir", str(Path(folder) / f"probe {name}"))]
            found = probe(options.data, [name], overrides=cold, quiet=True)
            row = {"load": loaded - began, "pass": passed - loaded, "probe": found.rows[0].seconds}
            for key, seconds in row.items():
                total[key] += seconds
            report.add(backbone=name, images=len(images), **row, **ratios(row))
    report.add(backbone="all", images=len(images), **total, **ratios(total))
    report.write(options.json)


def ratios(row: dict[str, float]) -> dict[str, float]:
    """The probe over the pass alone, and over loading and pass."""
    whole = row["load"] + row["pass"]
    return {"ratio": row["probe"] / row["pass"], "ratio with load": row["probe"] / whole}


if __name__ == "__main__":
    main()
