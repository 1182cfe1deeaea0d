"""TFLite files: conversion of the one function, and an interpreter for what was made."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.cpu import available_cores
from transferkit.errors import UserError, fault
from transferkit.export.export_spec import ExportSpec
from transferkit.export.formats._base import LoadedArtefact, Tensor
from transferkit.export.formats._tflite_interpreter import interpreter_of
from transferkit.export.formats._tflite_metadata import with_metadata
from transferkit.export.formats._zipped import add_facts, read_facts
from transferkit.files.plain_path import plain_temporary_folder

__all__ = ["USAGE", "convert", "quiet", "read", "save"]

USAGE = """\
import zipfile
import numpy as np
from PIL import Image, ImageOps

try:
    from ai_edge_litert.interpreter import Interpreter  # pip install ai-edge-litert
except ImportError:
    from tensorflow.lite import Interpreter

interpreter = Interpreter({path!r})
labels = zipfile.ZipFile({path!r}).read("labels.txt").decode().split("\\n")
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB").resize(({width}, {height}))
answer = interpreter.get_signature_runner()(images=np.asarray(photo)[None])
probabilities = answer["probabilities"][0]
print(labels[probabilities.argmax()], probabilities.max())
"""

_BATCH = 16


def convert(export_spec: ExportSpec, dtype: Any = "uint8", **settings: Any) -> bytes:
    """The model as TFLite's bytes.

    Args:
        export_spec: what to convert.
        dtype: of the images in the graph that is converted.
        **settings: attributes of ``tf.lite.TFLiteConverter``.
    """
    import tensorflow as tf

    from transferkit.export.formats._tflite_module import Answering

    module = Answering(export_spec, dtype)
    with quiet(), plain_temporary_folder():
        concrete = module.answer.get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
        for name, value in settings.items():
            setattr(converter, name, value)
        result: bytes = converter.convert()
        return result


def save(model: bytes, export_spec: ExportSpec, path: Path) -> None:
    """Writes the bytes, with the metadata that other readers want, and labels and facts as a zip archive."""
    path.write_bytes(with_metadata(model, export_spec.about))
    add_facts(path, export_spec.about)


def read(path: Path) -> LoadedArtefact:
    """Loads a file. See :class:`~transferkit.export.formats._base.LoadedArtefact`."""
    about, labels = read_facts(path)
    interpreter = interpreter_of(model_path=str(path), num_threads=available_cores())
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def answer(images: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(images), _BATCH):
            part = np.ascontiguousarray(images[start : start + _BATCH])
            if tuple(interpreter.get_input_details()[0]["shape"]) != part.shape:
                interpreter.resize_tensor_input(source["index"], part.shape)
                interpreter.allocate_tensors()
            interpreter.set_tensor(source["index"], part)
            interpreter.invoke()
            parts.append(interpreter.get_tensor(target["index"]).copy())
        return np.concatenate(parts)

    with quiet():
        interpreter.allocate_tensors()
    sides = list(interpreter.get_signature_list().values())
    several = len(interpreter.get_input_details()) + len(interpreter.get_output_details()) > 2
    if several or sides != [{"inputs": ["images"], "outputs": ["probabilities"]}]:
        expected = "one signature from images to probabilities, as `transferkit export` writes it"
        raise UserError(fault("export", str(path), expected))
    signatures = {
        name: ([_tensor(one["inputs"][0], source)], [_tensor(one["outputs"][0], target)])
        for name, one in interpreter.get_signature_list().items()
    }
    return LoadedArtefact(about, answer, labels, signatures)


def _tensor(name: str, details: dict[str, Any]) -> Tensor:
    shape = tuple(None if size < 0 else int(size) for size in details["shape_signature"])
    return Tensor(name, np.dtype(details["dtype"]).name, shape)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The converter saves a SavedModel for itself and says so, and warns of what is meant, in C++ too.

    Interpreters announce their delegates there.
    """
    import tensorflow as tf

    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    log = logging.getLogger("absl")
    before = log.level
    log.setLevel(logging.ERROR)
    level = tf.get_logger().level
    tf.get_logger().setLevel("ERROR")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        log.setLevel(before)
        tf.get_logger().setLevel(level)
