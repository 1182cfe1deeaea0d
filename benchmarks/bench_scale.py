"""One worker on one core against two workers on two, pinned, in the same run: the pass, and an epoch.

The pass is that of `retrain` over images made here, each worker over its own share. The epoch is that of a
linear head over features of MobileNetV2's width, read from the cache, in steps that both workers take
together; what a step takes beside its images tells in small batches. A pass has its fixed part too, of
2 to 3 s here: the backbone is loaded and traced by each worker.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from _report import Report, arguments
from bench_large import make_images

from transferkit.runs.launch.worker import environment_of, free_ports

SIDE = Path(__file__).with_name("sides") / "scale_epoch.py"
WIDTH, CLASSES = 1280, 10
# How many times as fast two workers on two cores are to be, an epoch of the most features; and how much more
# memory these may take than the fewest.
PASS_TARGET, EPOCH_TARGET, MEMORY_TARGET = 1.8, 1.6, 1.1


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000, help="that pass the backbone")
    parser.add_argument("--features", type=int, nargs="*", default=[10_000, 100_000], help="of an epoch")
    parser.add_argument("--batches", type=int, nargs="*", default=[1024, 4096], help="images of a step")
    parser.add_argument("--size", type=int, default=160, help="side of the images in pixels")
    parser.add_argument("--smoke", action="store_true", help="so little that it shows only that all runs")
    options = parser.parse_args()
    if options.smoke:
        options.images, options.features, options.repeats = 40, [5_000, 10_000], 1
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are needed")
    report = Report("scale", ["what", "workers", "seconds", "step ms", "peak MB"])
    with tempfile.TemporaryDirectory() as folder:
        data = make_images(Path(folder, "images"), options.images)
        passes: dict[int, list[float]] = {1: [], 2: []}
        for turn in range(options.repeats):
            for workers in (1, 2):
                place = Path(folder, f"pass-{workers}-{turn}")
                passes[workers].append(passed(workers, cores, data, place, options.size))
        for workers, seconds in passes.items():
            report.add(what="pass", workers=workers, seconds=statistics.median(seconds))
    ratio = statistics.median(passes[1]) / statistics.median(passes[2])
    against(report, "pass, 1 worker / 2", ratio, PASS_TARGET)
    peaks = []
    small, *larger = options.batches
    # Larger batches of few features are too few steps to tell.
    epochs = [(count, small) for count in options.features]
    epochs += [(max(options.features), batch) for batch in larger]
    for count, batch in epochs:
        found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
        for _ in range(options.repeats):
            for workers in (1, 2):
                found[workers].append(epoch(workers, cores, count, batch))
        middle = {
            workers: {key: statistics.median(one[key] for one in rows) for key in rows[0]}
            for workers, rows in found.items()
        }
        what = f"epoch of {count} in batches of {batch}"
        for workers, one in middle.items():
            report.add(
                what=what, workers=workers, seconds=one["epoch s"],
                **{"step ms": one["step ms"], "peak MB": one["peak MB"]},
            )  # fmt: skip
        ratio = middle[1]["epoch s"] / middle[2]["epoch s"]
        if (count, batch) == epochs[-1]:
            against(report, f"{what}, 1 worker / 2", ratio, EPOCH_TARGET)
        else:
            report.note(**{f"{what}, 1 worker / 2": ratio})
        overhead = middle[2]["step ms"] - middle[1]["step ms"] / 2
        report.note(**{f"{what}, overhead of 2 workers, ms a step": overhead})
        if batch == small:
            peaks.append(middle[2]["peak MB"])
    if len(peaks) > 1:
        against(report, "peak memory a worker, most features / fewest", peaks[-1] / peaks[0], -MEMORY_TARGET)
    if options.smoke and options.json is None:
        print("a smoke test is no measurement: nothing was written")
    else:
        report.write(options.json)


def against(report: Report, name: str, found: float, target: float) -> None:
    """Notes a figure with its target: at least that, or where it is negative at most its amount.

    Args:
        report: of the benchmark.
        name: of the figure.
        found: what was measured.
        target: what is demanded.
    """
    met = found >= target if target > 0 else found <= -target
    words = f"{'at least' if target > 0 else 'at most'} {abs(target):g}"
    report.note(**{name: found, f"{name}, target": f"{words}: {'met' if met else 'missed'}"})


def started(workers: int, cores: list[int], command: list[str]) -> list[subprocess.Popen[str]]:
    """Workers of one job, each pinned to a core of its own; one alone has no cluster."""
    ports = free_ports(workers)
    made = []
    for number in range(workers):
        environment = dict(os.environ) if workers == 1 else environment_of(number, ports, os.environ)
        made.append(
            subprocess.Popen(
                ["taskset", "-c", str(cores[number]), *command],
                env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
    return made


def outputs(jobs: list[subprocess.Popen[str]]) -> list[str]:
    said = [job.communicate()[0] for job in jobs]
    if any(job.returncode for job in jobs):
        raise SystemExit(f"a worker ended with {[job.returncode for job in jobs]}")
    return said


def passed(workers: int, cores: list[int], data: Path, place: Path, size: int) -> float:
    """Seconds of the chief's pass, with what it waits for the other's share."""
    command = [
        sys.executable,
        "-m",
        "transferkit",
        "retrain",
        "--data",
        str(data),
        "--run",
        str(place / "run"),
    ]
    command += ["--backbone", "mobilenet_v2", "--quiet", "--epochs", "1", "--batch-size", "256"]
    for setting in (
        'backbone.weights="random"',
        f"backbone.input_size=[{size}, {size}]",
        f"activations.cache_dir={json.dumps(str(place / 'cache'))}",
        "export.parity=false",
        "evaluation.grad_cam=0",
        "activations.engine=tensorflow",
    ):
        command += ["--set", setting]
    outputs(started(workers, cores, command))
    stages: dict[str, float] = json.loads((place / "run" / "metrics.json").read_text())["seconds"]["stages"]
    return stages["images"] + stages.get("shares", 0.0)


def epoch(workers: int, cores: list[int], count: int, batch: int) -> dict[str, float]:
    """The slower worker's figures."""
    with tempfile.TemporaryDirectory() as folder:
        words = [count, WIDTH, CLASSES, batch, 3, folder]
        command = [sys.executable, str(SIDE), *map(str, words)]
        found = [json.loads(said.splitlines()[-1]) for said in outputs(started(workers, cores, command))]
    return {key: max(one[key] for one in found) for key in found[0]}


if __name__ == "__main__":
    main()
