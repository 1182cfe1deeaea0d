"""Runs every check against one implementation: ``python -m conformance.side MODULE OUT.json``.

MODULE is ``tensorflow.estimator`` for the one that TensorFlow 2.15 has, or a module's name.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import sys
import tempfile
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from conformance.catalogue import CHECKS, ExportSpec

AREAS = (
    "making",
    "training",
    "using",
    "hooks",
    "configuring",
    "together",
    "modes",
    "heads",
    "premade",
    "habits",
)
_SECONDS = 120


def _late(number: int, frame: Any) -> None:
    raise TimeoutError(f"longer than {_SECONDS} s")


def observe(module: Any, only: str = "") -> dict[str, Any]:
    """``area: text`` -> what was observed, or ``{"raised": …}``."""
    export_spec, seen = ExportSpec(module), {}
    signal.signal(signal.SIGALRM, _late)
    for area, text, check in CHECKS:
        if only not in f"{area}: {text}":
            continue
        tf.compat.v1.reset_default_graph()
        signal.alarm(_SECONDS)
        with tempfile.TemporaryDirectory() as folder:
            try:
                observed = check(export_spec, folder)
            except Exception as error:
                observed = {"raised": f"{type(error).__name__}: {str(error)[:300]}"}
        signal.alarm(0)
        # What is compared went through JSON on both sides.
        seen[f"{area}: {text}"] = json.loads(json.dumps(observed, default=str))
        print(f"  {area}: {text}", file=sys.stderr, flush=True)
    return seen


def main() -> None:
    """Runs the checks and writes what was observed."""
    name, out, *only = sys.argv[1:]
    logging.getLogger("tensorflow").setLevel(logging.CRITICAL)
    module = tf.estimator if name == "tensorflow.estimator" else importlib.import_module(name)
    for area in AREAS:
        importlib.import_module(f"conformance.{area}")
    with open(out, "w") as file:
        json.dump({"version": tf.__version__, "observed": observe(module, *only)}, file, indent=1)


if __name__ == "__main__":
    main()
