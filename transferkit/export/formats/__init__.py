"""The formats of an export, one module each; its name is the word that recipes and options take.

A module has

* ``FILE``: the artefact's name in the folder of a version (``""``: the folder itself);
* ``TITLE``: what it is, for people;
* ``TOLERANCE``: a :class:`~transferkit.export.formats._base.Tolerance`;
* ``NEEDS``: modules that must be installed, and ``EXTRA``, the extra of transferkit that brings them;
* ``FUNCTIONAL``: whether it needs a backbone whose layers are visible;
* ``PHOTOS``, where it is there and True: writing it takes photos of the training, to measure on;
* ``SCORES``, where it is there and True: an artefact answers ``novelty`` too, where the run tells what is
  unlike its training photos; whole numbers of 8 bits are too coarse for it;
* ``USAGE``: Python that uses an artefact; ``{path}``, ``{height}`` and ``{width}`` stand for its own;
* ``write(export_spec, path)``: writes the artefact;
* ``read(path)``: loads one, as an :class:`~transferkit.export.formats._base.LoadedArtefact`.

A module that stands here is a format, and so is what an installed package offers under the entry point group
``transferkit.export.formats``; nothing else lists them. Modules whose names begin with an underscore are
shared by several.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transferkit.discovery import modules
from transferkit.errors import UserError, did_you_mean, fault
from transferkit.packages import installed

__all__ = ["check_installed", "find_artefacts", "format_names", "format_of", "load_format", "size_of"]


_FORMATS = modules(
    "export.formats",
    ("FILE", "TITLE", "TOLERANCE", "NEEDS", "EXTRA", "FUNCTIONAL", "USAGE", "write", "read"),
)


def format_names() -> tuple[str, ...]:
    """The formats there are, the SavedModel first."""
    return tuple(sorted(_FORMATS.names(), key=lambda name: (name != "saved_model", name)))


def load_format(name: str) -> Any:
    """The module of a format, or the object that an installed package offers as one.

    Raises:
        UserError: there is no such format.
    """
    if name not in format_names():
        expected = f"one of {', '.join(format_names())}"
        raise UserError(fault("export.formats", name, expected, did_you_mean(name, format_names())))
    return _FORMATS.get(name)


def find_artefacts(folder: Path) -> dict[str, Path]:
    """Format to file of what lies in a version's folder."""
    found = {}
    for name in format_names():
        file = load_format(name).FILE
        if (folder / (file or "saved_model.pb")).is_file():
            found[name] = folder / file if file else folder
    return found


def format_of(file: Path) -> str | None:
    """The format of a file, by its name or, where it was renamed, by its ending; None where it has none.

    Of several with one ending it is the plain one, which reads them all.
    """
    names = [name for name in format_names() if load_format(name).FILE]
    for name in names:
        if file.name == load_format(name).FILE:
            return name
    fitting = [name for name in names if file.suffix and Path(load_format(name).FILE).suffix == file.suffix]
    return min(fitting, key=len, default=None)


def check_installed(name: str, place: str) -> None:
    """Refuses a format whose packages are missing.

    Args:
        name: of the format.
        place: what wants it, for the message.

    Raises:
        UserError: says how to install them.
    """
    one = load_format(name)
    missing = [module for module in one.NEEDS if not installed(module)]
    if missing:
        hint = f"install it with: pip install 'transferkit[{one.EXTRA}]'"
        raise UserError(fault(place, name, f"the packages {', '.join(missing)}", hint))


def size_of(artefact: Path) -> int:
    """Bytes of an artefact; of a SavedModel its own files, and not the other formats beside them."""
    if artefact.is_file():
        return artefact.stat().st_size
    parts = [artefact / "saved_model.pb", artefact / "fingerprint.pb"]
    for name in ("variables", "assets"):
        parts += [path for path in (artefact / name).rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in parts if path.is_file())
