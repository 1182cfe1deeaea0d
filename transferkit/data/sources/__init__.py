"""Where labelled images come from; whatever it is, what comes out is a DataSet of files."""

from __future__ import annotations

from pathlib import Path

from transferkit.data.class_folder import read_class_folder
from transferkit.data.source import DataSet
from transferkit.data.sources.archive import is_archive, read_archive
from transferkit.data.sources.manifest import ManifestOptions, read_manifest
from transferkit.data.sources.tfds import read_tfds
from transferkit.data.sources.tfrecord import read_tfrecord, tfrecord_files
from transferkit.errors import UserError, fault

__all__ = ["ManifestOptions", "read_archive", "read_manifest", "read_source", "read_tfds", "read_tfrecord"]

_MANIFESTS = (".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".json")


def read_source(
    reference: str | Path,
    *,
    unpack_to: str | Path,
    minimum_classes: int = 2,
    manifest: ManifestOptions | None = None,
) -> DataSet:
    """Reads whatever the user named.

    Args:
        reference: a folder of class folders (also nested in train, val, test); a CSV, JSON Lines or JSON
            manifest; a zip or tar of class folders; a TFRecord file or a folder of them; ``tfds:NAME``.
        unpack_to: folder where images that do not lie as files are written out, once.
        minimum_classes: data with fewer classes is refused.
        manifest: what a manifest does not say itself.

    Raises:
        UserError: as the source says; or it is none of these.
    """
    text = str(reference)
    if text.startswith("tfds:"):
        return read_tfds(text.removeprefix("tfds:"), Path(unpack_to))
    path = Path(reference)
    if path.is_dir():
        holds_folders = any(child.is_dir() and not child.name.startswith(".") for child in path.iterdir())
        if not holds_folders and tfrecord_files(path):
            return read_tfrecord(path, Path(unpack_to))
        return read_class_folder(path, minimum_classes)
    if path.is_file():
        if path.suffix.lower() in _MANIFESTS:
            return read_manifest(path, manifest, minimum_classes)
        if is_archive(path):
            return read_archive(path, Path(unpack_to))
        if tfrecord_files(path):
            return read_tfrecord(path, Path(unpack_to))
        expected = (
            "a folder, a manifest (.csv, .tsv, .jsonl, .json), an archive (.zip, .tar) or a .tfrecord file"
        )
        raise UserError(fault("data", text, expected))
    return read_class_folder(path)
