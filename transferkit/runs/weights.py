"""Values of variables on disk: plain arrays by name, written whole, read without executing anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.errors import UserError, fault

__all__ = ["read_weights", "write_weights"]


def write_weights(path: Path, variables: Sequence[Any], **facts: float) -> None:
    """Writes the variables' values to an ``.npz`` file, and facts such as the epoch beside them."""
    arrays = {name: np.asarray(variable) for name, variable in _named(variables).items()}
    temporary = path.with_name(f".{path.name}.writing")
    with open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays, **{f"fact:{key}": value for key, value in facts.items()})
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_weights(path: Path, variables: Sequence[Any]) -> dict[str, float]:
    """Puts the values of a file into the variables and returns the facts that were written with them.

    Raises:
        UserError: the file is damaged, or belongs to other variables; nothing was assigned then.
    """
    named = _named(variables)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise UserError(fault(str(path), mend=f"the weights cannot be read: {error}")) from None
    said = [name for name in arrays if name.startswith("fact:")]
    facts = {name.removeprefix("fact:"): float(arrays.pop(name)) for name in said}
    faults = []
    for name in sorted({*named, *arrays}):
        received = list(arrays[name].shape) if name in arrays else None
        expected = list(named[name].shape) if name in named else None
        if received != expected:
            faults.append(fault(f"{path}: {name}", f"shape {received}", f"shape {expected}"))
    if faults:
        raise UserError(*faults)
    for name, variable in named.items():
        variable.assign(arrays[name])
    return facts


def _named(variables: Sequence[Any]) -> dict[str, Any]:
    """Variables by path; a second one of the same path gets a number, in the order given."""
    named: dict[str, Any] = {}
    for variable in variables:
        path = getattr(variable, "path", None) or variable.name
        name, count = path, 1
        while name in named:
            count += 1
            name = f"{path}#{count}"
        named[name] = variable
    return named
