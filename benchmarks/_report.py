"""What every benchmark shares: repeated timing, a table on stdout, a JSON file with machine and versions."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["Report", "arguments", "interleaved", "median_seconds", "peak_gflops"]

_PACKAGES = ("tensorflow", "keras", "openvino", "numpy", "pillow", "scikit-learn")


def arguments(about: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each figure (default 3)")
    parser.add_argument(
        "--json", type=Path, help="where the JSON goes (default benchmarks/results/NAME.json)"
    )
    return parser


def median_seconds(
    work: Callable[[], Any], repeats: int, before: Callable[[], Any] | None = None
) -> tuple[float, list[float]]:
    """Wall-clock seconds of ``work``: the median and all of them. ``before`` runs untimed each time."""
    seconds = []
    for _ in range(repeats):
        if before is not None:
            before()
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), seconds


def interleaved(sides: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median wall-clock seconds of several pieces of work, measured in turn: what else the machine does
    in the meantime falls on all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for work in sides.values():
        work()  # warm
    for _ in range(repeats):
        for name, work in sides.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def peak_gflops(size: int = 1024, repeats: int = 5) -> float:
    """The machine's matrix multiplication: the best of TensorFlow's float32 products, in GFLOP/s."""
    import tensorflow as tf

    a = tf.random.normal([size, size])
    best = float("inf")
    for _ in range(repeats + 1):
        start = time.perf_counter()
        tf.linalg.matmul(a, a).numpy()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


class Report:
    """Rows of one benchmark.

    Args:
        name: of the benchmark, and of its JSON file.
        columns: names of the columns, in order.
    """

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        self.name = name
        self.columns = list(columns)
        self.rows: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}

    def add(self, **row: Any) -> None:
        """Adds a row and prints it at once: long benchmarks show where they are."""
        if not self.rows:
            print(f"{self.name} on {_machine()['processor']}, {_machine()['cores']} cores")
            print("  ".join(name.rjust(_width(name)) for name in self.columns))
        self.rows.append(row)
        print("  ".join(_text(row.get(name)).rjust(_width(name)) for name in self.columns), flush=True)

    def take_up(self, path: Path | None = None) -> None:
        """Begins with the rows of an earlier file, so that a long benchmark can be made in pieces."""
        path = path or Path(__file__).parent / "results" / f"{self.name}.json"
        if path.exists():
            self.rows = json.loads(path.read_text())["rows"]

    def note(self, **facts: Any) -> None:
        """Adds facts that belong to the whole, such as ratios."""
        self.facts.update(facts)
        for name, value in facts.items():
            print(f"{name}: {_text(value)}", flush=True)

    def write(self, path: Path | None = None) -> None:
        """Writes the JSON file."""
        path = path or Path(__file__).parent / "results" / f"{self.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {"benchmark": self.name, "machine": _machine(), "versions": _versions(), "load": _load()}
        path.write_text(json.dumps({**whole, **self.facts, "rows": self.rows}, indent=2) + "\n")
        print(f"written to {path}")


def _machine() -> dict[str, Any]:
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": processor,
        "cores": cores,
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _load() -> float | None:
    """Processes that wanted a core in the last minute: above the cores, other work disturbed the figures."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _width(name: str) -> int:
    return max(len(name), 12)


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
