"""What lies in an export: signatures, labels, preprocessing, size, how it was checked, how it is used."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transferkit.errors import UserError, fault
from transferkit.export.export_spec import About
from transferkit.export.formats import check_installed, find_artefacts, format_of, load_format, size_of
from transferkit.export.formats._base import Tensor
from transferkit.export.versions import changes_of, versions
from transferkit.files.plain_path import is_pattern
from transferkit.type_names import NamedValues

__all__ = ["Artefact", "Inspected", "artefacts_of", "inspect_export"]


@dataclass(frozen=True)
class Inspected:
    """One artefact.

    Attributes:
        format: as recipes name it.
        title: what it is, for people.
        path: the file, or the SavedModel's folder.
        bytes: its size.
        about: what it says of itself.
        labels: the class names as they lie in it, in the order of the probabilities.
        signatures: name to inputs and outputs.
        parity: its row of ``parity.json``, or None where it was not checked.
        usage: Python that uses it.
        changed: a line for each of its files that is not as it was exported; None where its folder has no
            manifest to compare with.
    """

    format: str
    title: str
    path: str
    bytes: int
    about: About
    labels: tuple[str, ...]
    signatures: dict[str, tuple[list[Tensor], list[Tensor]]] = field(default_factory=dict)
    parity: NamedValues | None = None
    usage: str = ""
    changed: tuple[str, ...] | None = None

    def to_dict(self) -> NamedValues:
        """Ready for JSON."""
        signatures = {
            name: {"inputs": [asdict(one) for one in inputs], "outputs": [asdict(one) for one in outputs]}
            for name, (inputs, outputs) in self.signatures.items()
        }
        return {**asdict(self), "signatures": signatures}


@dataclass(frozen=True)
class Artefact:
    """One artefact of a version, seen from outside: it is not opened.

    Attributes:
        format: as recipes name it.
        title: what it is, for people.
        file: its name within the version, ``.`` for the SavedModel, whose files lie in the version itself.
        bytes: its size.
        parity: its row of ``parity.json``, or None where it was not checked.
    """

    format: str
    title: str
    file: str
    bytes: int
    parity: NamedValues | None


def artefacts_of(version: str | Path) -> list[Artefact]:
    """The artefacts of one version's folder, with their sizes and what the check of each found."""
    version = Path(version)
    return [
        Artefact(
            name,
            load_format(name).TITLE,
            str(path.relative_to(version)),
            size_of(path),
            _parity(name, version),
        )
        for name, path in find_artefacts(version).items()
    ]


def inspect_export(place: str | Path) -> list[Inspected]:
    """Looks into an export.

    Args:
        place: an artefact's file, a version's folder, a folder of versions (the newest counts), or a run.

    Raises:
        UserError: there is nothing that transferkit exported, or it is damaged.
    """
    place = Path(place)
    return [_inspect(name, path) for name, path in _artefacts(place).items()]


def _artefacts(place: Path) -> dict[str, Path]:
    if place.is_file():
        name = format_of(place)
        if name is not None:
            check_installed(name, "inspect")
            return {name: place}
    for folder in (place, *reversed(versions(place)), *reversed(versions(place / "export"))):
        found = find_artefacts(folder)
        if found:
            return found
    hint = None if place.exists() else "there is no such file or folder"
    raise UserError(fault("inspect", str(place), "a run, an export, or a file of one", hint))


def _inspect(name: str, path: Path) -> Inspected:
    one = load_format(name)
    opened = one.read(path)
    height, width = opened.about.input_size
    return Inspected(
        name,
        one.TITLE,
        str(path),
        size_of(path),
        opened.about,
        opened.labels,
        opened.signatures,
        _parity(name, path if path.is_dir() else path.parent),
        _usage(one, path, height, width),
        changes_of(path),
    )


def _usage(one: Any, path: Path, height: int, width: int) -> str:
    text = str(path)
    if path.is_dir() and is_pattern(text):
        # As it stands TensorFlow would look for what the name matches.
        lines = one.USAGE.format(path=path.name, height=height, width=width)
        return f"import os\nos.chdir({str(path.parent)!r})  # in a path its brackets are a pattern\n{lines}"
    result: str = one.USAGE.format(path=text, height=height, width=width)
    return result


def _parity(name: str, version: Path) -> NamedValues | None:
    try:
        rows = json.loads((version / "parity.json").read_text("utf-8"))["artefacts"]
        return next((row for row in rows if row["format"] == name), None)
    except (OSError, ValueError, KeyError, TypeError):
        return None
