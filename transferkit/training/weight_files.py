"""Values of variables on disk: plain arrays in order, written whole, read without executing anything.

The order identifies a variable, not its name: Keras numbers unnamed layers by what a process made before.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.errors import Faults, fault
from transferkit.files.array_file import read_arrays, write_arrays
from transferkit.type_names import Variable

__all__ = ["read_weights", "write_weights"]


def write_weights(path: Path, variables: Sequence[Variable]) -> None:
    """Writes the variables' values to an ``.npz`` file."""
    arrays: dict[str, Any] = {
        f"{number:05d}:{getattr(variable, 'path', None) or variable.name}": np.asarray(variable)
        for number, variable in enumerate(variables)
    }
    write_arrays(path, arrays)


def _not_finite(path: Path, arrays: dict[str, Any]) -> list[str]:
    """A line where values are no numbers: whatever is computed from them is none either."""
    bad = [name for name, value in arrays.items() if value.dtype.kind == "f" and not np.isfinite(value).all()]
    if not bad:
        return []
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    return [fault(f"{path}: {bad[0]}{more}", "NaN or infinite values", "numbers", "the file is damaged")]


def read_weights(path: Path, variables: Sequence[Variable], finite: bool = False) -> None:
    """Puts the values of a file into the variables.

    Args:
        path: what :func:`write_weights` wrote.
        variables: as many as were written, in the same order.
        finite: refuse values that are no numbers.

    Raises:
        UserError: the file is damaged, or belongs to other variables; nothing was assigned then.
    """
    arrays = dict(sorted(read_arrays(path).items()))
    faults = Faults(_not_finite(path, arrays) if finite else [])
    for name, variable in zip_longest(arrays, variables):
        received = None if name is None else list(arrays[name].shape)
        expected = None if variable is None else list(variable.shape)
        if received != expected:
            place = f"{path}: {name if name is not None else variable.name}"
            faults.append(
                fault(place, received, f"shape {expected}" if expected is not None else "nothing here")
            )
    faults.refuse()
    for variable, value in zip(variables, arrays.values(), strict=True):
        variable.assign(value)
