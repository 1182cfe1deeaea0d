"""TFLite files: conversion of the one function, and an interpreter for what was made."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
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
    import tensorflow as tf

    Interpreter = tf.lite.Interpreter

interpreter = Interpreter({path!r})
labels = zipfile.ZipFile({path!r}).read("labels.txt").decode().split("\\n")
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB").resize(({width}, {height}))
answer = interpreter.get_signature_runner()(images=np.asarray(photo)[None])
probabilities = answer["probabilities"][0]
print(labels[probabilities.argmax()], probabilities.max())
"""

_BATCH = 16


def convert(export_spec: ExportSpec, dtype: Any = "uint8", scores: bool = False, **settings: Any) -> bytes:
    """The model as TFLite's bytes.

    Args:
        export_spec: what to convert.
        dtype: of the images in the graph that is converted.
        scores: answer ``novelty`` too, where the run has it.
        **settings: attributes of ``tf.lite.TFLiteConverter``.
    """
    import tensorflow as tf

    from transferkit.export.formats._tflite_module import Answering

    module = Answering(export_spec, dtype, scores)
    with quiet(), plain_temporary_folder():
        concrete = module.answer.get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
        for name, value in settings.items():
            setattr(converter, name, value)
        result: bytes = converter.convert()
        return result


def save(model: bytes, export_spec: ExportSpec, path: Path, scores: bool = False) -> None:
    """Writes the bytes, with the metadata that other readers want, and labels and facts as a zip archive.

    Args:
        model: TFLite's bytes.
        export_spec: what was converted.
        path: where to.
        scores: the format answers ``novelty`` too, where the run has it.
    """
    about = export_spec.about
    if not (scores and export_spec.every_format):
        about = replace(about, false_alarms=None)
    # Those readers take a model of one output.
    path.write_bytes(with_metadata(model, about) if about.false_alarms is None else model)
    add_facts(path, about)


def read(path: Path) -> LoadedArtefact:
    """Loads a file. See :class:`~transferkit.export.formats._base.LoadedArtefact`."""
    about, labels = read_facts(path)
    interpreter = interpreter_of(model_path=str(path), num_threads=available_cores())
    with quiet():
        interpreter.allocate_tensors()
    names = _output_names(interpreter, path)
    source = interpreter.get_input_details()[0]
    targets = {name: interpreter.get_output_details()[number] for name, number in names.items()}

    def outputs(images: np.ndarray) -> dict[str, np.ndarray]:
        parts: dict[str, list[np.ndarray]] = {name: [] for name in targets}
        for start in range(0, len(images), _BATCH):
            part = np.ascontiguousarray(images[start : start + _BATCH])
            if tuple(interpreter.get_input_details()[0]["shape"]) != part.shape:
                interpreter.resize_tensor_input(source["index"], part.shape)
                interpreter.allocate_tensors()
            interpreter.set_tensor(source["index"], part)
            interpreter.invoke()
            for name, target in targets.items():
                parts[name].append(interpreter.get_tensor(target["index"]).copy())
        return {name: np.concatenate(found) for name, found in parts.items()}

    def answer(images: np.ndarray) -> np.ndarray:
        return outputs(images)["probabilities"]

    sides = [_tensor(name, target) for name, target in targets.items()]
    signatures = {name: ([_tensor("images", source)], sides) for name in interpreter.get_signature_list()}
    both = outputs if "novelty" in targets else None
    return LoadedArtefact(about, answer, labels, signatures, outputs=both)


def _output_names(interpreter: Any, path: Path) -> dict[str, int]:
    """The outputs of the one signature, and which tensor of the graph each is.

    Raises:
        UserError: it is no file of ours.
    """
    expected = "one signature from images to probabilities, as `transferkit export` writes it"
    sides = list(interpreter.get_signature_list().values())
    taken = [["probabilities"], ["novelty", "probabilities"]]
    if len(sides) != 1 or sides[0]["inputs"] != ["images"] or sorted(sides[0]["outputs"]) not in taken:
        raise UserError(fault("export", str(path), expected))
    details = interpreter.get_output_details()
    if len(details) != len(sides[0]["outputs"]) or len(interpreter.get_input_details()) != 1:
        raise UserError(fault("export", str(path), expected))
    # Tensors have names of their own; probabilities have a row of classes for each image.
    found = {"probabilities" if len(one["shape"]) == 2 else "novelty": n for n, one in enumerate(details)}
    if sorted(found) != sorted(sides[0]["outputs"]):
        raise UserError(fault("export", str(path), expected))
    return dict(sorted(found.items(), reverse=True))


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
