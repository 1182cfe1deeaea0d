"""Images that a Python program holds, written out once as files, so that all that follows sees files alone.

Arrays with labels, data frames of paths, ``tf.data`` and Hugging Face data sets: none of their packages is
imported here. What is written lies in the cache, named by its content, and a second run finds it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from transferkit.data.sources.unpacked import Writer, unpack
from transferkit.errors import UserError, fault

__all__ = ["encode_image", "images_in", "is_image", "write_source"]

_SPLITS = {"train": "train", "validation": "val", "val": "val", "valid": "val", "test": "test"}
_EXPECTED = (
    "a folder or file, a data frame of paths and labels, (images, labels), a tf.data.Dataset of them, or a "
    "data set of Hugging Face"
)

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
            also a tensor; ``[h, w, 4]`` with alpha; or an image of Pillow.
        place: what errors call it.

    Raises:
        UserError: it has another shape, or values below 0, above 255, or none at all.
    """
    if not isinstance(image, Image.Image):
        image = Image.fromarray(_pixels(image, place))
    elif image.mode not in ("L", "RGB", "RGBA", "P", "1", "LA", "I;16"):
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def write_source(data: Any, unpack_to: Path) -> dict[str, Any]:
    """Writes data that a program holds where a recipe can name it.

    Args:
        data: a data frame, ``(images, labels)``, a ``tf.data.Dataset`` or a data set of Hugging Face.
        unpack_to: folder of unpacked sources.

    Returns:
        Keys of a recipe with their values: ``data.path``, and what else it needs.

    Raises:
        UserError: it is none of these, or its images and labels cannot be taken.
    """
    if hasattr(data, "columns") and hasattr(data, "to_dict"):
        return _write_frame(data, unpack_to)
    names: Sequence[str] = ()
    make: Callable[[], Iterable[Example]]
    if isinstance(data, tuple | list) and len(data) == 2:
        images, labels = data
        if len(images) != len(labels):
            raise UserError(fault("data", f"{len(images)} images and {len(labels)} labels", "as many labels"))
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
    found: dict[str, Any] = {"data.path": str(folder / "manifest.jsonl")}
    return found | ({"data.classes": list(names)} if names else {})


def _pixels(image: Any, place: str) -> np.ndarray:
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
        value = value.decode("utf-8")
    if isinstance(value, bool) or not isinstance(value, str | int):
        shape = getattr(label, "shape", None)
        received = f"shape {tuple(shape)}" if shape else repr(value)
        raise UserError(fault("data: label", received, "a name or a whole number for each image"))
    if names and isinstance(value, int):
        if not 0 <= value < len(names):
            raise UserError(fault("data: label", value, f"0 to {len(names) - 1}"))
        return names[value]
    return str(value)


def _of_tensors(data: Any, names: Sequence[str]) -> Iterator[Example]:
    spec = data.element_spec
    if not (isinstance(spec, tuple) and len(spec) == 2 and hasattr(spec[0], "shape")):
        raise UserError(fault("data", str(spec)[:120], "a data set of pairs of image and label"))
    pairs = data.unbatch() if spec[0].shape.rank == 4 else data
    for image, label in pairs.as_numpy_iterator():
        yield image, _label(label, names), None


def _is_hugging_face(data: Any) -> bool:
    one = next(iter(data.values()), None) if isinstance(data, Mapping) else data
    return hasattr(one, "features") and hasattr(one, "column_names")


def _columns(data: Any) -> tuple[str, str]:
    """The columns of image and label: the usual names, or the only ones of their kind."""
    columns = list(data.column_names)
    image = next((name for name in ("image", "img", "pixel_values", "photo") if name in columns), None)
    label = next((name for name in ("label", "labels", "fine_label", "class") if name in columns), None)
    if image is None or label is None:
        raise UserError(fault("data", f"the columns {', '.join(columns)}", "the columns image and label"))
    return image, label


def _names(data: Any) -> tuple[str, ...]:
    return tuple(getattr(data.features[_columns(data)[1]], "names", None) or ())


def _of_hugging_face(splits: Mapping[str, Any]) -> Iterator[Example]:
    known = {name: _SPLITS[name] for name in splits if name in _SPLITS}
    for name in known or splits:
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


def _write_frame(frame: Any, unpack_to: Path) -> dict[str, Any]:
    """A manifest of the frame's columns, which the reader of manifests takes from here."""
    rows = [
        {str(key): value for key, value in row.items() if value is not None and value == value}
        for row in frame.to_dict("records")
    ]
    text = "".join(json.dumps(row, default=str, ensure_ascii=False) + "\n" for row in rows)
    if not rows:
        raise UserError(fault("data", "a data frame without rows", "a row for each image"))
    fingerprint = "frame-" + hashlib.sha256(text.encode()).hexdigest()[:32]

    def fill(folder: Path) -> None:
        (folder / "manifest.jsonl").write_text(text, encoding="utf-8")

    folder = unpack(fingerprint, unpack_to, fill, "data frame")
    return {"data.path": str(folder / "manifest.jsonl"), "data.root": os.getcwd()}
