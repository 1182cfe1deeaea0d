"""Kills runs at random moments and holds what they end with against runs that were left alone, bit by bit.

    python tests/faults/campaign_kills.py --kills 100 --seed 0

Each round starts a job in a process of its own, kills it (SIGKILL) at a moment drawn from the whole length of
the undisturbed job, continues it as a user would, and may kill it again, up to three times. Then weights,
split, predictions, history and the answers of the export must be those of the undisturbed job, and no hidden
folder may be left. Jobs: a plain retraining, fine-tuning with batch norm in training mode and running
averages, three phases, a sweep, exports in further formats, two runs that share one cache of which one is
killed, and one that several workers carry out, of whom one or their launcher is killed.

It ends with exit code 1 where a single byte differs. `make campaign` runs it beside `make test-all`: some 20
seconds a kill on 2 cores.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from pathlib import Path

from killed_jobs import Job, Reference, jobs, run, spawn, write_data


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


def main() -> int:
    """Runs the campaign; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="jobs whose name holds this text")
    parser.add_argument("--keep", action="store_true", help="keep the folders of rounds that went wrong")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        data = write_data(root / "data")
        base = root / "base" / "run"
        base.parent.mkdir()
        everything = jobs(data, base)
        references: dict[str, Reference] = {}
        for job in everything:
            if job.name != "retrain" and given.only not in job.name:
                continue
            folder = root / ("base" if job.name == "retrain" else f"whole-{job.name}")
            references[job.name] = Reference.of(job, folder, data / "ring")
            print(f"{job.name}: {references[job.name].seconds:.1f} s undisturbed", flush=True)
        chosen = [job for job in everything if given.only in job.name]
        kills, rounds, failures = dict.fromkeys(references, 0), dict.fromkeys(references, 0), 0
        number = 0
        while sum(kills.values()) < given.kills:
            job = chosen[number % len(chosen)]
            number += 1
            folder = root / f"round-{number}"
            folder.mkdir()
            reference = references[job.name]
            most = min(3, given.kills - sum(kills.values()))
            killed, wrong = attack(job, folder, reference.seconds, rng, most)
            kills[job.name] += killed
            rounds[job.name] += 1
            for place in ["run", "beside"] if job.shared and not wrong else ["run"]:
                wrong = wrong or reference.difference(folder / place, folder / "cache")
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
