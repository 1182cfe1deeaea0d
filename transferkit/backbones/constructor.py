"""Builds the network that a card's constructor names, as one flat model on raw images."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from transferkit.backbones._keras import apply, keras, own_names, seeded
from transferkit.backbones.live_normalisation import live_normalisation
from transferkit.backbones.normalise_pixels import Pixels
from transferkit.card import Card
from transferkit.errors import UserError, did_you_mean, fault
from transferkit.type_names import NamedValues

__all__ = ["build", "finish"]

# A card is data: it can name a network that Keras or transferkit brings, and cannot make other code run.
_HOMES = ("keras.applications.", "transferkit.backbones.networks.")
_TAKES = {"include_top", "weights", "input_tensor", "input_shape", "pooling"}


def build(card: Card, size: tuple[int, int] | None, options: NamedValues, seed: int = 0) -> Any:
    """A functional model ``[N, h, w, 3]`` of 0..255 → ``[N, feature_width]``, weights drawn from ``seed``.

    The constructor is called as those of ``keras.applications`` are: ``include_top=False``,
    ``weights=None``, ``pooling="avg"``, ``input_shape``, and ``input_tensor``, which comes from the
    card's normalisation.

    Args:
        card: names the constructor and its arguments.
        size: height and width; the card's own if None.
        options: arguments of the constructor that override the card's.
        seed: of the random weights.

    Raises:
        UserError: the size is below the card's minimum, or the constructor refuses an argument.
    """
    height, width = size or card.size
    _check_size(card, (height, width))
    constructor = _find(card)
    with own_names(), seeded(seed):
        images = keras.Input((height, width, 3), dtype="float32", name="images")
        pixels = Pixels(card.normalisation, name="pixels")(images)
        try:
            model = constructor(
                include_top=False,
                weights=None,
                input_tensor=pixels,
                input_shape=(height, width, 3),
                pooling="avg",
                **{**card.arguments, **options},
            )
        except (TypeError, ValueError) as error:
            if options:
                raise UserError(fault("backbone.options", options, hint=_first_line(error))) from error
            if card.arguments:
                place = f"{card.path.name}: arguments"
                raise UserError(fault(place, card.arguments, hint=_first_line(error))) from error
            raise
        # The constructor lists its inputs; here there is one, and it is the raw images.
        return keras.Model(images, model.output, name=card.name)


def finish(model: keras.Model, card: Card) -> Any:
    """The model on the same weights, once they are loaded, with normalisation that follows its weights.

    It also gets the scaling that Keras builds into a network only together with its ImageNet weights.
    """
    images = keras.Input(model.inputs[0].shape[1:], dtype="float32", name=model.inputs[0].name)
    scale = card.inner_scale

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        out = live_normalisation(operation)(*args, **kwargs)
        if scale is None or operation.name != scale.after:
            return out
        return keras.layers.Rescaling(list(scale.factors), name=f"{scale.after}_scale")(out)

    return keras.Model(images, apply(model, images, call), name=model.name)


def _check_size(card: Card, size: tuple[int, int]) -> None:
    least = card.minimum
    if least is not None and (size[0] < least[0] or size[1] < least[1]):
        raise UserError(
            fault(
                "backbone.input_size", list(size), f"at least {list(least)} (height, width) for {card.name}"
            )
        )


def _find(card: Card) -> Any:
    path = str(card.constructor)
    if not path.startswith(_HOMES):
        raise UserError(
            fault(
                f"{card.path.name}: constructor",
                path,
                "a function of keras.applications",
                "a network of your own comes as a handle: keras_file:PATH or saved_model:PATH",
            )
        )
    module, _, name = path.rpartition(".")
    try:
        home = importlib.import_module(module)
    except ModuleNotFoundError:
        raise UserError(fault(f"{card.path.name}: constructor", path, hint=f"no module {module}")) from None
    found = getattr(home, name, None)
    if not _builds(found):
        known = [one for one in dir(home) if _builds(getattr(home, one)) and not one.startswith("_")]
        raise UserError(
            fault(
                f"{card.path.name}: constructor", path, f"a function of {module}", did_you_mean(name, known)
            )
        )
    return found


def _builds(thing: Any) -> bool:
    """Whether it builds a network as those of ``keras.applications`` do, and is no class or helper."""
    return inspect.isfunction(thing) and set(inspect.signature(thing).parameters) >= _TAKES


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
