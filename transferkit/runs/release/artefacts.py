"""What a run hands over: its network in the wanted formats, each as one file or folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.backbones import Backbone
from transferkit.backbones.functional import FunctionalBackbone
from transferkit.card import NORMALISATIONS
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.reader import read_images
from transferkit.errors import Faults, UserError, fault
from transferkit.export.export_spec import About, ExportSpec
from transferkit.export.formats import check_installed, load_format
from transferkit.runs.calibration.calibrate import Calibrated
from transferkit.training.parts import Parts
from transferkit.transfer.network import Network

__all__ = ["check_formats", "make_export_spec", "photos_of", "wanted_formats", "write_formats"]


def wanted_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """The formats to write: the SavedModel always, and first."""
    return ("saved_model", *(name for name in formats if name != "saved_model"))


def check_formats(formats: Sequence[str], backbone: Backbone) -> None:
    """Refuses, before any training, what cannot be exported in the end.

    Raises:
        UserError: a format's packages are not installed, or it cannot hold this backbone.
    """
    faults = Faults()
    for name in formats:
        with faults.caught():
            check_installed(name, "export.formats")
        if load_format(name).FUNCTIONAL and not isinstance(backbone, FunctionalBackbone):
            expected = f"a backbone whose layers Keras knows; {backbone.reference} is one opaque function"
            hint = "leave this format out; the SavedModel, TFLite and ONNX carry such a backbone"
            faults.append(fault("export.formats", name, expected, hint))
        elif (
            isinstance(backbone, FunctionalBackbone)
            and load_format(name).FUNCTIONAL
            and (kinds := _unrestorable(backbone))
        ):
            expected = f"a backbone that Keras can read from a file; it fails for {', '.join(kinds)}"
            hint = "leave this format out; the SavedModel, TFLite and ONNX carry such a backbone"
            faults.append(fault("export.formats", name, expected, hint))
    faults.refuse()


def _unrestorable(backbone: FunctionalBackbone) -> list[str]:
    from transferkit.export.plain_keras import unrestorable

    return unrestorable(backbone)


def make_export_spec(
    parts: Parts,
    network: Network,
    calibrated: Calibrated,
    photos: Callable[[int], Iterator[np.ndarray]] | None = None,
) -> ExportSpec:
    """The network as exports take it.

    Args:
        parts: backbone and recipe of the network.
        network: with its final weights and temperature.
        calibrated: the threshold among it.
        photos: of the training, for formats that measure on some.
    """
    backbone, recipe = parts.backbone, parts.recipe
    classes = tuple(parts.classes)
    decoding = Decoding.of(recipe.data, backbone.input_size)
    about = About(
        classes=classes,
        input_size=decoding.size,
        resize=decoding.resize,
        background=decoding.background,
        exif=decoding.exif,
        depth=decoding.depth,
        backbone=recipe.backbone.name,
        preprocessing=_preprocessing(backbone, decoding),
        multi_label=network.head.multi_label,
        thresholds=tuple(network.head.thresholds) if network.head.multi_label else (),
        temperature=network.temperature,
        threshold=calibrated.abstention.threshold if calibrated.abstention else None,
        precision=calibrated.precision if calibrated.abstention else None,
        false_alarms=recipe.evaluation.wanted_false_alarms if network.novelty is not None else None,
    )

    every_format = recipe.evaluation.false_alarms != "auto"

    def keras_model() -> Any:
        from transferkit.export.plain_keras import plain_model

        assert isinstance(backbone, FunctionalBackbone)  # noqa: S101 -- for the type checker
        return plain_model(backbone, network, every_format and network.novelty is not None)

    shape = tf.TensorSpec([None, *about.input_size, 3], tf.uint8, name="images")
    return ExportSpec(
        # Without a signature: a quantiser traces it with float pixels.
        probabilities=_Probabilities(network, shape),
        variables=[*network.variables, *(network.novelty.variables if network.novelty is not None else ())],
        about=about,
        keras_model=keras_model if isinstance(backbone, FunctionalBackbone) else None,
        photos=photos,
        every_format=every_format,
        with_novelty=None
        if network.novelty is None
        else tf.function(network.probabilities_and_novelty, autograph=False, input_signature=[shape]),
    )


class _Probabilities:
    """Traced once for uint8 images, whatever calls it; for other types as they come."""

    def __init__(self, network: Network, shape: tf.TensorSpec) -> None:
        self._function = tf.function(network.probabilities, autograph=False, reduce_retracing=True)
        self._traced = self._function.get_concrete_function(shape)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        return self._traced(images) if images.dtype == tf.uint8 else self._function(images)


def photos_of(paths: Sequence[str], decoding: Decoding, seed: int) -> Callable[[int], Iterator[np.ndarray]]:
    """Gives up to so many of these files, drawn by the seed, decoded; those that cannot be are left out.

    Args:
        paths: image files.
        decoding: of their pixels.
        seed: says which are drawn.

    Returns:
        From a number to uint8 ``[height, width, 3]`` each.
    """

    def photos(most: int) -> Iterator[np.ndarray]:
        chosen = np.random.default_rng(seed).permutation(len(paths))[:most]
        for batch in read_images([(None, paths[index]) for index in np.sort(chosen)], decoding):
            yield from batch.images

    return photos


def write_formats(
    export_spec: ExportSpec, formats: Sequence[str], folder: Path, written: Callable[[str, Path], None]
) -> dict[str, str]:
    """Writes each format into a version's folder.

    Args:
        export_spec: what to export.
        formats: the SavedModel first, since it makes the folder what servers look for.
        folder: there already.
        written: told of each format and its file once it is whole.

    Returns:
        Format to reason for those that could not be written.
    """
    reasons = {}
    for name in formats:
        one = load_format(name)
        path = folder / one.FILE if one.FILE else folder
        try:
            one.write(export_spec, path)
        except Exception as error:  # converters raise what they like for an operation that they lack
            lines = [line for line in str(error).splitlines() if line.strip()] or [""]
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            reasons[name] = f"it cannot be written: {kind}{lines[0][:300]}"
            if path != folder:
                path.unlink(missing_ok=True)
        else:
            written(name, path)
    return reasons


def _preprocessing(backbone: Backbone, decoding: Decoding) -> str:
    card = backbone.card
    pixels = NORMALISATIONS[card.normalisation][1] if card is not None else "as the network's own layers say"
    return (
        f"takes RGB pixels of 0 to 255 and computes inside: {pixels}; photos were {decoding.describe()}, "
        "which a SavedModel does inside as well"
    )
