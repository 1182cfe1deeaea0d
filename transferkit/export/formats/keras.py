"""A ``.keras`` file of Keras's own layers alone: it opens in any Keras 3, without transferkit.

The file is a zip archive; labels and facts are members of it (``unzip -p model.keras labels.txt``), which
Keras passes over.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.export.export_spec import ExportSpec
from transferkit.export.formats._base import EXACT, LoadedArtefact, Tensor
from transferkit.export.formats._zipped import add_facts, read_facts

__all__ = ["EXTRA", "FILE", "FUNCTIONAL", "NEEDS", "SCORES", "TITLE", "TOLERANCE", "USAGE", "read", "write"]

FILE = "model.keras"
TITLE = "Keras"
TOLERANCE = EXACT
NEEDS: tuple[str, ...] = ("keras",)
EXTRA = None
FUNCTIONAL = True
SCORES = True
USAGE = """\
import zipfile
import keras
import numpy as np
from PIL import Image, ImageOps

model = keras.saving.load_model({path!r})
labels = zipfile.ZipFile({path!r}).read("labels.txt").decode().split("\\n")
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB").resize(({width}, {height}))
answer = model.predict(np.asarray(photo)[None], verbose=0)
probabilities = (answer["probabilities"] if isinstance(answer, dict) else answer)[0]
print(labels[probabilities.argmax()], probabilities.max())
"""

_BATCH = 16


def write(export_spec: ExportSpec, path: Path) -> None:
    """Writes ``path``: images ``[N, h, w, 3]`` of 0..255 to probabilities float32 ``[N, classes]``.

    Raises:
        UserError: the backbone's inside is not visible.
    """
    if export_spec.keras_model is None:
        expected = "a backbone whose layers Keras knows; a Hub module or SavedModel is one opaque function"
        raise UserError(fault("export.formats", "keras", expected, "leave this format out"))
    export_spec.keras_model().save(path)
    about = export_spec.about
    add_facts(path, about if export_spec.every_format else replace(about, false_alarms=None))


def read(path: Path) -> LoadedArtefact:
    """Loads a file in safe mode, with Keras alone; gives a
    :class:`~transferkit.export.formats._base.LoadedArtefact`.

    Raises:
        UserError: it is no .keras file of an export.
    """
    about, labels = read_facts(path)
    # Not through transferkit's own door to Keras: the point is that Keras alone can read it.
    import keras

    try:
        model: Any = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        first = str(error).strip().splitlines()
        hint = f"Keras cannot load it: {first[0] if first else type(error).__name__}"
        raise UserError(fault("export", str(path), "a .keras file", hint)) from error

    outputs_of = model.output if isinstance(model.output, dict) else {"probabilities": model.output}
    scores = about.false_alarms is not None
    wanted = {"probabilities", "novelty"} if scores else {"probabilities"}
    if len(model.inputs) != 1 or set(outputs_of) != wanted or isinstance(model.output, list):
        expected = "a model from images to probabilities, as `transferkit export` writes it"
        raise UserError(fault("export", str(path), expected))

    def outputs(images: np.ndarray) -> dict[str, np.ndarray]:
        given = model.predict(images, batch_size=_BATCH, verbose=0)
        return {name: np.asarray(given[name] if scores else given) for name in outputs_of}

    def answer(images: np.ndarray) -> np.ndarray:
        return outputs(images)["probabilities"]

    source = Tensor(model.inputs[0].name, str(model.inputs[0].dtype), tuple(model.inputs[0].shape))
    targets = [Tensor(name, str(one.dtype), tuple(one.shape)) for name, one in outputs_of.items()]
    signatures = {"call": ([source], targets)}
    return LoadedArtefact(about, answer, labels, signatures, outputs=outputs if scores else None)
