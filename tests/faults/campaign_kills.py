"""Kills runs at random moments and holds what they end with against runs that were left alone, bit by bit.

    python tests/faults/campaign_kills.py --kills 100 --seed 0
    python tests/faults/campaign_kills.py --moments --kills 12

Each round starts a job in a process of its own, kills it (SIGKILL) at a moment drawn from the whole length of
the undisturbed job, continues it as a user would, and may kill it again, up to three times. Then weights,
split, predictions, history and the answers of the export must be those of the undisturbed job, and no hidden
folder may be left. Jobs: a plain retraining, fine-tuning with batch norm in training mode and running
averages, three phases, a sweep, exports in further formats, and two runs that share one cache of which one is
killed.

With ``--moments`` the job of several workers alone is killed, one worker each time: by turns in the frozen
pass, in training, in the export and in the evaluation, as the chief's log tells.

It ends with exit code 1 where a single byte differs. `make campaign` runs it beside `make test-all`: some 20
seconds a kill on 2 cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
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


# The moments of a run: what the chief says before it and at its end, and the stage whose length is known.
MOMENTS = {
    "pass": ("devices:", "images:", "images"),
    "training": ("epoch ", "train:", "train"),
    "export": ("novelty:", "export:", "export"),
    "evaluation": ("export:", "evaluate:", "evaluate"),
}


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


def kill_at(
    arguments: list[str], cache: Path, log: Path, moment: str, delay: float, worker: int
) -> tuple[bool, str]:
    """Starts a launch, and kills one of its workers in a moment of the run.

    Args:
        arguments: of the launch.
        cache: its own.
        log: of the chief.
        moment: one of :data:`MOMENTS`.
        delay: seconds that the moment has lasted then.
        worker: which one.

    Returns:
        Whether it was killed within the moment; and what went wrong, empty where nothing did.
    """
    after, before, _ = MOMENTS[moment]
    process = spawn(arguments, cache, quiet=False)

    def said(what: str) -> bool:
        return log.exists() and any(line.strip().startswith(what) for line in log.read_text().splitlines())

    while not said(after):
        if process.poll() is not None:
            return False, f"ended before the {moment}: {process.communicate()[1].strip().splitlines()[-1:]}"
        time.sleep(0.002)
    time.sleep(delay)
    within = not said(before)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    if len(workers) > worker:
        os.kill(int(workers[worker]), signal.SIGKILL)
    began = time.monotonic()
    _, told = process.communicate(timeout=90)
    seconds = time.monotonic() - began
    lines = [line for line in told.splitlines() if line.startswith("transferkit: ")]
    wrong = ""
    if within and process.returncode == 0:
        wrong = "it ended well"
    elif within and (len(lines) != 1 or "--resume" not in lines[0]):
        wrong = f"it said {lines}"
    elif seconds > 60:
        wrong = f"the others went on for {seconds:.0f} s"
    return within, wrong


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


def difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    return ", ".join(key for key in one if one[key] != other[key])


def attack(job: Job, folder: Path, length: float, rng: random.Random, most: int) -> tuple[int, str]:
    """One round; gives how often the job was killed, and what went wrong, empty where nothing did."""
    cache = folder / "cache"
    job.prepare(folder)
    beside = None
    if job.shared:
        other = job.start(folder)
        other[other.index("--run") + 1] = str(folder / "beside")
        beside = spawn(other, cache)
    kills, arguments, code, said = 0, job.start(folder), None, ""
    while True:
        until = rng.uniform(0.05, 1.0) * length if kills < most else None
        code, _, said = run(arguments, cache, until, rng if job.launched else None)
        if code is not None:
            break
        kills += 1
        # A user looks whether there is something to continue; else starts anew.
        partial = folder / ".run.partial"
        finished = (folder / "run" / "metrics.json").exists() and job.name != "export"
        if finished:
            code = 0
            break
        arguments = job.again(folder) if partial.exists() or job.name == "export" else job.start(folder)
    wrong = f"exit code {code}: {said.strip().splitlines()[-1:]}" if code else ""
    if beside is not None:
        _, text = beside.communicate()
        if beside.returncode:
            wrong = (
                wrong or f"the run beside it: exit code {beside.returncode}: {text.strip().splitlines()[-1:]}"
            )
    return kills, wrong


def at_moments(job: Job, root: Path, data: Path, given: argparse.Namespace, rng: random.Random) -> int:
    """Kills one worker of a launch in each moment by turns; gives the exit status."""
    chosen = [name for name in MOMENTS if given.only in name]
    whole = root / "whole"
    whole.mkdir()
    code, _, said = run(job.start(whole), whole / "cache")
    if code:
        print(f"the undisturbed job ends with {code}: {said}")
        return 1
    reference = outcome(whole / "run")
    answered = answers(whole / "run", data / "ring", whole / "cache")
    lasts = json.loads((whole / "run" / "metrics.json").read_text())["seconds"]["stages"]
    failures, done, number = 0, dict.fromkeys(chosen, 0), 0
    while sum(done.values()) < given.kills:
        moment = chosen[sum(done.values()) % len(chosen)]
        worker, number = done[moment] % 2, number + 1
        folder, delay = root / f"round-{number}", rng.uniform(0.0, 0.8) * lasts[MOMENTS[moment][2]]
        folder.mkdir()
        log = folder / "logs" / "worker-0.log"
        within, wrong = kill_at(job.start(folder), folder / "cache", log, moment, delay, worker)
        if not within and not wrong:
            # The machine is less busy than when the stage was timed.
            lasts[MOMENTS[moment][2]] /= 2
            print(f"round {number}: {moment}: it had passed; again, sooner", flush=True)
            shutil.rmtree(folder)
            continue
        done[moment] += 1
        if not wrong:
            begun = (folder / ".run.partial").exists()
            code, _, said = run((job.again if begun else job.start)(folder), folder / "cache")
            wrong = f"exit code {code}: {said.strip().splitlines()[-1:]}" if code else ""
            wrong = wrong or difference(reference, outcome(folder / "run"))
            if not wrong and answers(folder / "run", data / "ring", folder / "cache") != answered:
                wrong = "answers of the export"
        failures += bool(wrong)
        print(f"round {number}: {moment}, worker {worker} killed: {wrong or 'equal'}", flush=True)
        if not wrong:
            shutil.rmtree(folder)
    for name, count in done.items():
        print(f"{name}: {count} kills")
    print(f"{sum(done.values())} kills in {number} rounds, {failures} not equal")
    return 1 if failures else 0


def main() -> int:
    """Runs the campaign; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="jobs, or moments, whose name holds this text")
    parser.add_argument("--keep", action="store_true", help="keep the folders of rounds that went wrong")
    parser.add_argument("--moments", action="store_true", help="kill one of several workers in each phase")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        data = write_data(root / "data")
        base = root / "base" / "run"
        base.parent.mkdir()
        everything = jobs(data, base)
        if given.moments:
            (job,) = (one for one in everything if one.launched)
            return at_moments(job, root, data, given, rng)
        references: dict[str, tuple[float, dict[str, Any], list[list[str]]]] = {}
        for job in everything:
            if job.name != "retrain" and given.only not in job.name:
                continue
            folder = root / ("base" if job.name == "retrain" else f"whole-{job.name}")
            folder.mkdir(exist_ok=True)
            job.prepare(folder)
            code, seconds, said = run(job.start(folder), folder / "cache")
            if code:
                print(f"{job.name}: the undisturbed job ends with {code}: {said}")
                return 1
            place = folder / "run"
            references[job.name] = seconds, outcome(place), answers(place, data / "ring", folder / "cache")
            print(f"{job.name}: {seconds:.1f} s undisturbed", flush=True)
        chosen = [job for job in everything if given.only in job.name]
        kills, rounds, failures = dict.fromkeys(references, 0), dict.fromkeys(references, 0), 0
        number = 0
        while sum(kills.values()) < given.kills:
            job = chosen[number % len(chosen)]
            number += 1
            folder = root / f"round-{number}"
            folder.mkdir()
            length, reference, answered = references[job.name]
            most = min(3, given.kills - sum(kills.values()))
            killed, wrong = attack(job, folder, length, rng, most)
            kills[job.name] += killed
            rounds[job.name] += 1
            for place in ["run", "beside"] if job.shared and not wrong else ["run"]:
                if wrong:
                    break
                wrong = difference(reference, outcome(folder / place))
                if not wrong and answers(folder / place, data / "ring", folder / "cache") != answered:
                    wrong = "answers of the export"
            hidden = [one.name for one in folder.rglob(".*") if one.is_dir() and "cache" not in one.parts]
            if not wrong and hidden:
                wrong = f"left behind: {', '.join(hidden)}"
            if wrong:
                failures += 1
            print(f"round {number}: {job.name}, killed {killed} times: {wrong or 'equal'}", flush=True)
            if not (wrong and given.keep):
                shutil.rmtree(folder, ignore_errors=True)
            elif given.keep:
                shutil.copytree(folder, Path("kills-kept") / folder.name, dirs_exist_ok=True)
        for name, count in kills.items():
            print(f"{name}: {count} kills in {rounds[name]} rounds")
        print(f"{sum(kills.values())} kills in {number} rounds, {failures} not equal")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
