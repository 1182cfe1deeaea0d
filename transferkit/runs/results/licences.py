"""Whose licences the weights of a run's backbone are under, which may be several networks."""

from __future__ import annotations

from collections.abc import Iterator

from transferkit.backbones.backbone import Backbone
from transferkit.backbones.beside import Beside
from transferkit.backbones.composed import Composed

__all__ = ["licence_of"]

_UNKNOWN = "not recorded"


def licence_of(backbone: Backbone) -> str | None:
    """The licences of the weights of all its networks, each once; None where none is known."""
    found = list(dict.fromkeys(_licences(backbone)))
    return None if set(found) <= {_UNKNOWN} else ", ".join(found)


def _licences(backbone: Backbone) -> Iterator[str]:
    if isinstance(backbone, Beside | Composed):
        for one in backbone.networks if isinstance(backbone, Beside) else backbone.bases:
            yield from _licences(one)
        return
    card = backbone.card
    known = card.weights.licence if card is not None and card.weights is not None else None
    yield known or _UNKNOWN
