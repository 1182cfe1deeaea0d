"""Which layers train, from the words of a recipe's ``freeze`` key.

``"all"`` and ``"none"``, ``{until = NAME}`` (a stage or layer, frozen itself), ``{last = N}`` (the last N
layers that can learn train), ``{fraction = F}`` (this share of the layers that can learn, from the input up,
is frozen), or ordered rules ``[{match, trainable, lr_multiplier}, …]`` of which the first that matches a
layer's whole name wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transferkit.errors import Faults, UserError, did_you_mean, fault
from transferkit.freezing.patterns import matches

if TYPE_CHECKING:
    from transferkit.backbones.backbone import Backbone

__all__ = ["Choice", "choose"]


@dataclass(frozen=True)
class Choice:
    """What happens to one layer: whether it trains, and at which share of the learning rate."""

    trainable: bool
    lr_multiplier: float = 1.0


_FROZEN = Choice(False)
_TRAINS = Choice(True)


def choose(freeze: Any, backbone: Backbone) -> list[Choice]:
    """One choice for each of ``backbone.layers``, in their order.

    Args:
        freeze: the recipe's value, as plain TOML or as the recipe's own objects.
        backbone: a :class:`transferkit.backbones.Backbone`.

    Raises:
        UserError: a name is not found, a number is out of range, a rule matches nothing, or no rule covers a
            layer.
    """
    layers = backbone.layers
    value = _plain(freeze)
    if value == "all":
        return [_FROZEN] * len(layers)
    if value == "none":
        return _above(layers, -1)
    if isinstance(value, Mapping) and len(value) == 1:
        (word, given), *_ = value.items()
        if word == "until" and isinstance(given, str):
            return _above(layers, _until(given, backbone))
        if word == "last" and _whole(given):
            return _last(given, layers)
        if word == "fraction" and isinstance(given, (int, float)) and 0 <= given <= 1:
            return _fraction(given, layers)
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return _ruled(value, layers)
    expected = '"all", "none", {until = NAME}, {last = N}, {fraction = F} or a list of rules'
    raise UserError(fault("freeze", value, expected))


def _plain(freeze: Any) -> Any:
    """The recipe's own objects as the TOML they were read from."""
    if hasattr(freeze, "model_dump"):
        return freeze.model_dump()
    if isinstance(freeze, (list, tuple)):
        return [_plain(one) for one in freeze]
    return freeze


def _whole(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= 1


def _above(layers: Sequence[Any], boundary: int) -> list[Choice]:
    """All layers past a position train."""
    return [_TRAINS if here > boundary else _FROZEN for here in range(len(layers))]


def _until(name: str, backbone: Backbone) -> int:
    layer = backbone.resolve(name, "freeze.until")
    layers = backbone.layers
    here = next(position for position, one in enumerate(layers) if one.name == layer)
    if layers[here].cuttable:
        return here
    below = next(one.name for one in reversed(layers[:here]) if one.cuttable)
    above = next((one.name for one in layers[here:] if one.cuttable), None)
    raise UserError(
        fault(
            "freeze.until",
            name,
            "a layer through which all data passes",
            f"it lies inside a branch; the nearest ones are '{below}' below"
            + (f" and '{above}' above" if above else ""),
        )
    )


def _last(count: int, layers: Sequence[Any]) -> list[Choice]:
    learning = [here for here, layer in enumerate(layers) if layer.learns]
    if count > len(learning):
        raise UserError(fault("freeze.last", count, f"at most {len(learning)}, the layers that can learn"))
    return _above(layers, learning[-count] - 1)


def _fraction(share: float, layers: Sequence[Any]) -> list[Choice]:
    learning = [here for here, layer in enumerate(layers) if layer.learns]
    frozen = round(share * len(learning))
    if frozen == len(learning):
        return [_FROZEN] * len(layers)
    return _above(layers, learning[frozen] - 1)


def _nearest(pattern: str, names: Sequence[str]) -> str:
    """Layers whose names begin nearly as ``pattern`` does, before its first special character."""
    begin = re.match(r"\w*", pattern).group()  # type: ignore[union-attr]
    found = did_you_mean(pattern, names) or (
        did_you_mean(begin, [name[: len(begin)] for name in names]) if begin else None
    )
    return f"{found or ''} layers are called '{names[2]}', … '{names[-1]}'".strip()


def _ruled(rules: Sequence[Any], layers: Sequence[Any]) -> list[Choice]:
    names = [layer.name for layer in layers]
    faults = Faults()
    matched: list[Any] = []
    for number, rule in enumerate(rules, start=1):
        place = f"freeze rule {number}"
        with faults.caught():
            matched.append(matches(rule["match"], names, place))
            if not matched[-1].any():
                hint = _nearest(rule["match"], names)
                faults.append(fault(place, rule["match"], "a pattern that matches a layer", hint))
    faults.refuse()
    choices: list[Choice] = []
    uncovered = []
    for here, layer in enumerate(layers):
        found = next((rule for rule, those in zip(rules, matched, strict=True) if those[here]), None)
        if found is not None:
            choices.append(Choice(bool(found["trainable"]), float(found.get("lr_multiplier", 1.0))))
            continue
        if layer.learns:
            uncovered.append(layer.name)
        # What has no weights goes with what it follows.
        choices.append(choices[-1] if choices else _FROZEN)
    if uncovered:
        more = f" and {len(uncovered) - 1} more" if len(uncovered) > 1 else ""
        hint = f"no rule covers layer '{uncovered[0]}'{more}; let the last rule be "
        raise UserError(fault("freeze", hint=hint + "{ match = '.*', trainable = false }"))
    return choices
