"""A TFLite model taken apart: which operations have weights, and how parts of it run by themselves."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np

from transferkit.export.formats._tflite_interpreter import interpreter_of
from transferkit.private.tensorflow_names import tflite_schema

__all__ = ["Graph", "interpreter"]

schema = tflite_schema()
_WEIGHTED = {
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
}


class Graph:
    """A model of one graph, taken apart; what is changed here is in :meth:`to_bytes`.

    Args:
        model: a TFLite model.
    """

    def __init__(self, model: bytes) -> None:
        self._model = schema.ModelT.InitFromPackedBuf(model, 0)
        self._graph = self._model.subgraphs[0]
        self.inputs, self.outputs = list(self._graph.inputs), list(self._graph.outputs)
        self.operators: list[Any] = self._graph.operators

    def weighted(self) -> list[int]:
        """Numbers of the operations whose second input is weights that the model holds, in order."""
        return [
            number
            for number, one in enumerate(self.operators)
            if self.kind(number) in _WEIGHTED and self._constant(one.inputs[1])
        ]

    def kind(self, number: int) -> int:
        """The built-in code of operation ``number``."""
        result: int = self._model.operatorCodes[self.operators[number].opcodeIndex].builtinCode
        return result

    def shape(self, tensor: int) -> tuple[int, ...]:
        """As it stands in the model, for a batch of one image."""
        return tuple(self._graph.tensors[tensor].shape)

    def largest(self) -> int:
        """Numbers in the largest tensor that an operation makes for one image."""
        made = (tensor for one in self.operators for tensor in one.outputs)
        return max(int(np.prod(np.abs(self.shape(tensor)))) for tensor in made)

    def to_real(self, tensor: int, values: np.ndarray) -> np.ndarray:
        """The numbers that ``values`` of a tensor stand for."""
        how = self._graph.tensors[tensor].quantization
        if how is None or how.scale is None or not len(how.scale):
            return values.astype(np.float32)
        result: np.ndarray = ((values.astype(np.float32) - how.zeroPoint[0]) * how.scale[0]).astype(
            np.float32
        )
        return result

    def bias(self, number: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Operation ``number``'s int32 bias, ready to be written to, and its scales.

        None where it has none, where it is of another type, or where another operation has the very same one.
        """
        inputs = self.operators[number].inputs
        if len(inputs) < 3 or inputs[2] < 0 or not self._constant(inputs[2]):
            return None
        tensor = self._graph.tensors[inputs[2]]
        users = sum(inputs[2] in one.inputs for one in self.operators)
        if tensor.type != schema.TensorType.INT32 or tensor.quantization is None or users > 1:
            return None
        if sum(one.buffer == tensor.buffer for one in self._graph.tensors) > 1:
            # Equal values are stored once, those of biases that are all zero for instance.
            self._model.buffers.append(copy.copy(self._model.buffers[tensor.buffer]))
            tensor.buffer = len(self._model.buffers) - 1
        buffer = self._model.buffers[tensor.buffer]
        if not buffer.data.flags.writeable:
            buffer.data = buffer.data.copy()
        return buffer.data.view(np.int32), np.asarray(tensor.quantization.scale)

    def needed_after(self, number: int) -> set[int]:
        """Tensors that operations from ``number`` on read, or the model gives."""
        later = {int(tensor) for one in self.operators[number:] for tensor in one.inputs}
        return later | {int(tensor) for tensor in self.outputs}

    def part(self, start: int, stop: int) -> tuple[bytes, list[int], list[int]]:
        """Operations ``start`` to ``stop``, which is left out, as a model; what it takes and gives."""
        operators = self.operators[start:stop]
        made = list(dict.fromkeys(int(tensor) for one in operators for tensor in one.outputs))
        read = dict.fromkeys(int(tensor) for one in operators for tensor in one.inputs if tensor >= 0)
        takes = [tensor for tensor in read if tensor not in made and not self._constant(tensor)]
        later = self.needed_after(stop) | {int(tensor) for tensor in operators[-1].outputs}
        gives = [tensor for tensor in made if tensor in later]
        return self._pack(operators, list(dict.fromkeys([*read, *made])), takes, gives), takes, gives

    def to_bytes(self) -> bytes:
        """The model as it now is."""
        return _packed(self._model)

    def _constant(self, tensor: int) -> bool:
        data = self._model.buffers[self._graph.tensors[tensor].buffer].data
        return data is not None and len(data) > 0

    def _pack(
        self, operators: Sequence[Any], used: Sequence[int], takes: Iterable[int], gives: Iterable[int]
    ) -> bytes:
        place = {tensor: number for number, tensor in enumerate(used)}
        model, graph = schema.ModelT(), schema.SubGraphT()
        model.version, model.operatorCodes = self._model.version, self._model.operatorCodes
        model.buffers, model.subgraphs = [schema.BufferT()], [graph]
        graph.tensors, graph.operators = [], []
        for tensor in used:
            one = copy.copy(self._graph.tensors[tensor])
            model.buffers.append(self._model.buffers[one.buffer])
            one.buffer = len(model.buffers) - 1
            graph.tensors.append(one)
        for operator in operators:
            one = copy.copy(operator)
            one.inputs = np.array([place.get(int(tensor), -1) for tensor in operator.inputs], np.int32)
            one.outputs = np.array([place[int(tensor)] for tensor in operator.outputs], np.int32)
            graph.operators.append(one)
        graph.inputs = np.array([place[tensor] for tensor in takes], np.int32)
        graph.outputs = np.array([place[tensor] for tensor in gives], np.int32)
        return _packed(model)


def _packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def interpreter(model: bytes, **settings: Any) -> Any:
    """An interpreter of ``model``, ready for a batch of one image.

    Args:
        model: TFLite's bytes.
        **settings: as of :func:`~transferkit.export.formats._tflite_interpreter.interpreter_of`.
    """
    made = interpreter_of(model_content=model, **settings)
    made.allocate_tensors()
    return made
