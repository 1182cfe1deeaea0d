"""TFRecord files of ``tf.train.Example`` with ``image/encoded`` and ``image/class/label`` or ``…/text``."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from transferkit.data.hashing import hash_files
from transferkit.data.source import DataSet
from transferkit.data.sources.unpacked import Writer, unpacked_dataset
from transferkit.errors import UserError, fault

__all__ = ["read_tfrecord", "tfrecord_files"]

_ENCODED, _LABEL, _TEXT = "image/encoded", "image/class/label", "image/class/text"
_SPLIT = re.compile(r"(train|training|val|valid|validation|test)(?![a-z])")
_NAMES = {"training": "train", "valid": "val", "validation": "val"}


def tfrecord_files(path: Path) -> list[Path]:
    """The TFRecord files at a path: itself, or those directly in a folder, shards included."""
    if path.is_file():
        return [path] if _is_record(path) else []
    return sorted(child for child in path.iterdir() if child.is_file() and _is_record(child))


def read_tfrecord(path: str | Path, unpack_to: Path) -> DataSet:
    """Reads one file, or a folder of them.

    The split is told by the file name (``train.tfrecord``, ``val-00000-of-00004.tfrecord``) where all names
    tell one. A class is named by its text where there is one, else by its number.

    Args:
        path: a file or folder.
        unpack_to: folder of unpacked sources.

    Raises:
        UserError: no records, a record that is broken or lacks a feature, or fewer than two classes.
    """
    path = Path(path)
    files = tfrecord_files(path)
    if not files:
        raise UserError(fault("data", str(path), "TFRecord files", "there are none"))
    splits = [_split(file) for file in files]
    if None in splits:
        splits = [None] * len(files)
    digests = hash_files(files)
    lines = [f"{digest} {split}" for digest, split in zip(digests, splits, strict=True)]
    fingerprint = "tfrecord-" + hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]

    def write(writer: Writer) -> None:
        for file, split in zip(files, splits, strict=True):
            _write(file, split, writer)

    return unpacked_dataset(fingerprint, unpack_to, write, path)


def _write(file: Path, split: str | None, writer: Writer) -> None:
    import tensorflow as tf

    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            count += 1
            features = tf.train.Example.FromString(record).features.feature
            encoded, text = features[_ENCODED].bytes_list.value, features[_TEXT].bytes_list.value
            number = features[_LABEL].int64_list.value
            if not encoded or not (text or number):
                lacking = _ENCODED if not encoded else f"{_LABEL} or {_TEXT}"
                known = ", ".join(sorted(name for name in features if name not in (_ENCODED, _LABEL, _TEXT)))
                raise UserError(fault(f"{file.name}: record {count}", known, f"the feature {lacking}"))
            writer.add(encoded[0], text[0].decode() if text else str(number[0]), split)
    except UserError:
        raise
    except Exception as error:  # TensorFlow's DataLossError, protobuf's DecodeError
        reason = str(error).splitlines()[0][:200]
        raise UserError(fault(f"{file.name}: after record {count}", mend=reason)) from error


def _split(file: Path) -> str | None:
    found = _SPLIT.match(file.name.lower())
    return _NAMES.get(found[1], found[1]) if found else None


def _is_record(path: Path) -> bool:
    return ".tfrecord" in path.name.lower()
