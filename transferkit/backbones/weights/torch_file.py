"""Reads the tensors of a file in PyTorch's legacy format, without PyTorch and without running what it says.

Such a file is a row of pickles (a magic number, a protocol number, facts of the writing machine, the
object, the keys of its storages) and then the storages: for each key the number of elements as int64 and the
elements, little-endian. A pickle can name any function of any module; this reader knows the few names that a
dictionary of tensors consists of and refuses every other one before it is looked up.

Source: ``torch.serialization`` of PyTorch 1.5, ``_legacy_save`` and ``_legacy_load``.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from transferkit.errors import UserError, fault

__all__ = ["read_tensors"]

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "DoubleStorage": "<f8", "LongStorage": "<i8"}


@dataclass(frozen=True)
class _StorageType:
    dtype: str


@dataclass
class _Storage:
    """Elements that tensors look into; they follow the pickles in the file."""

    dtype: str
    elements: int
    values: np.ndarray | None = None


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        values = self.storage.values
        if values is None:
            raise ValueError("a tensor without its elements")
        last = self.offset + sum(
            (size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)
        )
        if min((self.offset, *self.shape, *self.strides), default=0) < 0 or (
            0 not in self.shape and last >= len(values)
        ):
            raise ValueError("a tensor that reaches beyond its elements")
        steps = tuple(stride * values.itemsize for stride in self.strides)
        return np.lib.stride_tricks.as_strided(
            values[self.offset :], self.shape, steps, writeable=False
        ).copy()


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *more: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor of something else than a storage")
    return _Tensor(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    **{("torch", name): _StorageType(dtype) for name, dtype in _DTYPES.items()},
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], storages: dict[str, _Storage]) -> None:
        super().__init__(file, encoding="utf-8")
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, which no file of weights needs"
            ) from None

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, elements, *_ = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise pickle.UnpicklingError(f"it holds {kind!r}, expected storages alone")
        return self._storages.setdefault(str(key), _Storage(storage_type.dtype, int(elements)))


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a saved ``state_dict``, by name, in the file's order.

    Args:
        path: a file in the legacy format (``torch.save`` before PyTorch 1.6).

    Returns:
        Name to array: float16, float32, float64 or int64, contiguous.

    Raises:
        UserError: the file is in another format, damaged, or names anything but dictionaries and tensors.
    """
    try:
        with open(path, "rb") as file:
            return _read(file)
    # A damaged pickle raises whatever its bytes happen to ask for.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        expected = "a dictionary of tensors in PyTorch's legacy format"
        raise UserError(fault("backbone.weights", str(path), expected, reason)) from error


def _read(file: IO[bytes]) -> dict[str, np.ndarray]:
    storages: dict[str, _Storage] = {}

    def load() -> Any:
        return _Unpickler(file, storages).load()

    if load() != _MAGIC or load() != _PROTOCOL:
        raise ValueError("it does not begin as such a file does")
    if load().get("little_endian") is not True:
        raise ValueError("it was written on a big-endian machine")
    found = load()
    if not isinstance(found, OrderedDict) or not all(isinstance(one, _Tensor) for one in found.values()):
        raise ValueError("it holds something else")
    for key in load():
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little", signed=True)
        raw = file.read(storage.elements * np.dtype(storage.dtype).itemsize)
        if count != storage.elements or len(raw) != storage.elements * np.dtype(storage.dtype).itemsize:
            raise ValueError("it is cut short")
        storage.values = np.frombuffer(raw, storage.dtype)
    return {str(name): tensor.array() for name, tensor in found.items()}
