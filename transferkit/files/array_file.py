"""Named arrays in an ``.npz`` file, bound together by a checksum: a file that was changed is not read.

The file's own CRCs find damage of the disk; the SHA-256 over names, types, shapes and values also finds
a file that was written again with other values.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.files.whole_file import whole_file

__all__ = ["read_arrays", "write_arrays"]

# Ahead of no other name, and with a colon as those of weights have.
_SUM = "~:sha256"


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays of numbers, whole or not at all. Nothing is pickled."""
    with whole_file(path) as beside, open(beside, "wb") as file:
        np.savez(file, **{**arrays, _SUM: _sum(arrays)})  # type: ignore[arg-type]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file.

    Raises:
        UserError: it is missing or damaged, or was not written by :func:`write_arrays`.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if not np.array_equal(arrays.pop(_SUM), _sum(arrays)):
            raise ValueError("its checksum is not that of its values: they were changed")
    except KeyError as error:
        raise UserError(fault(str(path), hint=f"the file cannot be read: {error} is missing in it")) from None
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, SyntaxError,
            zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        raise UserError(fault(str(path), hint=f"the file cannot be read: {error}")) from None
    return arrays


def _sum(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}\0{values.dtype.str}\0{np.shape(arrays[name])}\0".encode())
        digest.update(values.tobytes())
    return np.frombuffer(digest.digest(), np.uint8)
