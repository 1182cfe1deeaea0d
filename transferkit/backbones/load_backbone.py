"""From what a user writes to a Backbone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from transferkit.backbones.backbone import Backbone, Origin, Stage
from transferkit.backbones.weights.given_path import PRETRAINED
from transferkit.card import HANDLES, Card
from transferkit.code_permission import allowing
from transferkit.errors import Faults, UserError, did_you_mean, fault
from transferkit.find_card import card_of
from transferkit.type_names import NamedValues

__all__ = ["load_backbone"]


def load_backbone(
    reference: str,
    weights: str | None = "imagenet",
    input_size: tuple[int, int] | None = None,
    *,
    seed: int = 0,
    allow_code: bool | None = None,
    **options: Any,
) -> Backbone:
    """Loads a backbone.

    Args:
        reference: the name of a card (``"mobilenet_v2"``), ``card:PATH``, ``hub:HANDLE_OR_PATH``,
            ``saved_model:PATH``, ``keras_file:PATH``, ``keras_hub:PRESET``, ``hf://ORG/REPO`` or
            ``kaggle://OWNER/MODEL/FRAMEWORK/VARIATION``.
        weights: ``"imagenet"`` (or ``"pretrained"``): those that the card names or the module brings;
            ``"random"``; or a path (``.weights.h5``, ``.h5``, a TensorFlow checkpoint or a folder with one).
            None where the values do not matter: random, or the module's own where it needs them.
        input_size: height and width in pixels; the backbone's own if None.
        seed: of random weights.
        allow_code: let Lambda layers in a ``keras_file:`` run; by default where the user said so (see
            :func:`transferkit.code_permission.allowing`). No file can say it.
        **options: arguments of the card's constructor, such as ``alpha=0.25``; for the other references
            those of their adapter: ``normalisation``, and for ``keras_file:`` ``features``.

    Raises:
        UserError: no such backbone (near names are offered), or it is unavailable, read or used.
    """
    card = card_of(reference)
    with allowing(bool(allow_code)):
        if card is None:
            return _from_handle(reference, reference, weights, input_size, options, None)
        if card.handle is not None:
            return _from_handle(_beside(card), reference, weights, input_size, options, card)
    return _from_constructor(card, reference, weights or "random", input_size, seed, options)


def _from_constructor(
    card: Card,
    reference: str,
    weights: str,
    input_size: tuple[int, int] | None,
    seed: int,
    options: NamedValues,
) -> Backbone:
    from transferkit.backbones.constructor import build, finish
    from transferkit.backbones.functional import FunctionalBackbone
    from transferkit.backbones.weights.pretrained import find_weights, load_weights

    path = find_weights(weights, card, fixed=not options)
    model = build(card, input_size, options, seed)
    digest = load_weights(model, path, card)
    stages = tuple(Stage(name, layer) for name, layer in card.stages.items())
    origin = Origin(card.name, reference, weights, digest, card)
    return FunctionalBackbone(finish(model, card), origin, stages)


def _from_handle(
    handle: str,
    reference: str,
    weights: str | None,
    input_size: tuple[int, int] | None,
    options: NamedValues,
    card: Card | None,
) -> Backbone:
    scheme, _, rest = handle.partition(":")
    if scheme in ("hf", "kaggle"):
        from transferkit.backbones.weights.fetched import fetch, opened_as

        scheme, rest = opened_as(fetch(scheme, rest, reference), scheme, reference)
    arguments: NamedValues = {**(card.arguments if card else {}), **options}
    adapter: Callable[..., Backbone]
    if scheme in ("hub", "saved_model"):
        from transferkit.backbones.saved_model_backbone import load_hub, load_saved_model

        adapter = load_hub if scheme == "hub" else load_saved_model
    elif scheme == "keras_file":
        from transferkit.backbones.keras_file import load_keras_file

        adapter = load_keras_file
    else:
        from transferkit.backbones.keras_hub import load_keras_hub

        adapter = load_keras_hub
        arguments["weights"] = weights or "random"
    if weights not in (None, *PRETRAINED) and not (scheme == "keras_hub" and weights == "random"):
        hint = f"{reference} brings its own weights, leave the key out"
        raise UserError(fault("backbone.weights", weights, "'imagenet' (those of the module)", hint))
    if card is not None and scheme != "keras_hub":
        arguments.setdefault("normalisation", card.normalisation)
    _check_options(adapter, arguments, reference)
    return adapter(rest, reference=reference, input_size=input_size, card=card, **arguments)


def _check_options(adapter: Callable[..., Any], options: NamedValues, reference: str) -> None:
    known = set(inspect.signature(adapter).parameters) - {"reference", "input_size", "card"}
    taken = sorted(name for name in known if name not in ("path", "handle", "preset", "weights"))
    Faults(
        fault(
            f"backbone.options.{name}",
            options[name],
            f"one of {', '.join(taken)}" if taken else f"no options for {reference}",
            did_you_mean(name, taken),
        )
        for name in sorted(set(options) - known)
    ).refuse()


def _beside(card: Card) -> str:
    """The card's handle; a relative path in it counts from the card's folder."""
    scheme, _, rest = str(card.handle).partition(":")
    if scheme not in HANDLES or not rest:
        shown = ", ".join(f"{one}:" for one in HANDLES)
        raise UserError(
            fault(f"{card.path.name}: handle", card.handle, f"one of {shown}", did_you_mean(scheme, HANDLES))
        )
    beside = card.path.parent / rest
    return f"{scheme}:{beside}" if "://" not in rest and beside.exists() else f"{scheme}:{rest}"
