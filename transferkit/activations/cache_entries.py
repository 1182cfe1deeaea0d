"""What a cache holds, and what reading it whole finds."""

from __future__ import annotations

from dataclasses import dataclass

from transferkit.type_names import NamedValues

__all__ = ["Checked", "Entry"]


@dataclass(frozen=True)
class Entry:
    """One store, compiled model or unpacked source, for ``transferkit cache info``.

    Attributes:
        kind: ``"activations"``, ``"compiled"``, ``"source"`` or ``"remote"``, what is at a URL.
        key: its name in the cache folder.
        bytes: its size on disk.
        rows: rows of a store, files of a source, else 0.
        used: when it was last used, seconds since 1970.
        about: what it is.
    """

    kind: str
    key: str
    bytes: int
    rows: int
    used: float
    about: NamedValues


@dataclass(frozen=True)
class Checked:
    """What reading all of one entry found.

    Attributes:
        kind: as of :class:`Entry`; ``"choice"`` for the engine that was chosen for a model.
        key: its name in the cache folder.
        label: what it is, for people.
        parts: how many rows or files were compared.
        damaged: how many of them are not what was written.
        repaired: whether they were removed, so that they are made again when they are asked for.
    """

    kind: str
    key: str
    label: str
    parts: int
    damaged: int
    repaired: bool
