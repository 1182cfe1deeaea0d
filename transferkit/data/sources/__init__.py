"""Where labelled images come from; whatever it is, what comes out is a DataSet of files.

A module of this folder that has ``takes`` and ``read`` is a source, and so is what an installed package
offers under the entry point group ``transferkit.data.sources``; nothing else lists them. The other modules
are shared by several. A source has

* ``takes(reference, options)``: whether it is what the user named;
* ``read(reference, options)``: the :class:`~transferkit.data.source.DataSet`;
* ``check(reference)``, where it is there: raises what is missing, such as a package, before anything is read;
* ``ORDER``, where it is there: the least is asked first; 0, before all of ours, where it says nothing;
* ``EXPECTED``, where it is there: what it takes, for the fault of a file that no source takes.

``options`` is a :class:`~transferkit.data.source_options.ReadOptions`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transferkit.data.file_names import class_name_faults, shown
from transferkit.data.source import DataSet
from transferkit.data.source_options import ManifestOptions, ReadOptions
from transferkit.data.sources.class_order import in_order_of, stated_classes
from transferkit.discovery import modules
from transferkit.errors import Faults, UserError, fault

__all__ = ["ManifestOptions", "check_source", "read_source", "source_of", "sources"]

_SOURCES = modules("data.sources", ("takes", "read"))


def sources() -> list[Any]:
    """All sources, in the order in which they are asked."""
    found = [_SOURCES.get(name) for name in _SOURCES.names()]
    taking = [one for one in found if hasattr(one, "takes")]
    return sorted(taking, key=lambda one: getattr(one, "ORDER", 0))


def read_source(
    reference: str | Path,
    *,
    unpack_to: str | Path,
    minimum_classes: int = 2,
    follow_links: bool = False,
    classes: Sequence[str] | str | None = None,
    known: Collection[str] = (),
    manifest: ManifestOptions | None = None,
) -> DataSet:
    """Reads whatever the user named.

    Args:
        reference: a folder of class folders (also nested in train, val, test); a CSV, JSON Lines or JSON
            manifest; a zip or tar of class folders; a TFRecord file or a folder of them; ``tfds:NAME``; such
            a file or folder at a URL; or what a source of an installed package takes.
        unpack_to: folder where images that do not lie as files are written out, once.
        minimum_classes: data with fewer classes is refused.
        follow_links: take links that lead out of a folder of class folders.
        classes: the classes in their order, or a file with a name a line; None leaves the source's own.
        known: names that are classes for certain, in folders where they might be something else.
        manifest: what a manifest does not say itself.

    Raises:
        UserError: as the source says; or it is none of these; or its classes are not those stated.
    """
    stated = stated_classes(classes)
    text = str(reference)
    options = ReadOptions(
        Path(unpack_to),
        minimum_classes,
        follow_links,
        (*known, *(stated or ())),
        manifest or ManifestOptions(),
    )
    found = source_of(text, options).read(text, options)
    Faults(class_name_faults(found.classes)).refuse()
    # Notes may name folders of any name, and are written into the run.
    found = replace(found, notes=tuple(shown(note) for note in found.notes))
    return found if stated is None else in_order_of(found, stated)


def check_source(reference: str | Path) -> None:
    """Refuses what cannot be read for want of a package, or because nothing is there. Reads nothing.

    Args:
        reference: as of :func:`read_source`.

    Raises:
        UserError: says what is missing.
    """
    text = str(reference)
    source = source_of(text, ReadOptions(Path()))
    if hasattr(source, "check"):
        source.check(text)


def source_of(reference: str, options: ReadOptions) -> Any:
    """The source that takes what the user named.

    Args:
        reference: a path, a URL, or a name with its word.
        options: what holds for every source.

    Raises:
        UserError: none does.
    """
    for source in sources():
        if source.takes(reference, options):
            return source
    *others, last = [one.EXPECTED for one in sources() if hasattr(one, "EXPECTED")]
    raise UserError(fault("data", reference, f"{', '.join([last, *others[:-1]])} or {others[-1]}"))
