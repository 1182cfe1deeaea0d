"""What ``transferkit probe`` takes beside the passes of the images through its backbones.

Both sides are measured in one process, with caches that are empty: first each backbone is loaded and passes
the images of the training split, all levels kept; then the whole probe, which does the same and chooses the
heads. Beside the seconds stands the work of the processors, which other work on the machine changes less.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from _report import Report, arguments
from bench_large import make_images

MADE = 500  # photos, where none are given


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of class folders; else photos made here")
    parser.add_argument("--backbones", nargs="*", help="default: all whose weights are on this machine")
    options = parser.parse_args()
    report = Report("probe", ["side", "images", "load", "seconds", "work"])

    from transferkit.inspection.probe import probe
    from transferkit.recipe import load
    from transferkit.tensorflow_startup import start_tensorflow
    from transferkit.training.prepare_images import prepare
    from transferkit.training.progress import Progress

    start_tensorflow()
    from transferkit.backbones.weights.pretrained import at_hand
    from transferkit.runs.best.judge import pass_backbone

    quiet = Progress(quiet=True)
    names = options.backbones or at_hand()
    with tempfile.TemporaryDirectory() as folder:
        options.data = options.data or str(make_images(Path(folder, "images"), MADE))
        images = prepare(load("auto", [("data.path", options.data)]), quiet)
        images = images.take(images.of_split("train"))
        # What is imported but once is no backbone's.
        probe(options.data, names[:1], overrides=cache(folder, "warm"), quiet=True)
        whole = {"load": 0.0, "seconds": 0.0, "work": 0.0}
        for name in names:
            settings = [("data.path", options.data), *cache(folder, f"pass {name}")]
            began, work = time.perf_counter(), time.process_time()
            passed = pass_backbone(load("auto", settings, backbone=name), images, quiet)
            row = {"load": time.perf_counter() - began - passed.pass_seconds,
                   "seconds": passed.pass_seconds, "work": time.process_time() - work}  # fmt: skip
            whole = {key: value + row[key] for key, value in whole.items()}
            report.add(side=name, images=len(images), **row)
        report.add(side="all passes", images=len(images), **whole)
        began, work = time.perf_counter(), time.process_time()
        probe(options.data, names, overrides=cache(folder, "probe"), quiet=True)
        seconds, work = time.perf_counter() - began, time.process_time() - work
        report.add(side="probe", images=len(images), seconds=seconds, work=work)
        report.note(
            to_passes=seconds / whole["seconds"],
            to_passes_and_loading=seconds / (whole["seconds"] + whole["load"]),
            work_to_passes_and_loading=work / whole["work"],
        )
    report.write(options.json)


def cache(folder: str, name: str) -> list[tuple[str, str]]:
    """An empty cache of its own."""
    return [("activations.cache_dir", str(Path(folder) / name))]


if __name__ == "__main__":
    main()
