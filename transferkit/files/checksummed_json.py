"""Facts in JSON with a checksum of their own: what is damaged or changed in them is not believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferkit.type_names import NamedValues

__all__ = ["SEAL", "read_sealed", "seal_of", "sealed"]

SEAL = "sha256"


def seal_of(facts: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of facts that JSON can hold, whatever their order."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def sealed(facts: Mapping[str, Any]) -> str:
    """The text of a file that holds facts and their checksum."""
    return json.dumps({**facts, SEAL: seal_of(facts)}, indent=2, ensure_ascii=False) + "\n"


def read_sealed(file: Path) -> NamedValues | None:
    """The facts of a file; None where it is missing, damaged or changed."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        seal = found.pop(SEAL)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return found if seal == seal_of(found) else None
