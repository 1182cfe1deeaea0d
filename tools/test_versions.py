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
TESTS = ["-m", "not slow", "-p", "no:cacheprovider", "tests"]
_CLOSING = re.compile(r"^=*\s*(\d+ (?:passed|failed|error).*?) in .*$", re.MULTILINE)


def make(name: str, folder: Path, uv: str) -> Path:
    """Makes an environment with one version, and gives its Python."""
    place = folder / name
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, "--clear", str(place)], check=True)
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


def run(name: str, folder: Path, uv: str, arguments: list[str]) -> tuple[bool, str]:
    """Tests with one version.

    Args:
        name: of the version.
        folder: of the environments; the output lies there as ``NAME.log``.
        uv: the command.
        arguments: for pytest.

    Returns:
        Whether all passed, and a row of the table.
    """
    try:
        python = make(name, folder, uv)
    except subprocess.CalledProcessError as error:
        return False, f"{name:8} no environment: {' '.join(map(str, error.cmd))}"
    began, log = time.perf_counter(), folder / f"{name}.log"
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run(
            [python, "-m", "pytest", *arguments], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT
        )
    found = _CLOSING.findall(log.read_text("utf-8"))
    closing = found[-1] if found else f"no test was run, see {log}"
    minutes = (time.perf_counter() - began) / 60
    return done.returncode == 0, f"{name:8} {installed(python)}: {closing} ({minutes:.1f} min)"


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
        run(name, known.folder, known.uv, theirs if cut else TESTS) for name in known.versions or VERSIONS
    ]
    print("\n".join(row for _, row in rows))
    return 0 if all(passed for passed, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
