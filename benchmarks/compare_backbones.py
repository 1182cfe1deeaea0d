"""The default backbone beside others, in whole runs of a recipe: seconds, accuracy, what int8 keeps of it.

    python benchmarks/compare_backbones.py --data ../shared/data --sets flowers_small trashnet
    python benchmarks/compare_backbones.py --data ../shared/data --recipe mobile --repeats 1

``--data`` holds the data sets and a Keras cache ``keras_home`` with MobileNetV2's ImageNet weights. The runs
of the backbones take turns and each begins with an empty cache, so what else the machine does falls on all
of them; seconds are of the whole process and those it starts, and the median counts. Where others use the
machine too, processor seconds say more than those of the clock.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _report import Report, arguments
from recipe_results import SETS

DEFAULT = "default"


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets and keras_home")
    parser.add_argument("--recipe", default="retrain")
    parser.add_argument("--sets", nargs="*", default=["flowers_small"], choices=list(SETS))
    parser.add_argument("--backbones", nargs="*", default=["mobilenet_v2"], help="beside the default")
    options = parser.parse_args()
    columns = ["data", "backbone", "round", "seconds", "cpu seconds", "accuracy", "int8", "agreement"]
    report = Report(f"backbones_{options.recipe}", columns)
    for data in options.sets:
        taken: dict[str, list[float]] = {}
        worked: dict[str, list[float]] = {}
        for number in range(options.repeats):
            for backbone in (DEFAULT, *options.backbones):
                row = measure(options.recipe, options.data, data, backbone)
                taken.setdefault(backbone, []).append(row["seconds"])
                worked.setdefault(backbone, []).append(row["cpu seconds"])
                report.add(data=data, round=number + 1, **row)
        for kind, found in (("seconds", taken), ("cpu seconds", worked)):
            middle = {name: statistics.median(some) for name, some in found.items()}
            for name in options.backbones:
                report.note(**{f"{data}: {kind}, default / {name}": middle[DEFAULT] / middle[name]})
    report.write(options.json)


def measure(recipe: str, folder: Path, data: str, backbone: str) -> dict[str, Any]:
    """One cold run through the command line."""
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        command = [sys.executable, "-m", "transferkit", "retrain", "--recipe", recipe, "--quiet"]
        command += ["--data", str(folder / data), "--run", str(run)]
        command += [] if backbone == DEFAULT else ["--backbone", backbone]
        for one in [*SETS[data], f"activations.cache_dir={json.dumps(str(Path(scratch) / 'cache'))}"]:
            command += ["--set", one]
        home = str((folder / "keras_home").resolve())
        environment = {"KERAS_HOME": home, **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        code = process.returncode = os.waitstatus_to_exitcode(status)
        if code not in (0, 1) or not run.is_dir():  # 1: a quantised file was refused, all else is whole
            raise SystemExit(f"{backbone} on {data} ended with exit code {code}")
        metrics = json.loads((run / "metrics.json").read_text("utf-8"))
        artefacts = json.loads((run / "parity.json").read_text("utf-8"))["artefacts"]
    (int8,) = [one for one in artefacts if one["format"] == "tflite_int8"] or [{}]
    return {
        "backbone": metrics["backbone"]["name"] if backbone != DEFAULT else DEFAULT,
        "seconds": seconds,
        "cpu seconds": usage.ru_utime + usage.ru_stime,
        "accuracy": metrics["metrics"]["accuracy"],
        "int8": int8.get("accuracy"),
        "agreement": int8.get("agreement"),
    }


if __name__ == "__main__":
    main()
