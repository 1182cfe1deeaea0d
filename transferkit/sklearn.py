"""A classifier of images that scikit-learn's tools take: cross validation, searches, pipelines, pickles.

::

    from sklearn.model_selection import cross_val_score
    from transferkit.sklearn import TransferClassifier

    cross_val_score(TransferClassifier(), images, labels, cv=5)

The frozen backbone runs once per distinct image, whatever folds and searches ask for; what is fitted is a
head in closed form.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from transferkit.data.hashing import hash_file
from transferkit.data.in_memory import encode_image, is_image
from transferkit.errors import UserError, fault
from transferkit.runs.checks.preflight import checked_recipe
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.training.progress import Progress

if TYPE_CHECKING:
    from transferkit.runs.features.extractor import Extractor

__all__ = ["InputError", "TransferClassifier"]


class InputError(UserError, ValueError):
    """Samples or labels that cannot be taken; scikit-learn's tools expect a ``ValueError`` of them."""


class TransferClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A frozen backbone and a head that is found at once.

    Samples are images ``[h, w, 3]`` of 0 to 255, in one array or a list, images of Pillow, or files, also
    as a table of one column.

    Args:
        backbone: as ``--backbone`` takes it.
        head: a head in closed form, such as ``"ridge"``, ``"logistic"`` or ``"prototype"``; or a table as in
            a recipe, such as ``{"kind": "ridge", "normalise": True}``.
        input_size: side in pixels; None: the backbone's own.
        random_state: of folds inside the head.

    Attributes:
        classes_: the labels, sorted.
        mean_, scale_: what standardises the features.
        weights_: of the head's layer.
    """

    def __init__(
        self,
        backbone: str = "efficientnet_lite0",
        head: str | Mapping[str, Any] = "ridge",
        input_size: int | None = None,
        random_state: int = 0,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self.input_size = input_size
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> TransferClassifier:
        """Finds the head.

        Args:
            X: the images.
            y: a label for each.

        Raises:
            InputError: an image cannot be read, or there is only one class.
            UserError: the head is none in closed form.
        """
        X = _samples(X)
        labels = _labels(y)
        if labels.ndim != 1 or len(labels) != len(X):
            raise InputError(fault("y", f"shape {labels.shape}", f"a label for each of {len(X)} images"))
        self.classes_, places = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(fault("y", f"{len(self.classes_)} class", "at least 2 classes"))
        head = self._ready_head()
        features = self._features(X)
        self.mean_ = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        scale = float(np.sqrt(np.mean(np.square(features - self.mean_), dtype=np.float64)))
        self.scale_ = scale if scale > 1e-6 else 1.0
        layer = head.fit((features - self.mean_) / self.scale_, places, self.random_state)
        if head.found is not None:
            hint = "it defines its own last layer; name ridge, kernel, random_features, logistic or prototype"
            raise UserError(fault("head", str(self.head), "a head of one layer", hint))
        self.weights_ = [np.asarray(one) for one in layer.get_weights()]
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits float32 ``[N, C]``; of two classes ``[N]``, above 0 for the second one."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities float64 ``[N, C]`` in the order of :attr:`classes_`."""
        logits = self._logits(X).astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
        return result

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each image."""
        logits = self._logits(X)
        result: np.ndarray = self.classes_[logits.argmax(axis=1)]
        return result

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags

    def _logits(self, images: Any) -> np.ndarray:
        check_is_fitted(self, "weights_")
        features = (self._features(images) - self.mean_) / self.scale_
        layer = self._ready_head().build_layer(self.random_state)
        layer.set_weights(self.weights_)
        return np.asarray(layer(features))

    def _ready_head(self) -> Any:
        start_tensorflow()
        from transferkit.heads import make_head

        table = {"kind": self.head} if isinstance(self.head, str) else dict(self.head)
        section = checked_recipe(None, [(f"head.{key}", value) for key, value in table.items()]).head
        names = [str(one) for one in self.classes_]
        head = make_head(section, _extractor(self.backbone, self.input_size).width, names)
        if not head.closed_form:
            raise UserError(fault("head", str(self.head), "a head in closed form, such as ridge or logistic"))
        if head.spec.multi_label or getattr(head.spec, "wants_levels", False):
            raise UserError(fault("head", str(self.head), "one label an image, of the last level's features"))
        return head

    def _features(self, images: Any) -> np.ndarray:
        """float32 ``[N, D]``, computed once per distinct image and kept in the cache."""
        if len(getattr(images, "shape", ())) == 3 and images.shape[2] in (3, 4):
            # Its rows would pass for grey images.
            hint = "give several images: images[np.newaxis] makes one a batch"
            raise InputError(fault("X", f"shape {tuple(images.shape)}", "[N, h, w, 3], or a list", hint))
        images = _samples(images)
        extractor = _extractor(self.backbone, self.input_size)
        with tempfile.TemporaryDirectory(prefix="transferkit-") as folder:
            items = [_item(image, number, Path(folder)) for number, image in enumerate(images)]
            features, _, failures = extractor.features(items, Progress(quiet=True))
        if failures:
            raise InputError(*(fault(f"image {one.index}", hint=one.reason) for one in failures[:10]))
        return features


def _samples(images: Any) -> Any:
    """What gives samples one by one; of a table with one column, as ensembles make it, that column."""
    if hasattr(images, "toarray"):  # of SciPy
        raise InputError(fault("X", "sparse data", "dense images, or image files"))
    if hasattr(images, "columns"):
        if len(images.columns) != 1:
            received = ", ".join(str(one) for one in images.columns)
            hint = "choose the column of image files: table['path']"
            raise InputError(fault("X", f"the columns {received}", "one column", hint))
        return list(images[images.columns[0]])
    if isinstance(images, np.ndarray) and images.ndim == 2 and images.dtype.kind in "OUS":
        if images.shape[1] != 1:
            raise InputError(fault("X", f"shape {images.shape}", "[N] or [N, 1] of image files"))
        return images[:, 0]
    return images if hasattr(images, "__len__") else list(images)


def _labels(y: Any) -> np.ndarray:
    """The labels, once each of them is one: text, a whole number, or true and false.

    NumPy would make texts of ``[1, "a", None]`` and a class of what is missing.
    """
    labels = np.asarray(y)
    if labels.dtype.kind in "OUSf" and labels.ndim == 1:
        given = list(y)
        kinds = {"text" if isinstance(one, str | bytes) else "numbers" for one in given}
        missing = [n for n, one in enumerate(given) if not _is_label(one)]
        if missing:
            received, expected = repr(given[missing[0]]), "a name or a whole number"
            hint = f"{len(missing)} of {len(given)} are none"
            raise InputError(fault(f"y[{missing[0]}]", received, expected, hint))
        if len(kinds) > 1:
            raise InputError(fault("y", "texts beside numbers", "labels of one kind"))
    return labels


def _is_label(value: Any) -> bool:
    if isinstance(value, float | np.floating):
        return bool(value == np.floor(value)) and bool(np.isfinite(value))
    return isinstance(value, str | bytes | int | np.integer | np.bool_)


def _item(image: Any, number: int, folder: Path) -> tuple[str, str | os.PathLike[str]]:
    """Content hash and file of one image; one that is no file becomes one."""
    if not is_image(image):
        try:
            # A number would be read as what is open under it.
            sha256 = None if isinstance(image, int | np.integer) else hash_file(image)
        except (TypeError, ValueError):
            sha256 = None
        if sha256 is None:
            # Not the bytes of a whole photo.
            received = image if isinstance(image, str | os.PathLike) else type(image).__name__
            raise InputError(fault(f"image {number}", str(received), "an image, or a file that can be read"))
        return sha256, image
    encoded = encode_image(image, f"image {number}")
    file = folder / f"{number}.png"
    file.write_bytes(encoded)
    return hashlib.sha256(encoded).hexdigest(), file


@functools.lru_cache(maxsize=4)
def _extractor(backbone: str, input_size: int | None) -> Extractor:
    """One for all folds and clones; a pickle carries none."""
    start_tensorflow()
    from transferkit.runs.features.extractor import Extractor

    overrides = [] if input_size is None else [("backbone.input_size", input_size)]
    return Extractor.of_backbone(backbone, overrides)
