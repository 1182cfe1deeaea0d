"""Whether the lowest versions that setup.cfg allows have published advisories.

    python tools/audit.py                          # against tools/audit.toml, without any network
    python tools/audit.py --index                  # asks the package index too, by pip-audit (pip install it)
    python tools/audit.py --advisories FOLDER      # a checkout of github.com/pypa/advisory-database too

Each lower bound is checked, those of the extras too, but not the development tools. An advisory that does not
concern transferkit is in tools/audit.toml with the reason. The exit code is 1 for one without a reason.
"""

from __future__ import annotations

import argparse
import configparser
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Advisory:
    """One advisory that concerns a lowest version."""

    package: str
    version: str
    names: tuple[str, ...]
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f", fixed in {', '.join(self.fixed)}" if self.fixed else ""
        return f"{self.package} {self.version}: {', '.join(self.names)}{fixed}"


def lowest(setup: Path = ROOT / "setup.cfg") -> dict[str, str]:
    """Package to the lowest version that users may have.

    Raises:
        ValueError: a requirement has no lower bound.
    """
    config = configparser.ConfigParser()
    config.read(setup, "utf-8")
    lines = config["options"]["install_requires"].splitlines()
    for extra, held in config["options.extras_require"].items():
        lines += held.splitlines() if extra != "dev" else []
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, lines)):
        requirement = Requirement(line)
        bounds = [one.version for one in requirement.specifier if one.operator in (">=", "==", "~=")]
        if not bounds:
            raise ValueError(f"setup.cfg: {line}: no lower bound")
        found[requirement.name.lower()] = min(bounds, key=Version)
    return found


def from_index(versions: dict[str, str]) -> Iterator[Advisory]:
    """What pip-audit knows of these versions.

    Raises:
        RuntimeError: it is not installed, or the index does not answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lowest.txt"
        file.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
        command = [
            sys.executable,
            "-m",
            "pip_audit",
            "--no-deps",
            "--disable-pip",
            "-f",
            "json",
            "-r",
            str(file),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = done.stderr.strip().splitlines()[-1:] or ["no answer"]
        raise RuntimeError(f"pip-audit: {last[0]}") from None
    for one in found:
        for known in one.get("vulns", ()):
            names = (known["id"], *known.get("aliases", ()))
            yield Advisory(one["name"], one["version"], names, tuple(known.get("fix_versions", ())))


def from_folder(versions: dict[str, str], folder: Path) -> Iterator[Advisory]:
    """What a checkout of the advisory database says of these versions."""
    import yaml

    for name, version in versions.items():
        for file in sorted((folder / "vulns" / name).glob("*.yaml")):
            facts = yaml.safe_load(file.read_text("utf-8"))
            if facts.get("withdrawn"):
                continue
            for affected in facts["affected"]:
                events = [event for one in affected.get("ranges", ()) if one["type"] == "ECOSYSTEM"
                          for event in one["events"]]  # fmt: skip
                if concerns(version, events, affected.get("versions", ())):
                    fixed = tuple(event["fixed"] for event in events if "fixed" in event)
                    yield Advisory(name, version, (facts["id"], *facts.get("aliases", ())), fixed)
                    break


def concerns(version: str, events: list[dict[str, str]], listed: list[str] | tuple[str, ...] = ()) -> bool:
    """Whether a version lies in a range of the OSV format: between what introduced a hole and what fixed it.

    >>> concerns("10.1.0", [{"introduced": "0"}, {"fixed": "10.2.0"}]), concerns("10.2", [{"fixed": "10.2"}])
    (True, False)
    """
    inside = False
    at = Version(version)

    def order(event: dict[str, str]) -> Version:
        try:
            return Version(next(iter(event.values())))
        except InvalidVersion:
            return Version("0")

    for event in sorted(events, key=order):
        if "introduced" in event and order(event) <= at:
            inside = True
        if "fixed" in event and order(event) <= at:
            inside = False
        if "last_affected" in event and order(event) < at:
            inside = False
    return inside or version in listed


def from_list(versions: dict[str, str], file: Path = ROOT / "tools" / "audit.toml") -> Iterator[Advisory]:
    """What the list beside this script says of these versions."""
    for one in tomllib.loads(file.read_text("utf-8"))["known"]:
        version = versions.get(one["package"])
        if version is not None and SpecifierSet(one["affected"]).contains(version, prereleases=True):
            yield Advisory(one["package"], version, (one["id"],), ())


def exceptions(file: Path = ROOT / "tools" / "audit.toml") -> dict[str, str]:
    """Name of an advisory to the reason why it does not concern transferkit."""
    return {one["id"]: one["reason"] for one in tomllib.loads(file.read_text("utf-8"))["exception"]}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--advisories", type=Path, metavar="FOLDER", help="checkout of pypa/advisory-database"
    )
    parser.add_argument("--index", action="store_true", help="ask the package index, by pip-audit")
    given = parser.parse_args(arguments)
    versions = lowest()
    try:
        found = list(from_list(versions))
        found += from_folder(versions, given.advisories) if given.advisories else ()
        found += from_index(versions) if given.index else ()
    except RuntimeError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    reasons = exceptions()
    unexplained = 0
    for one in found:
        reason = next((reasons[name] for name in (*one.names, f"{one.package}:*") if name in reasons), None)
        unexplained += reason is None
        print(f"{one}: {reason or 'OPEN'}")
    print(f"{len(versions)} lowest versions, {len(found)} advisories, {unexplained} without a reason")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
