"""How a data source is to be read: what the user says of it beside its name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transferkit.recipe.sections import DataSection

__all__ = ["ManifestOptions", "ReadOptions"]


@dataclass(frozen=True)
class ManifestOptions:
    """What a manifest does not say itself, as a recipe's ``[data]`` says it.

    Attributes:
        encoding: Python's name of its encoding, for a file that is no UTF-8.
        columns: role (path, label, labels, split, group) to the name of its column.
        root: folder that the paths start from; the manifest's own by default.
        path_suffix: what is added to each path.
        own: this is said of the very manifest; else of another one, and tried where this one does not do
            without.
    """

    encoding: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    root: str | None = None
    path_suffix: str | None = None
    own: bool = True

    @classmethod
    def of(cls, data: DataSection, own: bool = True) -> ManifestOptions:
        """What a recipe's ``[data]`` states."""
        columns = {str(role): name for role, name in data.columns.items()}
        return cls(data.encoding, columns, data.root, data.path_suffix, own)


@dataclass(frozen=True)
class ReadOptions:
    """What holds for a source, whatever it is; each takes what concerns it.

    Attributes:
        unpack_to: folder where images that do not lie as files are written out, once.
        minimum_classes: data with fewer classes is refused.
        follow_links: take links that lead out of a folder of class folders.
        known: names that are classes for certain, in folders where they might be something else.
        manifest: what a manifest does not say itself.
    """

    unpack_to: Path
    minimum_classes: int = 2
    follow_links: bool = False
    known: Collection[str] = ()
    manifest: ManifestOptions = field(default_factory=ManifestOptions)
