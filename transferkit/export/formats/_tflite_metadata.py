"""TFLite's own metadata, which MediaPipe's and ML Kit's image classifiers read.

A flat buffer inside the model says that the input is an RGB image, how its pixels are normalised, and which
file behind the model names the classes:
https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs. The
package that writes it for others brings OpenCV along; these few tables are written by their numbers there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np

from transferkit.export.export_spec import About
from transferkit.export.formats._tflite_bytes import pack_model
from transferkit.export.formats._zipped import LABELS

__all__ = ["METADATA", "with_metadata"]

METADATA = "TFLITE_METADATA"  # of the model's buffer that holds it
_IDENTIFIER, _PARSER = b"M001", "1.0.0"
# Numbers of the schema: what a file or a tensor is, and what is done to it.
_AXIS_LABELS, _RGB = 2, 1
_FEATURE, _IMAGE = 1, 2
_NORMALISATION, _THRESHOLD = 1, 3


def with_metadata(model: bytes, about: About) -> bytes:
    """A model with its metadata; what it held under that name is replaced.

    Args:
        model: TFLite's bytes, of one graph from images to probabilities.
        about: the classes' file lies behind the model, as
            :func:`transferkit.export.formats._zipped.add_facts` puts it there.
    """
    from transferkit.private.tensorflow_names import tflite_schema

    schema = tflite_schema()
    whole = schema.ModelT.InitFromPackedBuf(model, 0)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(_metadata(about), np.uint8)
    known = [one for one in whole.metadata or () if one.name not in (METADATA, METADATA.encode())]
    named = schema.MetadataT()
    named.name, named.buffer = METADATA, len(whole.buffers)
    whole.buffers.append(buffer)
    whole.metadata = [*known, named]
    return pack_model(whole)


def _metadata(about: About) -> bytes:
    b = flatbuffers.Builder(1024)
    text = b.CreateString
    # The network takes pixels as they are: whatever its backbone wants of them happens inside.
    normalisation = _table(b, [_floats(b, [0.0]), _floats(b, [1.0])])
    content = _table(b, [("uint8", _IMAGE), _table(b, [("int8", _RGB)])])
    image = _table(
        b,
        [
            text("images"),
            text(f"RGB of 0 to 255, {about.input_size[0]} high, {about.input_size[1]} wide"),
            None,
            content,
            _vector(b, [_table(b, [("uint8", _NORMALISATION), normalisation])]),
            _table(b, [_floats(b, [255.0]), _floats(b, [0.0])]),
        ],
    )
    labels = _table(b, [text(LABELS), text("A class a line, in their order"), ("int8", _AXIS_LABELS)])
    units = []
    if about.threshold is not None and not about.multi_label:
        # Readers name no class below it: the model abstains.
        units.append(_table(b, [("uint8", _THRESHOLD), _table(b, [("float32", about.threshold)])]))
    probabilities = _table(
        b,
        [
            text("probabilities"),
            text("Probability of each class"),
            None,
            _table(b, [("uint8", _FEATURE), _table(b, [])]),
            _vector(b, units) if units else None,
            _table(b, [_floats(b, [1.0]), _floats(b, [0.0])]),
            _vector(b, [labels]),
        ],
    )
    graph = _table(b, [None, None, _vector(b, [image]), _vector(b, [probabilities])])
    model = _table(
        b,
        [
            text(f"{about.backbone or 'image'} classifier"),
            text(f"{about.preprocessing}. Written by transferkit {about.transferkit}."),
            None,
            _vector(b, [graph]),
            None,
            None,
            None,
            text(_PARSER),
        ],
    )
    b.Finish(model, _IDENTIFIER)
    return bytes(b.Output())


def _table(builder: Any, fields: Sequence[int | tuple[str, float] | None]) -> int:
    """A table of these fields in their order: an offset, a scalar with its type, or nothing."""
    builder.StartObject(len(fields))
    scalars = {
        "int8": builder.PrependInt8Slot,
        "uint8": builder.PrependUint8Slot,
        "float32": builder.PrependFloat32Slot,
    }
    for number, one in enumerate(fields):
        if isinstance(one, tuple):
            kind, value = one
            scalars[kind](number, value, 0)
        elif one is not None:
            builder.PrependUOffsetTRelativeSlot(number, one, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: Any, values: Sequence[float]) -> int:
    return int(builder.CreateNumpyVector(np.asarray(values, np.float32)))
