"""Faults of a recipe: where in the values each one lies, and how it is worded for the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from transferkit.errors import did_you_mean, fault
from transferkit.recipe.merge import Origin
from transferkit.recipe.other_names import key_meant, key_near
from transferkit.recipe.toml_positions import Path
from transferkit.recipe_limits import MOST_FAULTS

__all__ = ["Fault", "dotted", "from_pydantic", "lines"]

# How much of a received value is shown.
MOST_SHOWN = 60
# Keys whose values are written in a way that their names do not say.
_WRITTEN = {"backbone.input_size": "backbone.input_size = 320, or [height, width]"}
# What pydantic calls by JSON's words.
_TYPES = {
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "list_type": "a list",
    "tuple_type": "a list",
}
# What stands for a value that may have one of several plain types.
_PLAIN = object()


@dataclass(frozen=True)
class Fault:
    """One fault, before it is known which file and line it stands on."""

    path: Path
    received: str | None = None
    expected: str | None = None
    hint: str | None = None


def dotted(path: Path) -> str:
    """A path as a key: ``("phases", 0, "epochs")`` is ``phases[0].epochs``.

    >>> dotted(("phases", 0, "epochs"))
    'phases[0].epochs'
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if part.replace("_", "a").replace("-", "a").isalnum() else repr(part)
            text += f".{name}" if text else name
    return text


def lines(faults: list[Fault], origins: Mapping[Path, Origin]) -> list[str]:
    """The faults as lines, each once, in the order of file and line."""
    placed: dict[str, tuple[str, int]] = {}
    for one in faults:
        origin = _origin(one.path, origins)
        words = fault(origin.place(dotted(one.path) or "recipe"), None, None, _body(one))
        placed.setdefault(words, (origin.file or "", origin.line or 0))
    return sorted(placed, key=lambda words: placed[words])


def _body(one: Fault) -> str:
    parts = []
    if one.received is not None:
        parts.append(f"received {one.received}")
    if one.expected:
        parts.append(f"expected {one.expected}")
    body = ", ".join(parts)
    if one.hint:
        body = f"{body}; {one.hint}" if body else one.hint
    return body


def _origin(path: Path, origins: Mapping[Path, Origin]) -> Origin:
    for end in range(len(path), 0, -1):
        if path[:end] in origins:
            return origins[path[:end]]
    return Origin("default")


def shown(value: Any) -> str:
    """A received value as a fault shows it, cut short where it is long."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def from_pydantic(error: ValidationError, model: type[BaseModel], prefix: Path = ()) -> list[Fault]:
    """Pydantic's faults in our words.

    Args:
        error: what was raised.
        model: the model that was to be made, for the known keys.
        prefix: the path of the table in the recipe.
    """
    found: list[Fault] = []
    choices: dict[Path, list[Fault]] = {}  # by the place of a value that may have one of several types
    errors = error.errors(include_url=False)
    more = len(errors) - MOST_FAULTS
    errors = errors[:MOST_FAULTS]
    for one in errors:
        path, owner, choice = _walk(one["loc"], model)
        path = (*prefix, *path)
        inside = [other["loc"] for other in errors if other["loc"][: len(one["loc"])] == one["loc"]]
        if one["type"] == "too_short" and len(inside) > 1:
            continue  # it is short only because items of it have faults, which are named themselves
        message = one["msg"]
        if one["type"] == "extra_forbidden":
            found.append(Fault(path, shown(one["input"]), "a known key", _known(path, owner)))
        elif one["type"] == "missing":
            found.append(Fault(path, None, "a value", "it is required"))
        elif one["type"] == "value_error":
            found.append(_own(path, message.removeprefix("Value error, "), one["input"]))
        elif one["type"] == "literal_error":
            words = message.removeprefix("Input should be ")
            names = [part.strip("' ") for part in words.replace(" or ", ",").split(",")]
            hint = did_you_mean(one["input"], names) if isinstance(one["input"], str) else None
            found.append(
                Fault(
                    path,
                    shown(one["input"]),
                    f"one of {', '.join(names)}" if names[1:] else repr(names[0]),
                    hint,
                )
            )
        elif one["type"] == "freeze_form":
            hint = did_you_mean(one["input"], ("all", "none")) if isinstance(one["input"], str) else None
            found.append(Fault(path, shown(one["input"]), message, hint))
        elif one["type"] in ("too_short", "too_long"):
            found.append(Fault(path, shown(one["input"]), _length(one["type"], one["ctx"])))
        elif one["type"] in _TYPES:
            found.append(Fault(path, shown(one["input"]), _TYPES[one["type"]]))
        else:
            words = message.removeprefix("Input should be ").removesuffix(".")
            found.append(Fault(path, shown(one["input"]), words[:1].lower() + words[1:]))
        if choice is not None:
            choices.setdefault((*prefix, *choice), []).append(found.pop())
    found += [one for place, tried in choices.items() for one in _of_choice(place, tried)]
    return [*found, Fault(prefix, hint=f"and {more:,} more faults")] if more > 0 else found


def _length(kind: str, limits: Mapping[str, Any]) -> str:
    """How many values a list may have."""
    least, most = limits.get("min_length"), limits.get("max_length")
    count, way = (least, "least") if kind == "too_short" else (most, "most")
    return f"at {way} {count} item{'' if count == 1 else 's'}"


def _known(path: Path, owner: type[BaseModel]) -> str:
    """The hint for a key that is none: the one that is meant, else one like it, else all of its table."""
    from transferkit.recipe.recipe import Recipe  # the models' own validators word their faults here

    name = str(path[-1])
    meant = key_meant(name, path, Recipe)
    if meant is not None:
        return f"say {_WRITTEN.get(meant, meant)}"
    known = sorted(owner.model_fields)
    near = key_near(name, Recipe) if len(path) == 1 else None
    if near is not None:
        return f"did you mean {near}?"
    return did_you_mean(name, known) or f"known: {', '.join(known)}"


def _of_choice(place: Path, tried: list[Fault]) -> list[Fault]:
    """What is wrong with a value that none of its types takes: inside it, where one comes that far."""
    inside = [one for one in tried if len(one.path) > len(place)]
    if inside:
        return inside
    expected = " or ".join(dict.fromkeys(one.expected for one in tried if one.expected))
    return [Fault(place, tried[0].received, expected, next((one.hint for one in tried if one.hint), None))]


def _own(path: Path, message: str, received: Any) -> Fault:
    """A fault raised by a validator of ours, which may say itself what was received."""
    if message.startswith("received "):
        return Fault(path, hint=message)
    if message.startswith("expected "):
        return Fault(path, shown(received) if not isinstance(received, dict) else None, message[9:])
    return Fault(path, hint=message)


def _walk(location: tuple[Any, ...], model: type[BaseModel]) -> tuple[Path, type[BaseModel], Path | None]:
    """The path of keys that a location means, without pydantic's names of a union's members.

    Returns:
        The path; the model that its last key belongs to; and the path of the value that may have one of
        several plain types, where it leads through one.
    """
    path: list[str | int] = []
    owner: Any = model
    choice: Path | None = None
    inside: Any = None  # the annotation that the next part must go into
    for part in location:
        if inside is _PLAIN:
            inside = None  # the part is the name of the type that was tried
            continue
        if inside is None:
            path.append(part)
            fields = getattr(owner, "model_fields", {})
            inside = fields[part].annotation if part in fields else None
            models = _models(inside)
            if len(models) == 1 and not _tagged(fields, part):
                owner, inside = models[0], None
            elif not models and not _tagged(fields, part):
                several = len([one for one in get_args(inside) if one is not NoneType]) > 1
                choice, inside = (tuple(path), _PLAIN) if several and _is_union(inside) else (choice, None)
            continue
        named = [one for one in _models(inside) if one.__name__.lower() == part]
        if named:
            owner, inside = named[0], None
        elif part in ("text", "list"):
            inside = None
        elif part == "rules":
            owner = next(one for one in _models(inside) if one.__name__ == "Rule")
            inside = None
        else:
            path.append(part)
            continue
    return tuple(path), owner, choice


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _tagged(fields: Mapping[str, Any], part: Any) -> bool:
    return part in fields and part in ("freeze", "values")


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]
