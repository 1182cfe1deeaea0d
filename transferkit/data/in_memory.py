"""Images that a Python program holds, written out once as files, so that all that follows sees files alone.

Arrays with labels, data frames of paths, ``tf.data`` and Hugging Face data sets: none of their packages is
imported here. What is written lies in the cache, named by its content, and a second run finds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from transferkit.data.file_names import shown
from transferkit.data.sources.manifest.label_spelling import label_of
from transferkit.data.sources.manifest.line_names import FRAME_FILE, frame_folder
from transferkit.data.sources.split_words import split_names
from transferkit.data.sources.unpacked import Writer, unpack
from transferkit.errors import UserError, fault
from transferkit.type_names import NamedValues

__all__ = ["encode_image", "images_in", "is_image", "write_source"]

_EXPECTED = (
    "a folder or file, a data frame of paths and labels, (images, labels), a tf.data.Dataset of them, or a "
    "data set of Hugging Face"
)
# Modes of Pillow that PNG has too, and those whose sides of alpha or depth another one keeps.
_PNG = {"L", "RGB", "RGBA", "P", "1", "LA", "I;16"}
_KEPT_IN = {"PA": ("RGBA",), "RGBa": ("RGBA",), "La": ("LA",)}

Example = tuple[Any, str, str | None]  # image, label, split


def is_image(value: Any) -> bool:
    """Whether a value holds pixels, rather than a file's name: an array ``[h, w]`` or larger, or Pillow's."""
    return isinstance(value, Image.Image) or (hasattr(value, "shape") and len(value.shape) >= 2)


def images_in(given: Any) -> list[Any] | None:
    """The images that are given: one, several or a batch; None for anything else, such as names of files."""
    if is_image(given):
        return list(given) if len(getattr(given, "shape", ())) == 4 else [given]
    return list(given) if isinstance(given, list | tuple) and given and is_image(given[0]) else None


def encode_image(image: Any, place: str = "image") -> bytes:
    """A PNG file of an image.

    Args:
        image: ``[h, w, 3]``, ``[h, w, 1]`` or ``[h, w]`` of 0 to 255, RGB or grey, uint8 or float (rounded),
            also a tensor; ``[h, w, 4]`` with alpha; or an image of Pillow, which is turned as its EXIF says,
            as a file of it would be.
        place: what errors call it.

    Raises:
        UserError: it has another shape, or values below 0, above 255, or none at all.
    """
    if not isinstance(image, Image.Image):
        image = Image.fromarray(_pixels(image, place))
    else:
        image = _upright(image, place)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def write_source(data: Any, unpack_to: Path) -> NamedValues:
    """Writes data that a program holds where a recipe can name it.

    Args:
        data: a data frame, ``(images, labels)`` or ``(paths, labels)``, a ``tf.data.Dataset`` or a data set
            of Hugging Face.
        unpack_to: folder of unpacked sources.

    Returns:
        Keys of a recipe with their values: ``data.path``, and what else it needs.

    Raises:
        UserError: it is none of these, or its images and labels cannot be taken.
    """
    if hasattr(data, "columns") and hasattr(data, "to_dict"):
        return _write_rows(_rows_of_frame(data), unpack_to)
    names: Sequence[str] = ()
    make: Callable[[], Iterable[Example]]
    if isinstance(data, tuple | list) and len(data) == 2:
        images, labels = (_counted(one) for one in data)
        if len(images) != len(labels):
            raise UserError(fault("data", f"{len(images)} images and {len(labels)} labels", "as many labels"))
        if len(images) and all(isinstance(one, str | os.PathLike) for one in images):
            named = zip(images, labels, strict=True)
            return _write_rows([{"path": one, "label": _label(label, ())} for one, label in named], unpack_to)
        make = lambda: ((one, _label(label, ()), None) for one, label in zip(images, labels, strict=True))  # noqa: E731
    elif hasattr(data, "element_spec") and hasattr(data, "as_numpy_iterator"):
        names = tuple(getattr(data, "class_names", ()))
        make = lambda: _of_tensors(data, names)  # noqa: E731
    elif _is_hugging_face(data):
        splits = dict(data) if isinstance(data, Mapping) else {"": data}
        names = _names(next(iter(splits.values())))
        make = lambda: _of_hugging_face(splits)  # noqa: E731
    else:
        raise UserError(fault("data", type(data).__name__, _EXPECTED))
    folder = unpack(_fingerprint(make()), unpack_to, lambda place: _write(place, make()), "data")
    found: NamedValues = {"data.path": str(folder / "manifest.jsonl")}
    return found | ({"data.classes": list(names)} if names else {})


def _counted(values: Any) -> Any:
    """A list of what can be gone through only once."""
    if isinstance(values, str | bytes | Mapping):
        raise UserError(fault("data", f"a pair with a {type(values).__name__}", "(images, labels)"))
    return values if hasattr(values, "__len__") else list(values)


def _upright(image: Image.Image, place: str) -> Image.Image:
    """An image of Pillow in a mode that PNG has, with nothing of it lost: turn, alpha, depth."""
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode in _PNG:
            return image
        if image.mode in _KEPT_IN:
            (mode,) = _KEPT_IN[image.mode]
            return image.convert(mode)
        if image.mode == "F" or image.mode.startswith("I"):
            # Pillow would cut what is above 255 off.
            values = np.asarray(image)
            if image.mode != "F" and 255 < values.max() < 2**16 and values.min() >= 0:
                return Image.fromarray(values.astype(np.uint16))
            return Image.fromarray(_pixels(values, place))
        return image.convert("RGB")
    except (OSError, ValueError) as error:
        raise UserError(fault(place, f"an image of mode {image.mode}", "an image", str(error))) from None


def _pixels(image: Any, place: str) -> np.ndarray:
    if isinstance(image, str | bytes | os.PathLike | Mapping):
        raise UserError(fault(place, type(image).__name__, "an array of pixels or an image of Pillow"))
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim not in (2, 3) or not pixels.size or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise UserError(fault(place, f"shape {pixels.shape}", "[h, w, 3], [h, w, 1] or [h, w]"))
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind not in "fiu" or not (pixels.min() >= 0 and pixels.max() <= 255):
        received = (
            f"{pixels.dtype} from {pixels.min()} to {pixels.max()}" if pixels.size else str(pixels.dtype)
        )
        raise UserError(fault(place, received, "values of 0 to 255"))
    if pixels.dtype.kind == "f" and 0 < pixels.max() <= 1:
        hint = "multiply by 255: images of 0 to 1 would be black"
        raise UserError(
            fault(place, f"{pixels.dtype} from 0 to {pixels.max():g}", "values of 0 to 255", hint)
        )
    return np.round(pixels).astype(np.uint8)


def _label(label: Any, names: Sequence[str]) -> str:
    value = label.item() if hasattr(label, "item") and getattr(label, "shape", None) == () else label
    if isinstance(value, bytes):
        with contextlib.suppress(UnicodeDecodeError):
            value = value.decode("utf-8")
    if names and isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < len(names):
            hint = "-1 stands for no label: leave such images out" if value == -1 else ""
            raise UserError(fault("data: label", value, f"0 to {len(names) - 1}", hint))
        return names[value]
    text = label_of(value)
    if text is None or shown(text) != text:
        shape = tuple(getattr(label, "shape", ()))
        received = f"shape {shape}" if shape else repr(value)[:120]
        hint = "one number for each: labels.argmax(axis=1)" if shape and shape[0] > 1 else ""
        hint = "labels.ravel() makes one of each" if shape == (1,) else hint
        raise UserError(fault("data: label", received, "a name or a whole number for each image", hint))
    return text


def _of_tensors(data: Any, names: Sequence[str]) -> Iterator[Example]:
    spec = data.element_spec
    if not (isinstance(spec, tuple) and len(spec) == 2 and hasattr(spec[0], "shape")):
        raise UserError(fault("data", str(spec)[:120], "a data set of pairs of image and label"))
    if int(data.cardinality()) == -1:
        hint = "leave .repeat() out, or end it with .take(COUNT): epochs are the recipe's"
        raise UserError(fault("data", "a data set without end", "one that ends", hint))
    pairs = data.unbatch() if spec[0].shape.rank == 4 else data
    for image, label in pairs.as_numpy_iterator():
        yield image, _label(label, names), None


def _is_hugging_face(data: Any) -> bool:
    one = next(iter(data.values()), None) if isinstance(data, Mapping) else data
    return hasattr(one, "features") and hasattr(one, "column_names")


def _columns(data: Any) -> tuple[str, str]:
    """The columns of image and label: the usual names, or the only ones of their kind."""
    columns = list(data.column_names or ())
    if not columns:
        hint = "load it whole, without streaming=True"
        raise UserError(fault("data", "a data set without columns", "the columns image and label", hint))
    image = next((name for name in ("image", "img", "pixel_values", "photo") if name in columns), None)
    label = next((name for name in ("label", "labels", "fine_label", "class") if name in columns), None)
    if image is None or label is None:
        raise UserError(fault("data", f"the columns {', '.join(columns)}", "the columns image and label"))
    return image, label


def _names(data: Any) -> tuple[str, ...]:
    return tuple(getattr(data.features[_columns(data)[1]], "names", None) or ())


def _of_hugging_face(splits: Mapping[str, Any]) -> Iterator[Example]:
    known = split_names(splits)
    left = [name for name in splits if name not in known]
    if known and left:
        expected = "splits with the usual names alone: train, validation, test"
        hint = "leave the others out, or give them a usual name"
        raise UserError(fault("data: splits", ", ".join(left), expected, hint))
    for name in splits:
        data = splits[name]
        image, label = _columns(data)
        names = _names(data)
        for row in data:
            yield row[image], _label(row[label], names), known.get(name) if len(known) > 1 else None


def _fingerprint(examples: Iterable[Example]) -> str:
    """The same for the same images, labels and splits in any order."""
    digests = []
    for number, (image, label, split) in enumerate(examples):
        digest = hashlib.sha256(json.dumps([label, split]).encode())
        digest.update(encode_image(image, f"data: image {number}"))
        digests.append(digest.digest())
    if not digests:
        raise UserError(fault("data", 0, "images"))
    return "python-" + hashlib.sha256(b"".join(sorted(digests))).hexdigest()[:32]


def _write(folder: Path, examples: Iterable[Example]) -> None:
    writer = Writer(folder)
    for image, label, split in examples:
        writer.add(encode_image(image), label, split)
    writer.close()


def _rows_of_frame(frame: Any) -> list[NamedValues]:
    """The rows of a data frame of pandas or polars, without the values that are missing."""
    columns = [str(one) for one in frame.columns]
    if twice := sorted({one for one in columns if columns.count(one) > 1}):
        raise UserError(fault("data: columns", ", ".join(twice), "a name of its own for each column"))
    rows = frame.to_dicts() if hasattr(frame, "to_dicts") else frame.to_dict("records")
    return [{str(key): value for key, value in row.items() if not _is_missing(value)} for row in rows]


def _is_missing(value: Any) -> bool:
    """None, NaN, and what pandas has for them: nothing that equals itself."""
    if value is None:
        return True
    try:
        return not bool(value == value)
    except (TypeError, ValueError):  # pandas' NA, and arrays
        return not hasattr(value, "shape")


def _write_rows(rows: list[NamedValues], unpack_to: Path) -> NamedValues:
    """A manifest of rows, which the reader of manifests takes from here."""
    # Escaped throughout: a name may have bytes that are no UTF-8.
    text = "".join(json.dumps(row, default=_plain) + "\n" for row in rows)
    if not rows:
        raise UserError(fault("data", "a data frame without rows", "a row for each image"))

    def fill(folder: Path) -> None:
        (folder / FRAME_FILE).write_text(text, encoding="utf-8")

    folder = unpack(frame_folder(text), unpack_to, fill, "data frame")
    return {"data.path": str(folder / FRAME_FILE), "data.root": os.getcwd()}


def _plain(value: Any) -> Any:
    """A cell for JSON: numbers of NumPy as numbers, arrays and sets as lists, paths as text."""
    if is_image(value) or isinstance(value, bytes):
        expected = "names of files in a data frame; images that are in memory go as (images, labels)"
        raise UserError(fault("data", f"a cell of {type(value).__name__}", expected))
    if hasattr(value, "tolist"):
        return value.tolist()
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)
