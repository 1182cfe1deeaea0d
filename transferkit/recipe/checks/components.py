"""Checks the tables that name a component: a head, a schedule, a loss, an optimizer, an augmentation.

The arguments that are not given are filled in, so that a resolved recipe says everything.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from transferkit.dotted_path import locate
from transferkit.errors import UserError, did_you_mean
from transferkit.recipe.faults import Fault, from_pydantic, shown
from transferkit.recipe.keras_optimizers import UNSET, constructors
from transferkit.recipe.other_names import NAMES
from transferkit.recipe.toml_positions import Path
from transferkit.recipe_limits import MOST_FAULTS
from transferkit.registry import Component, is_admitted, is_dotted, registry
from transferkit.type_names import NamedValues

__all__ = ["check_augmentation", "check_component", "check_optimizer"]

# Arguments of Keras's optimizers that the recipe says elsewhere, once for all optimizers.
ELSEWHERE = {
    "clipnorm": "gradient_clipping = { norm = … }",
    "clipvalue": "gradient_clipping = { value = … }",
    "global_clipnorm": "gradient_clipping = { global_norm = … }",
    "use_ema": "ema",
    "ema_momentum": "ema = { momentum = … }",
    "ema_overwrite_frequency": "ema",
    "gradient_accumulation_steps": "accumulation",
    "loss_scale_factor": "mixed_precision",
    "name": "the optimizer itself",
}


def check_component(
    kind: str, name: Any, options: NamedValues, path: Path, tag: str = "kind"
) -> tuple[NamedValues, list[Fault]]:
    """Checks one named table.

    Args:
        kind: the registry, such as ``"heads"``.
        name: of the component.
        options: its arguments, without the name.
        path: where the table stands.
        tag: the key that holds the name.

    Returns:
        The arguments with all defaults filled in, and the faults. What only code of the user's own knows is
        neither filled in nor checked before that code is admitted.
    """
    if not isinstance(name, str):
        return options, []  # the recipe's own model says so
    if is_dotted(name) and not is_admitted(name):
        return options, _dotted_faults(name, (*path, tag))
    try:
        component = registry(kind).get(name)
    except UserError as error:
        return options, [_as_fault(one, (*path, tag)) for one in error.faults]
    return _validated(component, options, path)


def check_augmentation(table: NamedValues) -> tuple[NamedValues, list[Fault]]:
    """Checks the augmentation section: each key is a component with ``true``, a number or its arguments."""
    known = registry("augmentation")
    made: NamedValues = {}
    faults: list[Fault] = []
    for name, value in table.items():
        path: Path = ("augmentation", name)
        if len(faults) >= MOST_FAULTS:
            faults.append(Fault(("augmentation",), hint="and more faults"))
            break
        if is_dotted(name) and not is_admitted(name):
            faults += _dotted_faults(name, path)
            if value is not False:
                made[name] = {} if value is True else value
            continue
        try:
            component = known.get(name)
        except UserError:
            names = known.names()
            faults.append(Fault(path, shown(value), f"one of {', '.join(names)}", did_you_mean(name, names)))
            continue
        if value is False:
            continue
        first = next(iter(component.model_fields), None)
        if value is True:
            options: NamedValues = {}
        elif isinstance(value, dict):
            options = value
        elif first is None:
            faults.append(Fault(path, shown(value), "true or false", f"{name} takes no arguments"))
            continue
        else:
            options = {first: value}
        resolved, found = _validated(component, options, path)
        if not isinstance(value, dict):
            found = [Fault(path, one.received, one.expected, one.hint) for one in found]
        made[name] = resolved
        faults += found
    return made, faults


def check_optimizer(name: Any, options: NamedValues, path: Path) -> tuple[NamedValues, list[Fault]]:
    """Checks an optimizer's arguments against the signature of Keras's constructor.

    Args:
        name: what the recipe says.
        options: its arguments.
        path: of the table, for messages.

    Returns:
        The arguments with their defaults, and what is wrong with them.
    """
    if not isinstance(name, str):
        return options, []
    if ":" in name:
        # A class of the user's own: it is imported with Keras, and checks its arguments when it is made.
        filled, faults = _own_optimizer(options, path)
        return filled, [*faults, *_dotted_faults(name, (*path, "name"))]
    known = constructors()
    if name not in known:
        expected = f"one of {', '.join(known)}"
        return options, [Fault((*path, "name"), shown(name), expected, did_you_mean(name, known))]
    arguments = {key: value for key, value in known[name].items() if key not in ELSEWHERE}
    faults = []
    for key, value in options.items():
        if len(faults) >= MOST_FAULTS:
            faults.append(Fault(path, hint="and more faults"))
            break
        if key in ELSEWHERE and key in known[name]:
            faults.append(Fault((*path, key), shown(value), "it elsewhere", f"say it with {ELSEWHERE[key]}"))
        elif key not in arguments:
            expected = f"an argument of {name} ({', '.join(arguments)})"
            alike = [one for one in arguments if NAMES.get(key) == f"optimizer.{one}"]
            close = f"say {path[-1]}.{alike[0]}" if alike else did_you_mean(key, arguments)
            faults.append(Fault((*path, key), shown(value), expected, close))
        elif key == "learning_rate" and not (_number(value) and value > 0):
            faults.append(Fault((*path, key), shown(value), "a number above 0"))
        elif not _suits(value, arguments[key]):
            faults.append(Fault((*path, key), shown(value), _kind(arguments[key])))
    # An argument whose default is None is left out: TOML has no word for it, and Keras fills it in.
    defaults = {key: value for key, value in arguments.items() if value is not None and value is not UNSET}
    return {**defaults, **options}, faults


def _dotted_faults(name: str, path: Path) -> list[Fault]:
    """Why a dotted path leads nowhere, found without importing it."""
    try:
        locate(name)
    except (ValueError, OSError) as error:
        return [Fault(path, shown(name), "package.module:Name", str(error))]
    return []


def _own_optimizer(options: NamedValues, path: Path) -> tuple[NamedValues, list[Fault]]:
    faults = [
        Fault((*path, key), shown(options[key]), "it elsewhere", f"say it with {ELSEWHERE[key]}")
        for key in options
        if key in ELSEWHERE
    ]
    rate = options.get("learning_rate", 1e-3)
    if not (_number(rate) and rate > 0):
        faults.append(Fault((*path, "learning_rate"), shown(rate), "a number above 0"))
    return {"learning_rate": 1e-3, **options}, faults


def _validated(
    component: type[Component], options: NamedValues, path: Path
) -> tuple[NamedValues, list[Fault]]:
    try:
        # Through JSON a list is a tuple and no text is a number.
        made = component.model_validate_json(json.dumps(options), strict=True)
    except ValidationError as error:
        return options, from_pydantic(error, component, path)
    return made.model_dump(mode="json", exclude_none=True), []


def _as_fault(line: str, path: Path) -> Fault:
    _, _, body = line.partition(": ")
    return Fault(path, hint=body)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _suits(value: Any, default: Any) -> bool:
    if default is UNSET or isinstance(default, str):
        return isinstance(value, str) if isinstance(default, str) else True
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int):
        return _number(value)
    if isinstance(default, float):
        return _number(value)
    return _number(value) or isinstance(value, list)


def _kind(default: Any) -> str:
    if isinstance(default, bool):
        return "true or false"
    return "text" if isinstance(default, str) else "a number"
