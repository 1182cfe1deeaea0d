"""What runs a frozen prefix, and the TensorFlow engines.

An engine is made for one cut and one image size and is called with any number of images. Outputs are float32
whatever the backbone computes in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from transferkit.backbones.precision import computing_in, computing_layers
from transferkit.cpu import available_cores
from transferkit.files.whole_file import write_whole_shared
from transferkit.private.tensorflow_names import constants_of

__all__ = ["CutLike", "Engine", "FoldedEngine", "TensorFlowEngine", "folded_file", "trace"]


class CutLike(Protocol):
    """What is needed of a cut.

    Attributes:
        prefix: uint8 ``[N, h, w, 3]`` to float32 ``[N, *shape]``, its variables frozen.
        shape: of one image's output.
        fingerprint: hexadecimal digest of preprocessing, architecture, weights and place of the cut.
    """

    @property
    def prefix(self) -> Callable[[Any], Any]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def fingerprint(self) -> str: ...


class Engine(Protocol):
    """Runs a prefix.

    Attributes:
        name: as ``activations.engine`` names it, for the log.
    """

    name: str

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """uint8 ``[n, h, w, 3]`` to float32 ``[n, *shape]``, for any ``n`` of at least one."""


def trace(cut: CutLike, size: tuple[int, int], batch: int | None = None, precision: str = "float32") -> Any:
    """The prefix as a concrete function of uint8 ``[batch, h, w, 3]``; any batch size where None.

    Args:
        cut: whose frozen prefix it is.
        size: height and width in pixels.
        batch: images in a batch.
        precision: that its layers compute in, ``"float32"``, ``"bfloat16"`` or ``"float16"``.

    Returns:
        Gives float32 ``[batch, *cut.shape]``.

    Raises:
        ValueError: it has no layers that could compute in another precision.
    """
    layers = [inner for one in getattr(cut, "prefix_layers", ()) for inner in computing_layers(one)]
    if precision != "float32" and not layers:
        raise ValueError(f"the backbone shows no layers that could compute in {precision}")

    def run(images: tf.Tensor) -> tf.Tensor:
        if precision == "float32":
            return tf.cast(cut.prefix(images), tf.float32)
        with computing_in(f"mixed_{precision}", layers):
            return tf.cast(cut.prefix(images), tf.float32)

    return tf.function(run, autograph=False).get_concrete_function(tf.TensorSpec([batch, *size, 3], tf.uint8))


class TensorFlowEngine:
    """The traced prefix as it is, on whatever device TensorFlow puts it.

    Args:
        traced: what :func:`trace` gives.
        jit: compile it with XLA: one program for ``batch`` images, smaller batches are filled up.
    """

    def __init__(self, traced: Any, jit: bool = False, batch: int = 64) -> None:
        self.name = "tensorflow-xla" if jit else "tensorflow"
        self._run = tf.function(traced, jit_compile=True) if jit else traced
        self._batch = batch if jit else None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if self._batch is None:
            result: np.ndarray = self._run(tf.constant(images)).numpy()
            return result
        parts = []
        for start in range(0, len(images), self._batch):
            part = images[start : start + self._batch]
            short = self._batch - len(part)
            filled = np.concatenate([part, np.repeat(part[:1], short, 0)]) if short else part
            parts.append(self._run(tf.constant(filled)).numpy()[: len(part)])
        return np.concatenate(parts)


def folded_file(make: Callable[[], Any], file: Path) -> Path:
    """The prefix with its variables folded into constants, as a graph in a file.

    Args:
        make: gives the traced prefix; called only where the file does not hold the graph yet.
        file: where it is kept.

    Raises:
        ValueError: the graph is larger than a protocol buffer may be, 2 GiB.
        OSError: the file cannot be written.
    """
    if not _is_whole(file):
        graph_def = _fold(make())
        data = graph_def.SerializeToString()
        write_whole_shared(file, data)
        write_whole_shared(_digest_file(file), hashlib.sha256(data).hexdigest().encode())
    return file


class FoldedEngine:
    """The prefix as constants alone: on a CPU Grappler then folds batch norms into convolutions.

    It is called with a few images at a time: as fast on a CPU as with many, and the tensors between two
    layers stay small. (Measured: the first 64 images of MobileNetV2 at once took 2.7 s, mostly for getting
    memory, and 0.4 s by eights.)

    Args:
        file: what :func:`folded_file` wrote.
    """

    name = "tensorflow"

    def __init__(self, file: Path) -> None:
        graph_def = tf.compat.v1.GraphDef.FromString(file.read_bytes())

        def run() -> None:
            tf.graph_util.import_graph_def(graph_def, name="")

        wrapped = tf.compat.v1.wrap_function(run, [])
        self._run = wrapped.prune(
            wrapped.graph.as_graph_element(f"{_INPUT}:0"), wrapped.graph.as_graph_element(f"{_OUTPUT}:0")
        )
        self._few = max(8, 2 * available_cores())

    def __call__(self, images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), self._few)
        parts = [self._run(tf.constant(images[start : start + self._few])).numpy() for start in starts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _is_whole(file: Path) -> bool:
    """Whether file and digest belong together: a torn graph could be read as a smaller, sound one."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest() == _digest_file(file).read_text(encoding="ascii")
    except (OSError, ValueError):
        return False


def _digest_file(file: Path) -> Path:
    return file.with_suffix(".sha256")


def _fold(traced: Any) -> tf.compat.v1.GraphDef:
    folded = constants_of(traced)
    graph_def = folded.graph.as_graph_def()
    # The input is named by the argument of the traced function; the output gets a name that is as fixed.
    graph_def.node.add(op="Identity", name=_OUTPUT, input=[folded.outputs[0].name], attr={"T": _FLOAT})
    return graph_def


_INPUT, _OUTPUT = "images", "transferkit_activations"
_FLOAT = tf.compat.v1.AttrValue(type=tf.float32.as_datatype_enum)
