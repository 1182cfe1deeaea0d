"""Which parts of an image a finished run's answer rests on: Grad-CAM, as the report has it of mistakes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.data.check.thumbnail import heated, small_image
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.reader import read_images
from transferkit.errors import UserError, did_you_mean, fault
from transferkit.files.whole_file import whole_file
from transferkit.runs.finished.finished_run import FinishedRun
from transferkit.runs.finished.restore import restore
from transferkit.runs.prediction.image_files import image_files
from transferkit.runs.results.mistake_heatmaps import heatmaps

__all__ = ["Explanation", "explain"]

_AT_ONCE = 16
_GAP = 4  # pixels between the image and the image with its heat


@dataclass(frozen=True)
class Explanation:
    """What speaks for a class in one image.

    Attributes:
        path: the file.
        label: the class that is explained.
        probability: what the network gives it.
        heat: float32 ``[h, w]``, 0 to 1, over the whole image as the network saw it: the more, the more it
            speaks for the class.
    """

    path: str
    label: str
    probability: float
    heat: np.ndarray = field(repr=False)

    def picture(self, size: int = 300) -> Any:
        """The image, and beside it the image with its heat: a Pillow image.

        Args:
            size: of the image's longer side in pixels, at most.
        """
        from PIL import Image

        image = small_image(self.path, size)
        if image is None:
            raise UserError(fault("explain", self.path, "an image", "it can no longer be read"))
        both = Image.new("RGB", (2 * image.width + _GAP, image.height), "white")
        both.paste(image, (0, 0))
        both.paste(heated(image, self.heat), (image.width + _GAP, 0))
        return both

    def save(self, to: str | os.PathLike[str], size: int = 300) -> None:
        """Writes :meth:`picture` as a PNG file."""
        with whole_file(Path(to)) as beside:
            self.picture(size).save(beside, "PNG")


def explain(
    run: FinishedRun, paths: Iterable[str | os.PathLike[str]], label: str | None = None
) -> list[Explanation]:
    """Explains images by a run's network; see :meth:`transferkit.runs.finished.run.Run.explain`.

    Args:
        run: a finished Run.
        paths: image files and folders.
        label: the class to explain; that of each answer by default.

    Raises:
        UserError: no such class or file, or the backbone has no feature maps.
    """
    classes = run.classes
    if label is not None and label not in classes:
        expected = f"a class of the run ({', '.join(classes[:20])})"
        raise UserError(fault("explain", label, expected, did_you_mean(label, classes)))
    files = list(image_files(paths))
    parts, network = restore(run)
    decoding = Decoding.of(run.recipe.data, parts.backbone.input_size)
    made: list[Explanation] = []
    for batch in read_images(((None, file) for file in files), decoding, batch_size=_AT_ONCE):
        here = [files[index] for index in batch.indices]
        if not here:
            continue
        given = network.probabilities(batch.images).numpy()
        chosen = given.argmax(axis=1) if label is None else np.full(len(here), classes.index(label))
        heat = heatmaps(parts, batch.images, chosen)
        if heat is None:
            hint = "Grad-CAM needs a map that all of an answer rests on; there is none, or there are several"
            raise UserError(fault("explain", parts.backbone.name, "a backbone with feature maps", hint))
        for file, row, one, map_of in zip(here, given, chosen, heat, strict=True):
            made.append(Explanation(file, classes[one], float(row[one]), map_of))
    return made
