"""Whole models in ``.keras`` or ``.h5`` files as backbones.

The file is loaded in safe mode. Models inside the model are laid open, so that any of their layers can be a
cut; a classification top is left out; what the pixels have to be is taken from the file, from the card of
the same network, or from the user, and never guessed.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import h5py

from transferkit.backbones._keras import keras, outputs_of, own_names
from transferkit.backbones.backbone import Origin
from transferkit.backbones.flatten import flat, flat_operations, free_name
from transferkit.backbones.functional import FunctionalBackbone
from transferkit.backbones.layer_graph import steps
from transferkit.backbones.normalise_pixels import Pixels
from transferkit.backbones.stages import stages_of
from transferkit.backbones.weights.digest import of_path
from transferkit.card import NORMALISATIONS, Card
from transferkit.code_permission import allowed
from transferkit.errors import UserError, did_you_mean, fault
from transferkit.find_card import list_cards
from transferkit.type_names import Tensor

__all__ = ["load_keras_file"]

_USUAL_SIZE = (224, 224)
# What may stand between the input and the first weights without changing the pixels' values.
_HARMLESS = ("InputLayer", "ZeroPadding2D", "Cropping2D", "Resizing", "Identity")


def load_keras_file(
    path: str,
    *,
    reference: str,
    input_size: tuple[int, int] | None = None,
    normalisation: str | None = None,
    features: str | None = None,
    card: Card | None = None,
) -> FunctionalBackbone:
    """Loads a whole model from a file.

    Args:
        path: a ``.keras`` file, or an ``.h5`` file with model and weights.
        reference: what the user wrote.
        input_size: height and width; the model's own if None.
        normalisation: what the model's pixels are (a key of :data:`transferkit.card.NORMALISATIONS`); None
            takes it from the layers in the file, or from the card of the same network.
        features: the layer whose output are the features; None leaves out a classification top.
        card: the facts, where a card names the file.

    Raises:
        UserError: the file cannot be read, holds code, takes no image, or does not tell its pixels.
    """
    file = Path(path).expanduser()
    model = _read(file, reference)
    _check_input(model, reference)
    card = card or _recognised(model)
    kind = _normalisation(model, normalisation, card, reference)
    height, width = (wanted or own or usual for wanted, own, usual in _sizes(model, input_size))
    with own_names():
        images = keras.Input((height, width, 3), dtype="float32", name=free_name("images", model))
        pixels = Pixels(kind, name=free_name("pixels", model))(images)
        try:
            whole = keras.Model(images, flat(model, pixels), name=file.stem)
        except (ValueError, TypeError) as error:
            hint = f"the model does not take {height} x {width} pixels: {_first(error)}"
            raise UserError(fault("backbone.input_size", [height, width], hint=hint)) from error
        known = list(card.stages.values())[-1:] if card else []
        top = _features(whole, features or (known[0] if known else None), reference)
        body = keras.Model(images, _pooled(top, reference), name=file.stem)
    origin = Origin(card.name if card else file.stem, reference, reference, of_path(file), card)
    return FunctionalBackbone(body, origin, stages_of(body, card))


def _read(file: Path, reference: str) -> Any:
    if not file.is_file():
        raise UserError(fault("backbone", reference, "a .keras or .h5 file", "no such file"))
    if file.suffix not in (".keras", ".h5", ".hdf5"):
        raise UserError(
            fault("backbone", reference, "a .keras or .h5 file", "for a folder take saved_model:PATH")
        )
    whole = zipfile.is_zipfile(file) if file.suffix == ".keras" else h5py.is_hdf5(file)
    if not whole:
        size = file.stat().st_size
        raise UserError(
            fault("backbone", reference, "a whole model file", f"it is cut short or no model ({size} bytes)")
        )
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=not allowed())
    except Exception as error:
        text = str(error)
        if "Lambda" in text or "safe_mode" in text or "unsafe" in text.lower():
            raise UserError(
                fault(
                    "backbone",
                    reference,
                    "a model without code in it",
                    "it holds a Lambda layer, that is Python code which would run on this machine, or a "
                    "TFSMLayer, a SavedModel; if you trust who made the file, allow it with --allow-code",
                )
            ) from error
        hint = f"Keras cannot load it: {_first(error)}"
        raise UserError(fault("backbone", reference, "a whole model file", hint)) from error


def _check_input(model: keras.Model, reference: str) -> None:
    shapes = [tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or ()]
    if len(shapes) == 1 and len(shapes[0]) == 4 and shapes[0][-1] in (3, None):
        return
    received = (
        ", ".join(str(list(shape)) for shape in shapes) or "no inputs that are known before it is called"
    )
    raise UserError(
        fault(
            "backbone", reference, "a model that takes images [N, height, width, 3]", f"it takes {received}"
        )
    )


def _sizes(model: keras.Model, wanted: tuple[int, int] | None) -> list[tuple[int | None, int | None, int]]:
    own = tuple(model.inputs[0].shape[1:3])
    return list(zip(wanted or (None, None), own, _USUAL_SIZE, strict=True))


def _normalisation(model: keras.Model, given: str | None, card: Card | None, reference: str) -> str:
    known = ", ".join(NORMALISATIONS)
    if given is not None:
        if given not in NORMALISATIONS:
            hint = did_you_mean(given, NORMALISATIONS)
            raise UserError(fault("backbone.options.normalisation", given, f"one of {known}", hint))
        return given
    if _prepares(model):
        return "none"
    if card is not None:
        return card.normalisation
    raise UserError(
        fault(
            "backbone.options.normalisation",
            hint=f"expected one of {known}; {reference} has no layer that rescales pixels and is no "
            "network that has a card, so say what its pixels were in training: "
            "--set backbone.options.normalisation=tf",
        )
    )


def _prepares(model: keras.Model) -> bool:
    """Whether something in the model works on the pixels before its first weights do."""
    operations = flat_operations(model)
    for operation in operations:
        if type(operation).__name__ in ("Rescaling", "Normalization"):
            return True
        if getattr(operation, "variables", ()):
            return False
        if type(operation).__name__ not in _HARMLESS:
            return True
    return False


def _recognised(model: keras.Model) -> Card | None:
    """The card of the same network: it has all its stages, and as many weights up to the last of them."""
    operations = flat_operations(model)
    names = [operation.name for operation in operations]
    for card in list_cards():
        if not card.constructor or not card.stages or not set(card.stages.values()) <= set(names):
            continue
        last = names.index(list(card.stages.values())[-1])
        layers = [one for one in operations[: last + 1] if isinstance(one, keras.layers.Layer)]
        if sum(layer.count_params() for layer in layers) == card.parameters:
            return card
    return None


def _features(model: keras.Model, wanted: str | None, reference: str) -> Any:
    outputs = outputs_of(model)
    order = steps(model)
    if wanted is not None:
        if wanted not in outputs:
            names = [step.name for step in order]
            raise UserError(
                fault(
                    "backbone.options.features",
                    wanted,
                    f"a layer of {reference}",
                    did_you_mean(wanted, names),
                )
            )
        return outputs[wanted]
    kinds = {operation.name: type(operation).__name__ for operation in model.operations}
    dense = {layer.name: layer for layer in model.layers if isinstance(layer, keras.layers.Dense)}
    tail = [step for step in order if step.cuttable]
    # From the top down: a softmax, the layer of its logits, the dropout below them.
    while tail and (
        kinds[tail[-1].name] in ("Softmax", "Activation", "Dropout")
        or (
            tail[-1].name in dense
            and _classifies(dense[tail[-1].name], tail[-1].name == order[-1].name, kinds, order)
        )
    ):
        tail.pop()
    return outputs[tail[-1].name]


def _classifies(layer: keras.Layer, last: bool, kinds: dict[str, str], order: list[Any]) -> bool:
    """A dense layer is a classification top if it ends in class probabilities."""
    name = getattr(layer.activation, "__name__", "")
    return name in ("softmax", "sigmoid") or (not last and kinds[order[-1].name] in ("Softmax", "Activation"))


def _pooled(tensor: Tensor, reference: str) -> Tensor:
    if len(tensor.shape) == 4:
        return keras.layers.GlobalAveragePooling2D(name="transferkit_pool")(tensor)
    if len(tensor.shape) == 2:
        return tensor
    raise UserError(
        fault("backbone.options.features", list(tensor.shape), f"features [N, width] or a map of {reference}")
    )


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
