"""What checking the cache's rows costs: hashes by row, and the check of 100 000 rows beside a warm run.

"by row" is one core, rows of 5 kB in memory. "check" is what a warm run does before it trains: threads read
every row and compare its checksum; the share is of the seconds that a whole run with a full cache of so many
images took (benchmarks/results/large.json).
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

WIDTH = 1280
HASHES: dict[str, Callable] = {
    "crc32": zlib.crc32,
    "sha256": lambda row: hashlib.sha256(row).digest(),
    "sha1": lambda row: hashlib.sha1(row, usedforsecurity=False).digest(),
    "blake2b": lambda row: hashlib.blake2b(row, digest_size=8).digest(),
}


def by_row(name: str, count: int) -> float:
    """Seconds that a hash takes for so many rows."""
    import numpy as np

    some = min(count, 10_000)
    rows = memoryview(np.random.default_rng(0).standard_normal((some, WIDTH), np.float32).data).cast("B")
    size, hashed = WIDTH * 4, HASHES[name]
    start = time.perf_counter()
    for at in range(some):
        hashed(rows[at * size : (at + 1) * size])
    return (time.perf_counter() - start) * count / some


def check(count: int) -> tuple[float, float]:
    """Seconds of wall and processor time of the check of a store of so many rows."""
    import numpy as np

    from transferkit.activations.cache import Cache
    from transferkit.activations.index import digests_of

    digests = digests_of([hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)])
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        store = Cache(folder, 1 << 40).store({"cut": "0"}, (WIDTH,), "float32")
        for at in range(0, count, 4096):
            part = digests[at : at + 4096]
            store.add(part, rng.standard_normal((len(part), WIDTH), np.float32))
        wall, cpu = time.perf_counter(), time.process_time()
        found, damaged = store.check(digests)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert found.all()
        assert not damaged.any()
        return wall, cpu


def main() -> None:
    from _report import Report, arguments

    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    options = parser.parse_args()
    report = Report("checksums", ["what", "seconds", "cpu s"])
    for name in HASHES:
        seconds = min(by_row(name, options.count) for _ in range(options.repeats))
        report.add(what=f"{name} by row", seconds=seconds)
    wall, cpu = min(check(options.count) for _ in range(options.repeats))
    report.add(what="check", seconds=wall, **{"cpu s": cpu})
    large = json.loads((Path(__file__).parent / "results" / "large.json").read_text())
    warm = [
        row["seconds"] for row in large["rows"] if row["cache"] == "full" and row["images"] == options.count
    ]
    if warm:
        report.note(**{"share of a warm run": wall / min(warm)})
    report.write(options.json)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
