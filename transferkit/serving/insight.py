"""What stands behind an answer, where a run is served: the heat map, and the nearest training photos."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from transferkit.code_permission import allowing
from transferkit.data.check.thumbnail import data_uri, heated, thumbnail
from transferkit.errors import UserError
from transferkit.runs.features.extractor import Extractor
from transferkit.runs.features.similar import nearest
from transferkit.runs.features.training_features import RunFeatures, features_of_run
from transferkit.runs.finished.restore import restore
from transferkit.runs.finished.run import Run
from transferkit.runs.results.mistake_heatmaps import heat_function
from transferkit.training.progress import Progress

__all__ = ["Insight", "Near"]

_SIDE = 320  # pixels of the longer side of what is shown
_THUMBNAIL = 160


@dataclass(frozen=True)
class Near:
    """A training photo near a photo: its place, class, distance, and a small picture of it as a data URI."""

    path: str
    label: str
    distance: float
    picture: str | None


class Insight:
    """A run's own network, opened when it is first asked. To be asked by one thread at a time.

    Args:
        run: the run.
        allow_code: as of :func:`transferkit.retrain`.
    """

    def __init__(self, run: Run, allow_code: bool = False) -> None:
        self._run, self._allow_code = run, allow_code
        self._lock = threading.Lock()
        self._parts: Any = None
        self._network: Any = None
        self._heat: Any = None
        self._trained: RunFeatures | None = None

    def heat(self, image: np.ndarray, class_id: int, shape: tuple[int, int] | None = None) -> str | None:
        """The image with what speaks for a class laid over it, as a data URI; None where there is no map.

        Args:
            image: uint8 ``[h, w, 3]``, as the network sees it.
            class_id: the class to explain.
            shape: height and width to show it in, where the image was stretched.

        Raises:
            UserError: the run's network cannot be made again.
        """
        from PIL import Image

        with self._lock:
            self._open()
            if self._heat is None:
                return None
            (heat,) = self._heat(image[np.newaxis], np.array([class_id]))
        height, width = shape or image.shape[:2]
        scale = _SIDE / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return data_uri(heated(Image.fromarray(image).resize(size), heat))

    def neighbours(self, image: np.ndarray, count: int) -> list[Near]:
        """The training photos that are most like an image uint8 ``[h, w, 3]``, the nearest first.

        Raises:
            UserError: the run's network cannot be made again, or its training photos are gone.
        """
        with self._lock:
            self._open()
            trained = self._known()
            asked = self._features(image[np.newaxis])
        (distances,), (places,) = nearest(asked, trained.values, count)
        return [
            Near(
                trained.paths[place],
                trained.rows[place].label,
                float(distance),
                thumbnail(trained.paths[place], _THUMBNAIL),
            )
            for distance, place in zip(distances, places, strict=True)
        ]

    def prepare(self) -> None:
        """Does beforehand what the first photo would wait for, as far as it can be done."""
        with self._lock, contextlib.suppress(UserError):
            self._open()
            self._known()

    def _open(self) -> None:
        if self._network is None:
            with allowing(self._allow_code):
                self._run.admit_code()
                self._parts, self._network = restore(self._run)
            self._heat = heat_function(self._parts)

    def _known(self) -> RunFeatures:
        if self._trained is None:
            size, width = self._parts.backbone.input_size, self._parts.backbone.feature_width
            with allowing(self._allow_code):
                extractor = Extractor(self._network, self._run.recipe, size, width)
                self._trained = features_of_run(self._run, extractor, Progress(quiet=True))
        return self._trained

    @cached_property
    def _features(self) -> Callable[[np.ndarray], np.ndarray]:
        import tensorflow as tf

        shape = tf.TensorSpec([None, *self._parts.backbone.input_size, 3], tf.uint8)
        features = tf.function(lambda images: self._network.features({"images": images}), autograph=False)
        traced = features.get_concrete_function(shape)
        return lambda images: traced(tf.constant(images)).numpy()
