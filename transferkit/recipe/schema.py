"""The JSON Schema of recipe files, from which editors complete and check."""

from __future__ import annotations

from transferkit.recipe._model import section_title
from transferkit.recipe.checks.components import ELSEWHERE
from transferkit.recipe.keras_optimizers import constructors
from transferkit.recipe.merge import SHORT
from transferkit.recipe.optimizer_arguments import argument_schema
from transferkit.recipe.recipe import Recipe
from transferkit.recipe.sections.parts import AugmentationSection
from transferkit.registry import registry
from transferkit.type_names import NamedValues

__all__ = ["json_schema"]

_KINDS = {"HeadSection": "heads", "ScheduleSection": "schedules", "LossSection": "losses"}
# Keys of sections that take one value for the whole, and its type.
_ONE = {
    ("ActivationsSection", "from"): "string",
    ("BackboneSection", "input_size"): "integer",
    ("EvaluationSection", "fail_under"): "number",
}
_OFF = ("early_stopping", "ema", "gradient_clipping", "time_budget")


def json_schema() -> NamedValues:
    """The schema (draft 2020-12) of a recipe file.

    It has every head, schedule, loss, optimizer and augmentation that is there, short forms included.
    """
    schema = Recipe.model_json_schema(mode="validation")
    definitions = schema["$defs"]
    for name, kind in _KINDS.items():
        definitions[name] = _tagged(section_title(name), kind, definitions)
    definitions["OptimizerSection"] = _optimizers()
    short = {"type": ["boolean", "number", "string"]}
    definitions["AugmentationSection"] = {
        "type": "object",
        "description": AugmentationSection.__doc__,
        "additionalProperties": False,
        "properties": {
            name: {"anyOf": [_word("augmentation", name, definitions), short]}
            for name in registry("augmentation").names()
        },
    }
    for owner in (schema, definitions["Phase"], definitions["AverageSection"]):
        owner.pop("required", None)
        for key, inner in list(owner["properties"].items()):
            owner["properties"][key] = _short(key, inner)
    for (owner_name, key), kind in _ONE.items():
        properties = definitions[owner_name]["properties"]
        properties[key] = _either(properties[key], {"type": kind})
    budget = definitions["BestSection"]["properties"]
    budget["budget"] = _short("time_budget", budget["budget"])
    schema["properties"] = {
        "extends": {
            "type": "string",
            "description": "name or file of the recipe whose values stand below these",
        },
        **schema["properties"],
    }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "transferkit recipe"
    return schema


def _short(key: str, inner: NamedValues) -> NamedValues:
    options: list[NamedValues] = []
    if key in SHORT:
        options.append({"type": "number" if key in ("gradient_clipping", "ema") else "string"})
    if key in _OFF:
        options.append({"const": False})
    if key == "time_budget":
        options.append({"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[smh]\s*$"})
    return _either(inner, *options) if options else inner


def _either(inner: NamedValues, *others: NamedValues) -> NamedValues:
    facts: NamedValues = {name: inner[name] for name in ("description", "title", "default") if name in inner}
    return {**facts, "anyOf": [inner, *others]}


def _word(kind: str, name: str, definitions: NamedValues) -> NamedValues:
    made = registry(kind).get(name).model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(made.pop("$defs", {}))
    return made


def _tagged(title: str, kind: str, definitions: NamedValues) -> NamedValues:
    """One of the words by its ``kind``, or a word of the user's own with any arguments."""
    names = registry(kind).names()
    cases = []
    for name in names:
        made = _word(kind, name, definitions)
        made["properties"] = {"kind": {"const": name}, **made.get("properties", {})}
        cases.append(made)
    own = {"type": "object", "properties": {"kind": {"type": "string", "pattern": ":"}}, "required": ["kind"]}
    return {"title": title, "anyOf": [*cases, own]}


def _optimizers() -> NamedValues:
    cases = []
    for name, arguments in constructors().items():
        properties: NamedValues = {"name": {"const": name}}
        for key, default in arguments.items():
            if key not in ELSEWHERE:
                properties[key] = argument_schema(key, default)
        cases.append({"type": "object", "properties": properties, "additionalProperties": False})
    own = {"type": "object", "properties": {"name": {"type": "string", "pattern": ":"}}, "required": ["name"]}
    return {"title": "Optimizer", "anyOf": [*cases, own]}
