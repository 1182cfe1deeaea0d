"""Where transferkit.estimator differs from tf.estimator 2.15, and why.

    python benchmarks/estimator_conformance.py

The checks of ``benchmarks/conformance`` run against both, each in a process and an environment of its own;
the one with TensorFlow 2.15 is made under the cache folder on first use. What was observed is compared: every
difference must be explained in ``conformance/differences.toml``, and every explanation there must still be
needed. Exit status 1 says that one of the two does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from _reference import reference_python
from _report import Report

HERE = Path(__file__).parent


def observe(python: Path, module: str, only: str) -> dict[str, Any]:
    """Runs the checks against ``module`` in a process of ``python``; what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "observed.json"
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(HERE)}
        command = [
            str(python),
            "-W",
            "ignore",
            "-m",
            "conformance.side",
            module,
            str(out),
            only,
        ]
        done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{module}: the checks did not run\n{done.stderr[-3000:]}")
        return json.loads(out.read_text())


def explanations() -> dict[str, dict[str, str]]:
    """``area: text`` -> why ours differs there, and what it does."""
    return tomllib.loads((HERE / "conformance" / "differences.toml").read_text())


def main() -> int:
    """Compares, prints and writes; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="run only checks whose name holds this text")
    parser.add_argument("--json", type=Path, help="where the JSON goes")
    options = parser.parse_args()
    theirs = observe(reference_python(), "tensorflow.estimator", options.only)
    ours = observe(Path(sys.executable), "transferkit.estimator", options.only)
    known = explanations()
    report = Report("estimator_conformance", ["outcome", "behaviour"])
    unexplained, failed = [], []
    for name, reference in theirs["observed"].items():
        mine = ours["observed"].get(name)
        same = reference == mine
        if isinstance(reference, dict) and "raised" in reference:
            failed.append(name)
        why = None if same else known.get(name, {}).get("why")
        if not same and why is None:
            unexplained.append(name)
        outcome = "same" if same else "explained" if why else "DIFFERENT"
        row = {} if same else {"tf_estimator": reference, "transferkit": mine, "why": why}
        report.add(outcome=outcome, behaviour=name, **row)
    different = [row for row in report.rows if row["outcome"] != "same"]
    print(f"\nwhere they differ ({len(different)} of {len(report.rows)}):")
    for row in different:
        print(f"\n* {row['behaviour']}")
        print(f"    tf.estimator {theirs['version']}: {json.dumps(row['tf_estimator'])[:600]}")
        print(f"    transferkit:         {json.dumps(row['transferkit'])[:600]}")
        print(f"    {row['why'] or 'UNEXPLAINED'}")
    print()
    named = {row["behaviour"] for row in different}
    stale = [name for name in known if name not in named and name in theirs["observed"]]
    unknown = [name for name in known if name not in theirs["observed"]] if not options.only else []
    report.note(
        behaviours=len(report.rows),
        same=len(report.rows) - len(different),
        explained=len(different) - len(unexplained),
        unexplained=unexplained,
        explanations_no_longer_needed=stale + unknown,
        checks_that_failed_on_tf_estimator=failed,
    )
    if not options.only or options.json:
        report.write(options.json)
    return 1 if unexplained or stale or unknown or failed else 0


if __name__ == "__main__":
    sys.exit(main())
