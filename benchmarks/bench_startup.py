"""How long the command takes to its first output, against what Python and TensorFlow need by themselves.

``predict`` names one image with an export of the embedded backbone; a fresh process each time.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _report import Report, arguments


def main() -> None:
    options = arguments(__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, image = prepare(Path(folder))
        command = [sys.executable, "-m", "transferkit"]
        sides = {
            "python": [sys.executable, "-c", "print(1)"],
            "transferkit --help": [*command, "--help"],
            "transferkit backbones": [*command, "backbones"],
            "transferkit recipes list": [*command, "recipes", "list"],
            "import tensorflow": [sys.executable, "-c", "import tensorflow as tf; print(tf.__version__)"],
            "transferkit predict": [*command, "predict", run, image],
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(options.repeats + 1):
            for name, arguments_ in sides.items():
                seconds[name].append(first_output(arguments_))
    report = Report("startup", ["command", "seconds"])
    # The first round reads from the disk what the later ones find in memory.
    middle = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    for name, value in middle.items():
        report.add(command=name, seconds=value)
    report.note(
        **{"predict / import tensorflow": middle["transferkit predict"] / middle["import tensorflow"]}
    )
    report.write(options.json)


def first_output(command: list[str]) -> float:
    """Seconds until the process has written its first line."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    start = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
        process.stdout.read()
    if not line or process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return seconds


def prepare(folder: Path) -> tuple[str, str]:
    """A small run, and an image to name."""
    from bench_retrain import make_photos

    photos, run = make_photos(folder / "photos"), folder / "run"
    command = [sys.executable, "-m", "transferkit", "retrain", "--data", str(photos), "--run", str(run)]
    command += ["--backbone", "embedded", "--set", "epochs=1", "--quiet"]
    subprocess.run(
        command, check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, stdout=subprocess.DEVNULL
    )
    return str(run), str(next(photos.glob("val/*/*.jpg")))


if __name__ == "__main__":
    sys.exit(main())
