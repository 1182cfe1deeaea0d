"""Small JSON files of the cache with a checksum: what is damaged in them is not believed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from transferkit.activations.whole_file import write_whole_file

__all__ = ["read_sealed", "write_sealed"]

_SEAL = "sha256"


def write_sealed(file: Path, facts: dict[str, Any]) -> None:
    """Writes facts and their checksum.

    Raises:
        OSError: it cannot be written.
    """
    sealed = {**facts, _SEAL: _sum(facts)}
    write_whole_file(file, (json.dumps(sealed, indent=2) + "\n").encode())


def read_sealed(file: Path) -> dict[str, Any] | None:
    """The facts of a file; None where it is missing or damaged."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        seal = found.pop(_SEAL)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return found if seal == _sum(found) else None


def _sum(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
