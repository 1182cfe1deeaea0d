"""Labels and facts inside a file that is a zip archive, or that may have one at its end.

A ``.keras`` file is a zip archive, whose reader asks for the members that it knows. A TFLite file is a
FlatBuffer, read from its start: an archive after it changes nothing for an interpreter, and is where TFLite's
own metadata keeps label files (``unzip model.tflite labels.txt``).
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from transferkit.errors import UserError, fault
from transferkit.export.export_spec import About, labels_text, read_labels

__all__ = ["ABOUT", "LABELS", "add_facts", "read_facts"]

LABELS, ABOUT = "labels.txt", "transferkit.json"


def add_facts(file: Path, about: About) -> None:
    """Adds both members to the archive, or to a file an archive that holds them."""
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        for name, text in ((LABELS, labels_text(about.classes)), (ABOUT, about.to_json())):
            # A fixed date: the same network gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)


def read_facts(file: Path) -> tuple[About, tuple[str, ...]]:
    """What is kept in a file, and the labels.

    Raises:
        UserError: there is nothing of ours in it.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            about = About.from_json(archive.read(ABOUT))
            labels = read_labels(archive.read(LABELS))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        expected = f"a file that holds {LABELS} and {ABOUT}, as `transferkit export` writes it"
        raise UserError(fault("export", str(file), expected)) from None
    return about, labels
