"""The proof that what was frozen did not move: not one bit of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.type_names import Variable

if TYPE_CHECKING:
    from transferkit.backbones.backbone import Cut

__all__ = ["FrozenMovedError", "Proof"]


class FrozenMovedError(RuntimeError):
    """Weights or statistics that had to stay as they were have changed: a fault of transferkit's own."""


class Proof:
    """Watches the frozen variables of a run's phases.

    Each phase begins with :meth:`watch`, which first checks what the phase before had to leave alone; the run
    ends with :meth:`check`. A digest of each value is kept, and no copy.
    """

    def __init__(self) -> None:
        self._before: dict[int, tuple[Any, str]] = {}
        self._always: set[int] | None = None

    def watch(self, cut: Cut) -> None:
        """Begins a phase.

        Args:
            cut: with ``frozen_variables``, as :class:`transferkit.backbones.Cut` has them.

        Raises:
            FrozenMovedError: the phase before moved what it had to leave alone.
        """
        self._compare()
        self._before = {id(one): (one, _digest(one)) for one in cut.frozen_variables}
        ids = set(self._before)
        self._always = ids if self._always is None else self._always & ids

    def check(self) -> str:
        """Ends the run; gives the line for its metrics, such as ``frozen: 244 tensors unchanged``.

        What was frozen in every phase is counted.

        Raises:
            FrozenMovedError: something moved; names what.
        """
        self._compare()
        return f"frozen: {len(self._always or ())} tensors unchanged"

    def _compare(self) -> None:
        moved = [_name(one) for one, before in self._before.values() if _digest(one) != before]
        if moved:
            raise FrozenMovedError(
                f"{len(moved)} of {len(self._before)} frozen tensors moved in training: {_listed(moved)}"
            )


def _digest(variable: Variable) -> str:
    value = np.ascontiguousarray(np.asarray(variable))
    return hashlib.sha256(f"{value.dtype}{value.shape}".encode() + value.tobytes()).hexdigest()


def _name(variable: Variable) -> str:
    return str(getattr(variable, "path", None) or variable.name)


def _listed(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
