"""Kills workers of a job that several carry out; its results must be those of an undisturbed one, bit by bit.

    python tests/faults/campaign_worker_kills.py --kills 12

One worker is killed (SIGKILL) each time: by turns in the frozen pass, in training, in the export and in the
evaluation, as the chief's log tells. The others must end by themselves within a minute and say how the run is
resumed; resumed, it must give weights, split, predictions, history and answers of the export as undisturbed.

It ends with exit code 1 where a single byte differs. `make campaign` runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

from killed_jobs import Job, Reference, jobs, run, spawn, write_data

# The moments of a run: what the chief says before it and at its end, and the stage whose length is known.
MOMENTS = {
    "pass": ("devices:", "images:", "images"),
    "training": ("epoch ", "train:", "train"),
    "export": ("novelty:", "export:", "export"),
    "evaluation": ("export:", "evaluate:", "evaluate"),
}


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


def at_moments(job: Job, root: Path, data: Path, given: argparse.Namespace, rng: random.Random) -> int:
    """Kills one worker of a launch in each moment by turns; gives the exit status."""
    chosen = [name for name in MOMENTS if given.only in name]
    whole = root / "whole"
    reference = Reference.of(job, whole, data / "ring")
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
            wrong = wrong or reference.difference(folder / "run", folder / "cache")
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
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="moments whose name holds this text")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        data = write_data(root / "data")
        (job,) = (one for one in jobs(data, root / "base" / "run") if one.launched)
        return at_moments(job, root, data, given, random.Random(given.seed))


if __name__ == "__main__":
    raise SystemExit(main())
