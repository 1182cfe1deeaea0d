"""Jobs of the command line that campaigns kill, and all of their results that must not depend on it."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from transferkit.export.versions import versions

COMMON = ["epochs=6", "batch_size=8", "early_stopping=false", "evaluation.resamples=20"]
FORMATS = ("tflite", "keras")
PHASES = """
extends = "retrain"
[[phases]]
name = "head"
epochs = 3
[[phases]]
name = "top"
epochs = 2
freeze = { until = "stage2" }
optimizer_state = "carry"
[[phases]]
name = "all"
epochs = 2
freeze = "none"
optimizer = { name = "adam", learning_rate = 1e-5 }
"""
SWEEP = """
extends = "retrain"
[sweep]
method = "grid"
metric = "accuracy"
[sweep.values]
"optimizer.learning_rate" = [3e-4, 3e-3]
"head.dropout" = [0.0, 0.2]
"""


@dataclass(frozen=True)
class Job:
    """One kind of work.

    Attributes:
        name: for the table.
        start: arguments of the first command, given the folder of the round.
        again: those that continue it.
        prepare: makes what the job starts from.
        shared: a second run beside it uses the same cache and is never killed.
        launched: several workers carry it out, of which any, or their launcher, is killed.
    """

    name: str
    start: Callable[[Path], list[str]]
    again: Callable[[Path], list[str]]
    prepare: Callable[[Path], None] = lambda folder: None
    shared: bool = False
    launched: bool = False


def write_data(folder: Path) -> Path:
    """Three classes of 24 pictures: bright shapes on noise."""
    for label, name in enumerate(("bar", "box", "ring")):
        (folder / name).mkdir(parents=True)
        for number in range(24):
            rng = np.random.default_rng(100 * label + number)
            image = Image.fromarray(rng.integers(0, 70, (64, 64, 3), dtype=np.uint8))
            pen, (x, y) = ImageDraw.Draw(image), rng.integers(8, 28, 2).tolist()
            colour = tuple(rng.integers(120, 256, 3).tolist())
            if name == "bar":
                pen.line((x, y, x + 28, y + 4), fill=colour, width=7)
            elif name == "box":
                pen.rectangle((x, y, x + 26, y + 26), fill=colour)
            else:
                pen.ellipse((x, y, x + 28, y + 28), outline=colour, width=6)
            image.save(folder / name / f"{number:02}.png")
    return folder


def jobs(data: Path, base: Path) -> list[Job]:
    """The kinds of work; ``base`` is a finished run, which exports begin with."""

    def retrain(*settings: str, recipe: str | None = None) -> Callable[[Path], list[str]]:
        def start(folder: Path) -> list[str]:
            pairs = [part for one in settings for part in ("--set", one)]
            own = ["--recipe", str(folder / "job.toml")] if recipe else []
            return [
                "retrain",
                "--backbone",
                "embedded",
                "--data",
                str(data),
                "--run",
                str(folder / "run"),
                *own,
                *pairs,
            ]

        return start

    def resume(folder: Path) -> list[str]:
        return ["retrain", "--run", str(folder / "run"), "--resume"]

    def written(text: str) -> Callable[[Path], None]:
        return lambda folder: (folder / "job.toml").write_text(text) and None

    def export(folder: Path) -> list[str]:
        return ["export", str(folder / "run"), *(part for one in FORMATS for part in ("--format", one))]

    fine = (
        *COMMON,
        'freeze={ until = "stage2" }',
        "batch_norm=train",
        "ema=0.9",
        "optimizer.learning_rate=1e-4",
    )
    few = COMMON[1:]
    cluster = *COMMON, 'freeze={ until = "stage2" }', "optimizer.learning_rate=1e-4"

    def launched(command: Callable[[Path], list[str]]) -> Callable[[Path], list[str]]:
        return lambda folder: [
            *("launch", "--workers", "2", "--logs", str(folder / "logs"), "--"),
            *command(folder),
        ]

    return [
        Job("retrain", retrain(*COMMON), resume),
        Job("finetune", retrain(*fine), resume),
        Job("gradual", retrain(*few, recipe=PHASES), resume, written(PHASES)),
        Job("sweep", retrain("epochs=3", *few, recipe=SWEEP), resume, written(SWEEP)),
        Job("export", export, export, lambda folder: shutil.copytree(base, folder / "run") and None),
        Job("shared cache", retrain(*COMMON), resume, shared=True),
        Job("launch", launched(retrain(*cluster)), launched(resume), launched=True),
    ]


def run(
    arguments: list[str], cache: Path, until: float | None = None, victim: random.Random | None = None
) -> tuple[int | None, float, str]:
    """Runs a command; kills it after so many seconds. Gives exit code (None: killed), seconds, stderr.

    With ``victim`` it is a launch: the launcher or one of its workers is killed, as is drawn; the others must
    end by themselves within a minute.
    """
    began = time.monotonic()
    process = spawn(arguments, cache)
    try:
        _, said = process.communicate(timeout=until)
    except subprocess.TimeoutExpired:
        if victim is not None:
            tasks = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(victim.choice([process.pid, *map(int, tasks)]), signal.SIGKILL)
            process.communicate(timeout=60)
            return None, time.monotonic() - began, ""
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, time.monotonic() - began, ""
    return process.returncode, time.monotonic() - began, said


def spawn(arguments: list[str], cache: Path, quiet: bool = True) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "transferkit", *arguments, *(["--quiet"] if quiet else [])],
        env={**os.environ, "TRANSFERKIT_CACHE": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # the process that checks exports dies with it
    )


def outcome(place: Path) -> dict[str, Any]:
    """All of a finished run that must not depend on interruptions."""
    found: dict[str, Any] = {}
    with np.load(place / "weights.npz") as weights:
        found["weights"] = {name: weights[name].tobytes() for name in weights.files}
    for name in ("split.csv", "predictions.csv", "quarantine.csv", "recipe.toml"):
        found[name] = (place / name).read_bytes().replace(os.fsencode(place.parent), b"")
    rows = [json.loads(line) for line in (place / "history.jsonl").read_text().splitlines()]
    found["history"] = [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
    # An export that was killed after it had published is made again under the next number.
    newest = versions(place / "export")[-1]
    found["labels"] = (newest / "assets" / "labels.txt").read_bytes()
    found["formats"] = sorted(one.name for one in newest.iterdir())
    return found


def answers(place: Path, photos: Path, cache: Path) -> list[list[str]]:
    """What the newest export says to the photos, by the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "transferkit", "predict", str(place), str(photos), "--format", "csv"],
        env={**os.environ, "TRANSFERKIT_CACHE": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    return list(csv.reader(done.stdout.splitlines()))


@dataclass(frozen=True)
class Reference:
    """What a job leaves that nobody disturbs.

    Attributes:
        seconds: that it took.
        outcome: of its run.
        answers: of its export to the photos.
        photos: a folder of them.
    """

    seconds: float
    outcome: dict[str, Any]
    answers: list[list[str]]
    photos: Path

    @classmethod
    def of(cls, job: Job, folder: Path, photos: Path) -> Reference:
        """Carries out a job in a folder.

        Raises:
            SystemExit: it fails.
        """
        folder.mkdir(parents=True, exist_ok=True)
        job.prepare(folder)
        code, seconds, said = run(job.start(folder), folder / "cache")
        if code:
            raise SystemExit(f"{job.name}: the undisturbed job ends with {code}: {said}")
        place = folder / "run"
        return cls(seconds, outcome(place), answers(place, photos, folder / "cache"), photos)

    def difference(self, place: Path, cache: Path) -> str:
        """What of another run differs from it; empty where nothing does."""
        found = outcome(place)
        wrong = ", ".join(key for key, value in self.outcome.items() if value != found[key])
        if not wrong and answers(place, self.photos, cache) != self.answers:
            wrong = "answers of the export"
        return wrong
