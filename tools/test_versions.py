"""Runs the fast tests with other versions of what transferkit stands on, each in a fresh environment.

    python tools/test_versions.py                         all of them, one after the other
    python tools/test_versions.py 2.18 lowest             these alone
    python tools/test_versions.py 2.18 -- tests/training  with these arguments for pytest

The environments are made by uv in ``.venv-versions/`` and kept. It ends with a table, and with 1 where tests
failed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Name of a version to what uv is told; "lowest" takes the lowest of every dependency that setup.cfg allows.
VERSIONS: dict[str, list[str]] = {
    "2.16.2": ["tensorflow==2.16.2"],
    "2.18": ["tensorflow==2.18.*"],
    "2.20": ["tensorflow==2.20.*"],
    "newest": ["--upgrade", "tensorflow"],
    "lowest": ["--resolution", "lowest-direct", "tensorflow==2.16.2"],
}
# In two parts and with as many workers as there are cores, as `make test` does.
_QUICK = [
    "-m",
    "not slow",
    "-p",
    "no:cacheprovider",
    "-n",
    "auto",
    "--dist",
    "loadfile",
    "--max-worker-restart",
    "0",
]
_FIRST = ("tests/estimator", "tests/private")
TESTS = [[*_QUICK, *_FIRST], [*_QUICK, *(f"--ignore={part}" for part in _FIRST), "tests"]]
_CLOSING = re.compile(r"^=*\s*(\d+ (?:passed|failed|error).*?) in .*$", re.MULTILINE)
_COUNT = re.compile(r"(\d+) (passed|failed|error|skipped|xfailed|xpassed)")


def make(name: str, folder: Path, uv: str) -> Path:
    """Makes an environment with one version, and gives its Python."""
    place = folder / name
    subprocess.run(
        [uv, "venv", "--quiet", "--seed", "--python", sys.executable, "--clear", str(place)], check=True
    )
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    given = [*VERSIONS[name], "--editable", f"{ROOT}[dev]"]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *given], check=True)
    return python


def installed(python: Path) -> str:
    """The versions that decide, in words."""
    code = (
        "from importlib.metadata import version as v; import sys; "
        "print(', '.join(f'{n} {v(n)}' for n in ('tensorflow', 'keras', 'numpy')), "
        "'Python', '.'.join(map(str, sys.version_info[:3])), sep=', ')"
    )
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def counts(output: str) -> str:
    """What the closing lines of one or several runs of pytest count, added up; empty where there are none."""
    found: Counter[str] = Counter()
    for line in _CLOSING.findall(output):
        for number, what in _COUNT.findall(line):
            found[what] += int(number)
    return ", ".join(f"{number} {what}" for what, number in found.items())


def run(name: str, folder: Path, uv: str, parts: list[list[str]]) -> tuple[bool, str]:
    """Tests with one version.

    Args:
        name: of the version.
        folder: of the environments; the output lies there as ``NAME.log``.
        uv: the command.
        parts: arguments for pytest, which runs once with each.

    Returns:
        Whether all passed, and a row of the table.
    """
    try:
        python = make(name, folder, uv)
    except subprocess.CalledProcessError as error:
        return False, f"{name:8} no environment: {' '.join(map(str, error.cmd))}"
    began, log = time.perf_counter(), folder / f"{name}.log"
    passed = True
    with open(log, "w", encoding="utf-8") as file:
        for arguments in parts:
            command = [python, "-m", "pytest", *arguments]
            passed &= not subprocess.run(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT).returncode
    closing = counts(log.read_text("utf-8")) or f"no test was run, see {log}"
    minutes = (time.perf_counter() - began) / 60
    return passed, f"{name:8} {installed(python)}: {closing} ({minutes:.1f} min)"


def _divided(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    """What stands before ``--``, whether it is there, and what stands behind it."""
    if "--" not in arguments:
        return arguments, False, []
    place = arguments.index("--")
    return arguments[:place], True, arguments[place + 1 :]


def main() -> int:
    """Reads the command line; gives the exit status."""
    mine, cut, theirs = _divided(sys.argv[1:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("versions", nargs="*", metavar="VERSION", help=f"of {', '.join(VERSIONS)}")
    parser.add_argument("--folder", type=Path, default=ROOT / ".venv-versions", help="of the environments")
    parser.add_argument("--uv", default="uv", help="the command")
    known = parser.parse_args(mine)
    unknown = [name for name in known.versions if name not in VERSIONS]
    if unknown:
        parser.error(f"{unknown[0]!r} is none of {', '.join(VERSIONS)}")
    known.folder.mkdir(exist_ok=True)
    rows = [
        run(name, known.folder, known.uv, [theirs] if cut else TESTS) for name in known.versions or VERSIONS
    ]
    print("\n".join(row for _, row in rows))
    return 0 if all(passed for passed, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
