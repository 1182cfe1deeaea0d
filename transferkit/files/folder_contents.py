"""What a folder of the cache holds, with checksums: so that files that were deleted or changed are noticed.

A folder that was written whole gets a list, ``contents.txt``: a line of facts as JSON, a line a file (its
CRC-32, its size, its name as JSON), and last the SHA-256 of all this.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from transferkit.files.whole_file import whole_file
from transferkit.type_names import NamedValues

__all__ = ["CONTENTS", "LOCK", "damage_of", "facts_of", "files_of", "write_contents"]

# Files of a folder that are no part of what it holds: its list, and the lock of those that use it.
CONTENTS, LOCK = "contents.txt", "lock"
_BLOCK = 1 << 20
_THREADS = 8


def write_contents(folder: Path, **facts: Any) -> None:
    """Lists what a folder holds.

    Args:
        folder: written whole.
        facts: about it, for people: JSON values. ``files`` and ``bytes`` are added.
    """
    names = sorted(files_of(folder))
    sums = _sums(folder, names)
    total = sum(size for _, size in sums.values())
    lines = [json.dumps({**facts, "files": len(names), "bytes": total})]
    lines += [f"{sums[name][0]} {sums[name][1]} {json.dumps(name)}" for name in names]
    text = "\n".join(lines) + "\n"
    with whole_file(folder / CONTENTS) as beside:
        beside.write_text(f"{text}{hashlib.sha256(text.encode()).hexdigest()}\n", encoding="utf-8")


def facts_of(folder: Path) -> NamedValues:
    """The facts that its list opens with; none where there is no such list."""
    try:
        with open(folder / CONTENTS, encoding="utf-8") as file:
            facts = json.loads(file.readline())
    except (OSError, ValueError):
        return {}
    sound = isinstance(facts, dict) and isinstance(facts.get("bytes"), int)
    return facts if sound and isinstance(facts.get("files"), int) else {}


def damage_of(folder: Path) -> list[str] | None:
    """The names of files that are missing, changed, or of another's making. Reads every file.

    Returns:
        None where the list itself is missing or damaged, so that nothing can be told.
    """
    listed = _listed(folder)
    if listed is None:
        return None
    there = set(files_of(folder))
    wrong = there ^ listed.keys()
    both = sorted(there & listed.keys())
    found = _sums(folder, both)
    return sorted([*wrong, *(name for name in both if found[name] != listed[name])])


def files_of(folder: Path) -> Iterator[str]:
    """Names of the files below, with forward slashes."""
    for place, _, names in os.walk(folder):
        below = Path(place).relative_to(folder)
        for name in names:
            if below.parts or name not in (CONTENTS, LOCK):
                yield (below / name).as_posix()


def _listed(folder: Path) -> dict[str, tuple[int, int]] | None:
    try:
        text = (folder / CONTENTS).read_text(encoding="utf-8")
        lines = text.splitlines(keepends=True)
        if hashlib.sha256("".join(lines[:-1]).encode()).hexdigest() != lines[-1].strip():
            return None
    except (OSError, ValueError, IndexError):
        return None
    found = {}
    for line in lines[1:-1]:
        crc, size, name = line.split(" ", 2)
        found[json.loads(name)] = int(crc), int(size)
    return found


def _sums(folder: Path, names: list[str]) -> dict[str, tuple[int, int]]:
    """CRC-32 and size of each file; -1 for what cannot be read."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(names, pool.map(lambda name: _sum(folder / name), names), strict=True))


def _sum(path: Path) -> tuple[int, int]:
    crc = size = 0
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                crc, size = zlib.crc32(block, crc), size + len(block)
    except OSError:
        return -1, -1
    return crc, size
