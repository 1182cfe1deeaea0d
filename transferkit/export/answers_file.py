"""The outputs of an export that is checked, from the checking process to the one that judges them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["read_answers", "save_answers"]


def save_answers(file: Path, answered: Iterable[tuple[str, str, Mapping[str, np.ndarray]]]) -> None:
    """Writes what a checker's artefact answered: signature, what was asked, and the outputs by name."""
    arrays: dict[str, Any] = {}
    for signature, kind, outputs in answered:
        for name, values in outputs.items():
            # Strings come from TensorFlow as objects, which only pickle could hold.
            kept = values.astype(np.bytes_) if values.dtype == object else values
            arrays[f"{signature}|{kind}|{name}"] = kept
    with open(file, "wb") as opened:
        np.savez(opened, **arrays)


def read_answers(file: Path) -> list[tuple[str, str, dict[str, np.ndarray]]]:
    """Signature, what was asked, and the outputs by name, as :func:`save_answers` wrote them."""
    found: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    with np.load(file, allow_pickle=False) as arrays:
        for key in arrays.files:
            signature, kind, name = key.split("|")
            found.setdefault((signature, kind), {})[name] = arrays[key]
    return [(signature, kind, outputs) for (signature, kind), outputs in found.items()]
