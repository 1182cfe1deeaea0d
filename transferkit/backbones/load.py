"""From what a user writes to a Backbone."""

from __future__ import annotations

from typing import Any

from transferkit.backbones.backbone import Backbone
from transferkit.card import Card, load_card
from transferkit.errors import UserError, fault, near

__all__ = ["load_backbone"]

_SCHEMES = ("card", "hub", "keras_file", "keras_hub", "saved_model")


def load_backbone(
    reference: str,
    weights: str = "imagenet",
    input_size: tuple[int, int] | None = None,
    *,
    seed: int = 0,
    **options: Any,
) -> Backbone:
    """Loads a backbone.

    Args:
        reference: the name of a card (``"mobilenet_v2"``), or ``card:PATH``, ``hub:HANDLE_OR_PATH``,
            ``saved_model:PATH``, ``keras_file:PATH``, ``keras_hub:PRESET``.
        weights: ``"imagenet"`` (or ``"pretrained"``: those that the card names), ``"random"``, or a path
            (``.weights.h5``, ``.h5``, a checkpoint folder).
        input_size: height and width in pixels; the backbone's own if None.
        seed: of random weights.
        **options: arguments of the card's constructor, such as ``alpha=0.25``; of other references,
            those that their adapter takes.

    Raises:
        UserError: no such backbone (near names are offered), or it cannot be had, read or used.
    """
    scheme, _, rest = reference.partition(":")
    if not rest or scheme not in _SCHEMES:
        if rest and not scheme.endswith(".toml"):
            known = ", ".join(f"{one}:" for one in _SCHEMES)
            raise UserError(
                fault("backbone", reference, f"a card's name or one of {known}", near(scheme, _SCHEMES))
            )
        return _from_card(load_card(reference), reference, weights, input_size, seed, options)
    if scheme == "card":
        return _from_card(
            load_card(rest if rest.endswith(".toml") else f"{rest}.toml"),
            reference,
            weights,
            input_size,
            seed,
            options,
        )
    raise NotImplementedError(scheme)


def _from_card(
    card: Card,
    reference: str,
    weights: str,
    input_size: tuple[int, int] | None,
    seed: int,
    options: dict[str, Any],
) -> Backbone:
    from transferkit.backbones.backbone import Stage
    from transferkit.backbones.constructor import build
    from transferkit.backbones.functional import FunctionalBackbone
    from transferkit.backbones.weights import load_weights

    model = build(card, input_size, options, seed)
    digest = load_weights(model, weights, card, fixed=not options)
    return FunctionalBackbone(
        model,
        name=card.name,
        reference=reference,
        stages=tuple(Stage(name, layer) for name, layer in card.stages.items()),
        weights=weights,
        weights_sha256=digest,
        card=card,
    )
