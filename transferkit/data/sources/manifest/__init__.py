"""Manifests: a CSV, JSON Lines or JSON file that lists the images.

Columns (keys in JSON): ``path``, relative to the manifest's folder, or a URL; ``label``, or ``labels`` where
an image may have any number of them; optionally ``split`` (train, val, test) and ``group``. In CSV,
``labels`` are divided by ``|``, or stand as a JSON list where a class name holds that sign. What is written
otherwise is read where it leaves no doubt, with a note, or refused in a line that says how to name it.
"""

from __future__ import annotations

from pathlib import Path

from transferkit.data.source import DataSet
from transferkit.data.source_options import ReadOptions
from transferkit.data.sources.manifest.read import read_manifest

__all__ = ["EXPECTED", "ORDER", "is_manifest", "read", "read_manifest", "takes"]

ORDER = 20
EXPECTED = "a manifest (.csv, .tsv, .jsonl, .json)"
_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".json")


def is_manifest(path: Path) -> bool:
    """Whether a file's name is that of a manifest."""
    return path.suffix.lower() in _SUFFIXES and path.is_file()


def takes(reference: str, options: ReadOptions) -> bool:
    """Whether it is a file with the ending of a manifest."""
    return is_manifest(Path(reference))


def read(reference: str, options: ReadOptions) -> DataSet:
    """The images that it lists."""
    return read_manifest(reference, options.manifest, options.minimum_classes, options.unpack_to)
