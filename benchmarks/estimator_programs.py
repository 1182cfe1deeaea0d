"""Whole programs in the style of TensorFlow 1, run on transferkit.estimator and on tf.estimator 2.15.

    python benchmarks/estimator_programs.py [NAME ...] [--folder FOLDER]

Each file of ``benchmarks/programs`` (or of FOLDER) is a program that prints what it saw; its argument
``real`` lets it run on ``tf.estimator``, and a program that knows no such argument is given a
``transferkit.estimator`` that is tf.estimator. Both sides run it in a folder of its own, and their lines are
compared: numbers to five digits, paths and times of day left out. Lines that are meant to differ are listed
in ``programs/differences.toml`` with the reason, ``program: line`` as ours prints it. Exit status 1 says
that a line differs without a reason, or that a reason is no longer needed.

A line of a program in FOLDER that begins with ``# runs: a b`` says with which arguments it is run.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from _reference import reference_python
from _report import Report

HERE = Path(__file__).parent
_SECONDS = 600

# Stands in for the package where tf.estimator runs a program that imports ours.
_STAND_IN = """import sys
import tensorflow
from tensorflow_estimator.python.estimator.inputs import inputs
estimator = sys.modules["transferkit.estimator"] = tensorflow.estimator
sys.modules["transferkit.estimator.inputs"] = inputs
"""


def lines_of(python: Path, program: Path, arguments: list[str], *, real: bool) -> list[str]:
    """What a program prints on one side, as it is compared."""
    if real and re.search(r"[\"']real[\"']", program.read_text()):
        arguments = [*arguments, "real"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "out").mkdir()
        if real:
            Path(folder, "stand_in", "transferkit").mkdir(parents=True)
            Path(folder, "stand_in", "transferkit", "__init__.py").write_text(_STAND_IN)
        environment["PYTHONPATH"] = str(Path(folder, "stand_in") if real else HERE.parent)
        command = [str(python), "-W", "ignore", str(program.resolve()), *arguments]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS
            )
        except subprocess.TimeoutExpired:
            return [f"longer than {_SECONDS} s"]
    printed = [plain(line) for line in done.stdout.splitlines()]
    if done.returncode:
        printed.append("ended by " + plain((done.stderr.strip().splitlines() or ["?"])[-1]))
    return printed


def plain(line: str) -> str:
    """A line without what may differ: the form of numbers, folders, and times."""
    line = re.sub(r"np\.(?:float|u?int|bool)\w*\(([^()]*)\)", r"\1", line)
    line = re.sub(r"/\S*/tmp\w*|/tmp/\S*", "FOLDER", line)
    line = re.sub(r"\b\d{10}\b", "TIME", line)

    def rounded(match: re.Match[str]) -> str:
        return f"{float(match.group()):.5g}"

    return re.sub(r"-?\d+\.\d*(?:e[-+]?\d+)?", rounded, line).rstrip()


def runs_of(program: Path) -> list[list[str]]:
    """The argument lists with which a program is run."""
    found = re.findall(r"^# runs: (.*)$", program.read_text(), re.MULTILINE)
    return [line.split() for line in found] or [[]]


def explanations(folder: Path) -> dict[str, str]:
    """``program: line`` -> why ours differs there."""
    file = folder / "differences.toml"
    if not file.exists():
        return {}
    return {name: entry["why"] for name, entry in tomllib.loads(file.read_text()).items()}


def main() -> int:
    """Runs, compares and prints; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="which programs; all where none is named")
    parser.add_argument("--folder", type=Path, default=HERE / "programs", help="where the programs are")
    options = parser.parse_args()
    programs = sorted(options.folder.glob("*.py"))
    unknown = set(options.names) - {program.stem for program in programs}
    if unknown or not programs:
        parser.error(f"{options.folder} has no such programs: {', '.join(sorted(unknown)) or 'none at all'}")
    known, needed, faults = explanations(options.folder), set(), 0
    report = Report("estimator_programs", ["outcome", "program"])
    for program in programs:
        if options.names and program.stem not in options.names:
            continue
        for arguments in runs_of(program):
            name = " ".join([program.stem, *arguments])
            theirs = lines_of(reference_python(), program, arguments, real=True)
            ours = lines_of(Path(sys.executable), program, arguments, real=False)
            different = [line for line in difflib.ndiff(theirs, ours) if line[:2] in ("- ", "+ ")]
            mine = [line[2:] for line in different if line[0] == "+"]
            why = [known.get(f"{program.stem}: {line}") for line in mine]
            needed |= {f"{program.stem}: {line}" for line in mine}
            unexplained = bool(different) and (None in why or not mine)
            faults += unexplained
            outcome = "same" if not different else "DIFFERENT" if unexplained else "explained"
            report.add(outcome=outcome, program=name, lines=different or None)
            for line in different:
                print(f"    {'tf.estimator' if line[0] == '-' else 'transferkit '} {line[2:][:300]}")
    stale = [] if options.names else sorted(set(known) - needed)
    print(f"{len(report.rows)} runs, {faults} with a difference that is not explained; stale: {stale}")
    return 1 if faults or stale else 0


if __name__ == "__main__":
    sys.exit(main())
