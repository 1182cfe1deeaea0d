"""TFRecord files of ``tf.train.Example`` with ``image/encoded`` and ``image/class/label`` or ``…/text``."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from transferkit.data.file_names import shown
from transferkit.data.hashing import hash_files
from transferkit.data.source import DataSet, LeftOut, left_out_notes
from transferkit.data.source_options import ReadOptions
from transferkit.data.sources.file_kinds import is_record
from transferkit.data.sources.split_words import splits_of_files
from transferkit.data.sources.tree import Tree
from transferkit.data.sources.unpacked import Writer, unpacked_dataset
from transferkit.errors import UserError, fault

__all__ = ["EXPECTED", "ORDER", "read", "read_tfrecord", "takes", "tfrecord_files"]

ORDER = 40
EXPECTED = "a .tfrecord file"

_ENCODED, _LABEL, _TEXT = "image/encoded", "image/class/label", "image/class/text"
# Beginnings of encoded images; what begins otherwise in a whole file of records is no encoded image at all.
_IMAGES = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*")
_LOOKED_AT = 64


def tfrecord_files(path: Path) -> list[Path]:
    """The TFRecord files at a path: itself, or those directly in a folder, shards included."""
    if path.is_file():
        return [path] if is_record(path.name) else []
    try:
        children = sorted(path.iterdir())
    except OSError:  # as a folder of classes it is told why
        return []
    return [child for child in children if child.is_file() and is_record(child.name)]


def read_tfrecord(path: str | Path, unpack_to: Path) -> DataSet:
    """Reads one file, or a folder of them, plain or compressed.

    The split is told by the file name (``train.tfrecord``, ``val-00000-of-00004``) where all names tell one.
    A class is named by its text where there is one, else by its number. The numbers decide the order: label k
    is output k, where the labels run from 0 without gaps; where they do not, outputs follow the labels' order
    and a note says so.

    Args:
        path: a file or folder.
        unpack_to: folder of unpacked sources.

    Raises:
        UserError: no records; only some names tell a split; a record that is broken, lacks a feature, holds
            raw pixels or names its class otherwise than another; or fewer than two classes.
    """
    path = Path(path)
    files = tfrecord_files(path)
    if not files:
        raise UserError(fault("data", str(path), "TFRecord files", "there are none"))
    splits = _splits(files)
    digests = hash_files(files)
    lines = [f"{digest} {split}" for digest, split in zip(digests, splits, strict=True)]
    fingerprint = "tfrecord2-" + hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]

    def write(writer: Writer) -> None:
        classes = _Classes()
        for file, split in zip(files, splits, strict=True):
            _write(file, split, writer, classes)
        writer.order, writer.notes = classes.order(), classes.notes()

    found = unpacked_dataset(fingerprint, unpack_to, write, path)
    if not path.is_dir():
        return found
    records = {file.name for file in files}
    others = [child for child in sorted(path.iterdir()) if child.name not in records]
    left_out = tuple(
        LeftOut(shown(child.name) + "/" * child.is_dir(), "no TFRecord file", int(child.is_file()))
        for child in others
        if not child.name.startswith(".")
    )
    return replace(found, notes=(*found.notes, *left_out_notes(left_out)), left_out=left_out)


class _Classes:
    """The classes of the records so far: a number each, or a text, or both, always the same two together."""

    def __init__(self) -> None:
        self._text_of: dict[int, str | None] = {}
        self._number_of: dict[str, int | None] = {}

    def name(self, text: str | None, number: int | None, place: str) -> str:
        """The class's name.

        Raises:
            UserError: an earlier record has another text with this number, or the other way round.
        """
        if number is not None:
            before = self._text_of.setdefault(number, text)
            if before != text:
                raise UserError(_differs(place, f"{_LABEL} {number}", _TEXT, text, before))
        if text is not None:
            earlier = self._number_of.setdefault(text, number)
            if earlier != number:
                raise UserError(_differs(place, f"{_TEXT} {text!r}", _LABEL, number, earlier))
            return text
        return str(number)

    def order(self) -> list[str]:
        """The classes by their numbers, where all have one."""
        if None in self._number_of.values():
            return []
        return [str(number) if text is None else text for number, text in sorted(self._text_of.items())]

    def notes(self) -> list[str]:
        """What is to be said where label k is not output k."""
        numbers = sorted(self._text_of)
        if not self.order() or numbers == list(range(len(numbers))):
            return []
        listed = ", ".join(map(str, numbers[:8])) + (", …" if len(numbers) > 8 else "")
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            return [f"the labels run from {numbers[0]} to {numbers[-1]}: output k is label k + {numbers[0]}"]
        return [f"the labels are {listed}: outputs 0 to {len(numbers) - 1} stand for them in this order"]


def _differs(place: str, given: str, feature: str, received: object, before: object) -> str:
    def said(value: object) -> str:
        return "nothing" if value is None else repr(value)

    expected = f"{said(before)}, as in a record before with the same {given}"
    return fault(f"{place}: {feature}: received {said(received)}, expected {expected}")


def _write(file: Path, split: str | None, writer: Writer, classes: _Classes) -> None:
    import tensorflow as tf

    count, images = 0, 0
    compression = "GZIP" if _starts_with(file, b"\x1f\x8b\x08") else ""
    try:
        for record in tf.data.TFRecordDataset(str(file), compression).as_numpy_iterator():
            count += 1
            features = tf.train.Example.FromString(record).features.feature
            encoded, text = features[_ENCODED].bytes_list.value, features[_TEXT].bytes_list.value
            number = features[_LABEL].int64_list.value
            place = f"{file.name}: record {count}"
            if not encoded or not (text or number):
                lacking = _ENCODED if not encoded else f"{_LABEL} or {_TEXT}"
                known = ", ".join(sorted(name for name in features if name not in (_ENCODED, _LABEL, _TEXT)))
                raise UserError(fault(place, known, f"the feature {lacking}"))
            images += encoded[0].startswith(_IMAGES) or encoded[0][4:8] == b"ftyp"
            if count == _LOOKED_AT and not images:
                raise UserError(_raw(file, encoded[0]))
            name = classes.name(text[0].decode() if text else None, number[0] if number else None, place)
            writer.add(encoded[0], name, split)
    except UserError:
        raise
    except Exception as error:  # TensorFlow's DataLossError, protobuf's DecodeError
        reason = str(error).splitlines()[0][:200]
        raise UserError(fault(f"{file.name}: after record {count}", hint=reason)) from error
    if count and not images:
        raise UserError(_raw(file, encoded[0]))


def _raw(file: Path, encoded: bytes) -> str:
    expected = "JPEG, PNG, GIF, BMP, WebP or TIFF files"
    received = f"{len(encoded)} bytes that begin with {encoded[:4].hex(' ')}"
    hint = "raw pixels cannot be read: write them with tf.io.encode_png"
    return fault(f"{file.name}: {_ENCODED}", received, expected, hint)


def _starts_with(file: Path, mark: bytes) -> bool:
    with open(file, "rb") as opened:
        return opened.read(len(mark)) == mark


def _splits(files: list[Path]) -> list[str | None]:
    """The split of each file, or None for all; half of a layout of splits is refused."""
    told = splits_of_files(file.name for file in files)
    silent = [file.name for file in files if file.name not in told]
    if told and silent:
        expected = f"a file name that tells its split, as {next(iter(told))} does"
        hint = "rename it, or take it out of the folder"
        raise UserError(*(fault(f"data: {name}", name, expected, hint) for name in silent[:10]))
    return [told.get(file.name) for file in files]


def takes(reference: str, options: ReadOptions) -> bool:
    """Whether it is a file of records, or a folder with some and no pictures beside them."""
    path = Path(reference)
    if path.is_dir():
        folder = Tree(path, options.follow_links)
        return bool(tfrecord_files(path)) and not folder.holds_pictures(str(path))
    return path.is_file() and bool(tfrecord_files(path))


def read(reference: str, options: ReadOptions) -> DataSet:
    """The images in the records."""
    return read_tfrecord(Path(reference), options.unpack_to)
