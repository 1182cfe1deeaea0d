"""A TensorFlow SavedModel that answers on raw image bytes, with everything it needs inside.

Signatures, both with the same outputs:

* ``serving_default``: ``bytes``, string ``[N]``, encoded images (JPEG, PNG, GIF, BMP);
* ``images``: ``images``, uint8 ``[N, H, W, 3]``, RGB images of any one size.

Outputs: ``labels``, ``scores`` and ``class_ids``, from the most to the least probable class; ``classes`` and
``probabilities``, in class order; what else there may be is in :mod:`transferkit.export.outputs`. The class
order is also in ``assets/labels.txt``, a name a line, and what the model says of itself, the threshold among
it, in ``assets/transferkit.json``. Plain TensorFlow loads it: neither transferkit nor Keras is needed.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.data.pixels.decode import decode, resize_image
from transferkit.data.pixels.decoding import Decoding
from transferkit.errors import UserError, fault
from transferkit.export.export_spec import About, ExportSpec, labels_text, read_labels
from transferkit.export.formats._base import EXACT, LoadedArtefact, Tensor
from transferkit.export.formats._zipped import ABOUT, LABELS
from transferkit.files.plain_path import plain_path

__all__ = [
    "EXTRA",
    "FILE",
    "FUNCTIONAL",
    "NEEDS",
    "TITLE",
    "TOLERANCE",
    "USAGE",
    "read",
    "read_about",
    "write",
]

FILE = ""  # the folder itself, as TensorFlow Serving wants it
TITLE = "SavedModel"
TOLERANCE = EXACT
NEEDS: tuple[str, ...] = ()
EXTRA = None
FUNCTIONAL = False
SCORES = True
USAGE = """\
import tensorflow as tf

model = tf.saved_model.load({path!r})
photo = tf.io.read_file("photo.jpg")
answer = model.signatures["serving_default"](bytes=photo[None])
for label, score in zip(answer["labels"][0, :3].numpy(), answer["scores"][0, :3].numpy()):
    print(label.decode(), score)
"""

_BATCH = 16
_SIGNATURES = {"serving_default": ["bytes"], "images": ["images"]}


@functools.lru_cache(maxsize=8)
def _traced_once(step: Callable[..., tf.Tensor], decoding: Decoding) -> Callable[[tf.Tensor], tf.Tensor]:
    """``step`` of one image; its hundreds of operations are made once for all exports of a process."""
    made: Callable[[tf.Tensor], tf.Tensor] = tf.function(lambda one: step(one, decoding), autograph=False)
    return made


class _Serving(tf.Module):  # type: ignore[misc]
    """The graph of an export: decode, resize, backbone, head, labels."""

    def __init__(self, export_spec: ExportSpec, assets: Path) -> None:
        super().__init__(name="transferkit")
        about = export_spec.about
        self._subject = export_spec
        # Tracked, so that they are saved with the functions.
        self.weights = [getattr(variable, "_value", variable) for variable in export_spec.variables]
        self.files = [tf.saved_model.Asset(str(assets / name)) for name in (LABELS, ABOUT)]
        self.labels = tf.constant(list(about.classes), tf.string)

    # Without AutoGraph: nothing here is written in Python's control flow, and converting it takes a second.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="bytes")], autograph=False)  # type: ignore[untyped-decorator]
    def from_bytes(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        result: dict[str, tf.Tensor] = self.answer(self._each(decode, encoded))
        return result

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False
    )
    def from_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        result: dict[str, tf.Tensor] = self.answer(self._each(resize_image, images))
        return result

    def _each(self, step: Callable[..., tf.Tensor], batch: tf.Tensor) -> tf.Tensor:
        """Images uint8 ``[N, h, w, 3]`` from what ``step`` makes of each element."""
        about = self._subject.about
        image = tf.TensorSpec([*about.input_size, 3], tf.uint8)
        return tf.map_fn(_traced_once(step, about.decoding), batch, fn_output_signature=image)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def answer(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        about = self._subject.about
        novelty = None
        if self._subject.with_novelty is not None:
            probabilities, novelty = self._subject.with_novelty(images)
        else:
            probabilities = self._subject.probabilities(images)
        class_ids = tf.argsort(probabilities, direction="DESCENDING", stable=True)
        outputs = {
            "labels": tf.gather(self.labels, class_ids),
            "scores": tf.gather(probabilities, class_ids, batch_dims=1),
            "class_ids": tf.cast(class_ids, tf.int64),
            "classes": tf.tile(self.labels[tf.newaxis], [tf.shape(probabilities)[0], 1]),
            "probabilities": tf.identity(probabilities, "probabilities"),
        }
        if novelty is not None:
            outputs["novelty"] = tf.identity(novelty, "novelty")
            outputs["unknown"] = novelty > 1
        if about.threshold is not None:
            outputs["confident"] = tf.reduce_max(probabilities, axis=-1) >= about.threshold
        if about.multi_label:
            outputs["present"] = probabilities >= tf.constant(about.thresholds, tf.float32)
        return outputs


def write(export_spec: ExportSpec, path: Path) -> None:
    """Writes the SavedModel into the folder ``path``, which may hold other files."""
    path.mkdir(parents=True, exist_ok=True)
    # Inside: whoever takes away what a killed process left of this folder takes these along.
    with tempfile.TemporaryDirectory(dir=path, prefix=".assets") as name:
        assets = Path(name)
        (assets / LABELS).write_text(labels_text(export_spec.about.classes), encoding="utf-8")
        (assets / ABOUT).write_text(export_spec.about.to_json(), encoding="utf-8")
        module = _Serving(export_spec, assets)
        tf.saved_model.save(
            module,
            str(path),
            signatures={"serving_default": module.from_bytes, "images": module.from_images},
        )
    # Where there are none TensorFlow leaves an empty folder for those of version 1.
    shutil.rmtree(path / "assets.extra", ignore_errors=True)


def read(path: Path) -> LoadedArtefact:
    """Loads a SavedModel. See :class:`~transferkit.export.formats._base.LoadedArtefact`.

    Raises:
        UserError: it is none that transferkit wrote.
    """
    about = read_about(path)
    try:
        model = tf.saved_model.load(plain_path(path))
    # A file that was cut short shows itself as almost any kind of error, an IndexError among them.
    except Exception as error:
        first = str(error).strip().splitlines()
        hint = f"it cannot be read, perhaps cut short: {first[0] if first else type(error).__name__}"
        raise UserError(fault("export", str(path), "a whole SavedModel", hint)) from error
    signatures = model.signatures
    if {name: list(_inputs(function)) for name, function in signatures.items()} != _SIGNATURES:
        expected = "a SavedModel with the signatures serving_default(bytes) and images(images) and no others"
        raise UserError(fault("export", str(path), expected, "`transferkit export` writes such"))

    def call(name: str, batch: Any) -> dict[str, np.ndarray]:
        (argument,) = _SIGNATURES[name]
        parts = [batch[start : start + _BATCH] for start in range(0, len(batch), _BATCH)]
        given = [signatures[name](**{argument: tf.constant(part)}) for part in parts]
        return {key: np.concatenate([one[key].numpy() for one in given]) for key in given[0]}

    def from_bytes(encoded: Sequence[bytes]) -> np.ndarray:
        return call("serving_default", list(encoded))["probabilities"]

    def answer(images: np.ndarray) -> np.ndarray:
        return call("images", images)["probabilities"]

    found = {name: _sides(function) for name, function in signatures.items()}
    try:
        labels = read_labels((path / "assets" / LABELS).read_bytes())
    except (OSError, ValueError):
        raise UserError(fault("export", str(path), f"a SavedModel with assets/{LABELS}")) from None
    return LoadedArtefact(about, answer, labels, found, from_bytes, call, model=model)


def read_about(path: Path) -> About:
    """What the SavedModel says of itself, without loading it.

    Raises:
        UserError: it says nothing: transferkit did not write it.
    """
    try:
        return About.from_json((path / "assets" / ABOUT).read_bytes())
    except (OSError, ValueError):
        expected = f"a SavedModel with assets/{ABOUT}, as `transferkit export` writes it"
        raise UserError(fault("export", str(path), expected)) from None


def _inputs(signature: Any) -> dict[str, Any]:
    result: dict[str, Any] = signature.structured_input_signature[1]
    return result


def _sides(signature: Any) -> tuple[list[Tensor], list[Tensor]]:
    inputs = [_tensor(name, spec) for name, spec in _inputs(signature).items()]
    outputs = [_tensor(name, spec) for name, spec in sorted(signature.structured_outputs.items())]
    return inputs, outputs


def _tensor(name: str, spec: Any) -> Tensor:
    shape = None if spec.shape.rank is None else tuple(spec.shape.as_list())
    return Tensor(name, spec.dtype.name, shape)
