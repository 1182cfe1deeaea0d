"""A ``.keras`` file of Keras's own layers alone: it opens in any Keras 3, without transferkit.

The file is a zip archive; labels and facts are members of it (``unzip -p model.keras labels.txt``), which
Keras passes over.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.export.export_spec import ExportSpec
from transferkit.export.formats._base import EXACT, LoadedArtefact, Tensor
from transferkit.export.formats._zipped import add_facts, read_facts

__all__ = ["EXTRA", "FILE", "FUNCTIONAL", "NEEDS", "TITLE", "TOLERANCE", "USAGE", "read", "write"]

FILE = "model.keras"
TITLE = "Keras"
TOLERANCE = EXACT
NEEDS: tuple[str, ...] = ("keras",)
EXTRA = None
FUNCTIONAL = True
USAGE = """\
import zipfile
import keras
import numpy as np
from PIL import Image, ImageOps

model = keras.saving.load_model({path!r})
labels = zipfile.ZipFile({path!r}).read("labels.txt").decode().split("\\n")
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB").resize(({width}, {height}))
probabilities = model.predict(np.asarray(photo)[None], verbose=0)[0]
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
    add_facts(path, export_spec.about)


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

    if len(model.inputs) != 1 or len(model.outputs) != 1:
        expected = "a model from images to probabilities, as `transferkit export` writes it"
        raise UserError(fault("export", str(path), expected))

    def answer(images: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict(images, batch_size=_BATCH, verbose=0))

    source = Tensor(model.inputs[0].name, str(model.inputs[0].dtype), tuple(model.inputs[0].shape))
    target = Tensor("probabilities", str(model.outputs[0].dtype), tuple(model.outputs[0].shape))
    return LoadedArtefact(about, answer, labels, {"call": ([source], [target])})
