"""SHA-256 of files, of weights, and of descriptions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.files.file_hash import sha256_of_file
from transferkit.type_names import Variable

__all__ = ["of_files", "of_parts", "of_path", "of_variables"]


def of_path(path: Path) -> str:
    """SHA-256, in hex, of a file's bytes, or of a folder's: relative names and bytes, sorted by name."""
    if path.is_file():
        return sha256_of_file(path)
    return of_files(sorted(one for one in path.rglob("*") if one.is_file()), path)


def of_files(files: Iterable[Path], folder: Path) -> str:
    """SHA-256, in hex, of files' names relative to a folder and their bytes, in their order."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.relative_to(folder).as_posix().encode() + b"\0")
        total.update(bytes.fromhex(sha256_of_file(file)))
    return total.hexdigest()


def of_variables(variables: Iterable[Variable]) -> str:
    """SHA-256, in hex, of the values of variables, in their order, with shapes and dtypes."""
    total = hashlib.sha256()
    for variable in variables:
        value = np.ascontiguousarray(np.asarray(variable))
        total.update(f"{value.shape}{value.dtype}".encode())
        total.update(value.tobytes())
    return total.hexdigest()


def of_parts(*parts: Any) -> str:
    """SHA-256, in hex, of things that JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
