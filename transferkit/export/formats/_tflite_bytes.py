"""A TFLite model that was taken apart, as bytes again."""

from __future__ import annotations

from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np

__all__ = ["pack_model"]

_ALIGNMENT = 16  # of each buffer, as the schema of TFLite demands it; its Python classes leave that out


def pack_model(model: Any) -> bytes:
    """The bytes of a ``ModelT``."""
    from transferkit.private.tensorflow_names import tflite_schema

    schema = tflite_schema()

    class Aligned(schema.BufferT):  # type: ignore[name-defined, misc]
        def Pack(self, builder: Any) -> int:
            data = None if self.data is None else _vector(builder, np.asarray(self.data, np.uint8).tobytes())
            schema.BufferStart(builder)
            if data is not None:
                schema.BufferAddData(builder, data)
            schema.BufferAddOffset(builder, self.offset)
            schema.BufferAddSize(builder, self.size)
            return int(schema.BufferEnd(builder))

    before = model.buffers
    model.buffers = []
    for one in before:
        buffer = Aligned()
        buffer.data, buffer.offset, buffer.size = one.data, one.offset, one.size
        model.buffers.append(buffer)
    try:
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
    finally:
        model.buffers = before
    return bytes(builder.Output())


def _vector(builder: Any, data: bytes) -> int:
    builder.StartVector(1, len(data), _ALIGNMENT)
    start = builder.Head() - len(data)
    builder.head = start
    builder.Bytes[start : start + len(data)] = data
    return int(builder.EndVector())
