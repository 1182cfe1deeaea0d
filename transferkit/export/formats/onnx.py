"""ONNX, through tf2onnx: for ONNX Runtime and whatever else reads the format."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.export.export_spec import About, ExportSpec, labels_text, read_labels
from transferkit.export.formats._base import EXACT, LoadedArtefact, Tensor

__all__ = ["EXTRA", "FILE", "FUNCTIONAL", "NEEDS", "SCORES", "TITLE", "TOLERANCE", "USAGE", "read", "write"]

FILE = "model.onnx"
TITLE = "ONNX"
TOLERANCE = EXACT
NEEDS = ("onnx", "onnxruntime", "tf2onnx")
EXTRA = "onnx"
FUNCTIONAL = False
SCORES = True
USAGE = """\
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession({path!r})
labels = session.get_modelmeta().custom_metadata_map["labels"].split("\\n")
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB").resize(({width}, {height}))
probabilities = session.run(None, {{"images": np.asarray(photo)[None]}})[0][0]
print(labels[probabilities.argmax()], probabilities.max())
"""

_OPSET = 17  # of 2022: what runtimes in use today read, and enough for every operation of the backbones
_BATCH = 16


def write(export_spec: ExportSpec, path: Path) -> None:
    """Writes ``path``: ``images`` uint8 ``[N, h, w, 3]`` to ``probabilities`` float32 ``[N, classes]``,
    and ``novelty`` float32 ``[N]`` where the run tells what is unlike its training photos.

    The metadata has ``labels``, a name a line, and ``transferkit``, what the artefact says of itself.
    """
    import onnx
    import tensorflow as tf
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    size = export_spec.about.input_size
    signature = (tf.TensorSpec([None, *size, 3], tf.uint8, name="images"),)
    asked = export_spec.with_novelty or export_spec.probabilities
    answer = tf.function(lambda images: asked(images), signature, autograph=False)
    model, _ = tf2onnx.convert.from_function(answer, input_signature=signature, opset=_OPSET)
    _name_tensors(model, len(export_spec.about.classes))
    onnx.helper.set_model_props(
        model, {"labels": labels_text(export_spec.about.classes), "transferkit": export_spec.about.to_json()}
    )
    onnx.checker.check_model(model)
    onnx.save_model(model, str(path))


def read(path: Path) -> LoadedArtefact:
    """Loads a file into ONNX Runtime. See :class:`~transferkit.export.formats._base.LoadedArtefact`.

    Raises:
        UserError: it is no model of ours.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        found = session.get_modelmeta().custom_metadata_map
        about = About.from_json(found["transferkit"])
        scores = about.false_alarms is not None
        wanted = [["images"], ["probabilities", *(["novelty"] if scores else [])]]
        if [[one.name for one in side] for side in _sides(session)] != wanted:
            raise ValueError("it has other inputs or outputs than images and probabilities")
    except Exception as error:  # ONNX Runtime has an exception class for each status code
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        expected = "an ONNX model that `transferkit export` wrote"
        raise UserError(fault("export", str(path), expected, first)) from error

    def outputs(images: np.ndarray) -> dict[str, np.ndarray]:
        parts = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
        answers = [session.run(wanted[1], {"images": part}) for part in parts]
        return {
            name: np.concatenate(of) for name, of in zip(wanted[1], zip(*answers, strict=True), strict=True)
        }

    def answer(images: np.ndarray) -> np.ndarray:
        return outputs(images)["probabilities"]

    sides = [[_tensor(one) for one in side] for side in _sides(session)]
    signatures = {"main": (sides[0], sides[1])}
    labels = read_labels(found["labels"])
    return LoadedArtefact(about, answer, labels, signatures, outputs=outputs if scores else None)


def _sides(session: Any) -> tuple[Any, Any]:
    return session.get_inputs(), session.get_outputs()


def _name_tensors(model: Any, classes: int) -> None:
    """Names the outputs ``probabilities`` and ``novelty``, and the axis of the images ``N``."""
    graph = model.graph
    names = {one.name: name for one, name in zip(graph.output, ("probabilities", "novelty"), strict=False)}
    for node in graph.node:
        for side in (node.input, node.output):
            for place, name in enumerate(side):
                side[place] = names.get(name, name)
    for output in graph.output:
        output.name = names[output.name]
    for tensor in (graph.input[0], *graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = classes


def _tensor(one: Any) -> Tensor:
    kinds = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
    shape = tuple(size if isinstance(size, int) else None for size in one.shape)
    return Tensor(one.name, kinds.get(one.type, one.type), shape)
