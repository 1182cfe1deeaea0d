"""The features of files, by a run's network or by a backbone that no run has retrained, through the cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.activations.compute import compute
from transferkit.activations.compute_settings import ComputeSettings
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.reader import Unreadable
from transferkit.devices import choose_devices
from transferkit.errors import UserError, fault
from transferkit.files.remote import is_remote
from transferkit.recipe import Recipe
from transferkit.runs.checks.preflight import checked_recipe
from transferkit.runs.finished.restore import restore
from transferkit.runs.finished.run import Run
from transferkit.training.parts import open_parts
from transferkit.training.progress import Progress
from transferkit.transfer.network import Network
from transferkit.type_names import Override

__all__ = ["Extractor", "is_run"]

_BATCH = 256  # images whose activations are held at a time


class Extractor:
    """What gives features: the backbone below a head, as it is after training.

    Args:
        network: frozen prefix and suffix; its head is not asked.
        recipe: says how photos become pixels, and which engine and cache.
        size: height and width in pixels.

    Attributes:
        network: the same.
        width: length ``D`` of a feature vector.
    """

    def __init__(self, network: Network, recipe: Recipe, size: tuple[int, int], width: int) -> None:
        self.network, self._recipe, self._size, self.width = network, recipe, size, width

    @classmethod
    def of_run(cls, run: Run) -> Extractor:
        """The network of a finished run, with the weights that it ended with."""
        parts, network = restore(run)
        return cls(network, run.recipe, parts.backbone.input_size, parts.backbone.feature_width)

    @classmethod
    def of_backbone(cls, name: str, overrides: Sequence[Override] = ()) -> Extractor:
        """A backbone with the weights that a retraining would begin with.

        Args:
            name: as ``--backbone`` takes it.
            overrides: of a recipe, such as ``"backbone.input_size=320"``.

        Raises:
            UserError: there is no such backbone, or its weights are unavailable.
        """
        recipe = checked_recipe(None, [("backbone.name", name), *overrides], components=True)
        # All of it is frozen here, whatever a retraining would train; two classes are the fewest.
        (phase,) = checked_recipe(None, ["freeze=all"]).resolved_phases
        parts = open_parts(recipe, ("", " "))
        network = parts.network(phase, parts.plan(phase), counts=[1, 1])
        return cls(network, recipe, parts.backbone.input_size, parts.backbone.feature_width)

    @classmethod
    def of(cls, model: str | os.PathLike[str], overrides: Sequence[Override] = ()) -> Extractor:
        """The network of a run where ``model`` is its folder, else the backbone of that name.

        Raises:
            UserError: it is neither; or a run is to have another recipe than its own.
        """
        if not is_run(model):
            return cls.of_backbone(os.fspath(model), overrides)
        if overrides:
            hint = "a run has a recipe of its own; values are for backbones"
            raise UserError(fault("--set", str(overrides[0]), hint=hint))
        return cls.of_run(Run(model))

    def features(
        self, items: Sequence[tuple[str, str | os.PathLike[str]]], progress: Progress, stage: str = "features"
    ) -> tuple[np.ndarray, np.ndarray, tuple[Unreadable, ...]]:
        """Features of images, computed or found in the cache.

        Args:
            items: content hash and file of each; a file whose activations are in the cache is not opened.
            progress: shows the images.
            stage: its name there.

        Returns:
            float32 ``[M, D]`` of those that can be read, bool ``[N]`` saying which those are, and the others.
        """
        recipe, cut = self._recipe, self.network.cut
        devices = choose_devices(recipe.devices)
        with progress.stage(stage, total=len({sha256 for sha256, _ in items})) as bar:
            found = compute(
                cut,
                items,
                Decoding.of(recipe.data, self._size),
                ComputeSettings.of(
                    recipe.activations,
                    f"{recipe.backbone.name} at {cut.at or 'features'}",
                    devices.names_here,
                    devices.precision,
                ),
                progress=lambda done, total: bar.update(done),
                say=progress.say,
            )
        readable = found.rows >= 0
        return self._above(found, np.flatnonzero(readable)), readable, found.failures

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """What a run's head says of features ``[N, D]``: float32 ``[N, C]``, at the run's temperature."""
        parts = [np.zeros((0, len(self.network.head.classes)), np.float32)]
        for start in range(0, len(features), _BATCH):
            standardised = self.network.standardise(features[start : start + _BATCH])
            logits = self.network.layer(standardised, training=False)
            parts.append(self.network.predictions(logits)["probabilities"].numpy())
        return np.concatenate(parts)

    def _above(self, found: Any, kept: np.ndarray) -> np.ndarray:
        import tensorflow as tf

        run = tf.function(lambda x: self.network.features({"activations": x}), autograph=False)
        shape = tf.TensorSpec([None, *self.network.cut.shape], tf.float32)
        above = run.get_concrete_function(shape)
        parts = [
            above(tf.constant(found.take(kept[start : start + _BATCH]))).numpy()
            for start in range(0, len(kept), _BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.width), np.float32)


def is_run(place: str | os.PathLike[str]) -> bool:
    """Whether a place is the folder or URL of a run, rather than the name of a backbone."""
    if is_remote(os.fspath(place)):
        return True
    folder = Path(place)
    return (folder / "metrics.json").is_file() or (folder.is_dir() and ":" not in os.fspath(place))
