"""The JSON Schema that editors complete from."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from transferkit.recipe import load, recipe_files
from transferkit.recipe.schema import json_schema


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(json.dumps(json_schema()))


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """As much of JSON Schema as decides whether a recipe's keys and types fit."""
    if "$ref" in schema:
        schema = {
            **root["$defs"][schema["$ref"].rpartition("/")[2]],
            **{k: v for k, v in schema.items() if k != "$ref"},
        }
    for word in ("anyOf", "oneOf"):
        if word in schema and not any(fits(value, one, root) for one in schema[word]):
            return False
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        return False
    if isinstance(value, dict) and set(schema.get("required", ())) - set(value):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "integer": int,
        "number": (int, float),
    }
    if types and not any(isinstance(value, kinds.get(one, type(None))) for one in types):
        return False
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        if schema.get("additionalProperties") is False and set(value) - set(known):
            return False
        return all(fits(value[key], known[key], root) for key in value if key in known)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return all(fits(one, schema["items"], root) for one in value)
    return True


@pytest.mark.parametrize("name", sorted(recipe_files()))
def test_shipped_files_and_their_resolved_forms_fit(name, schema):
    assert fits(tomllib.loads(recipe_files()[name].read_text()), schema, schema)
    assert fits(tomllib.loads(load(name).to_toml()), schema, schema)


@pytest.mark.parametrize(
    "text",
    [
        "batch_sice = 3",
        "[head]\nkind = 'linaer'",
        "[head]\nkind = 'mlp'\ndropuot = 0.3",
        "[head]\nkind = 'linear'\nsizes = [3]",
        "optimizer = { name = 'adam', momentum = 0.9 }",
        "[augmentation]\nflipp = true",
        "[[phases]]\nepoch = 3",
        "[average]\nhaed = 'auto'",
        "[average]\nbackbone = 3",
        "freeze = { untill = 'x' }",
    ],
)
def test_faults_do_not_fit(text, schema):
    assert not fits(tomllib.loads(text), schema, schema)


@pytest.mark.parametrize(
    "text",
    [
        "head = 'mlp'",
        "ema = 0.9",
        "early_stopping = false",
        "extends = 'retrain'",
        "[average]\nhead = 'auto'\nbackbone = 'embedded'",
        "[average]\nbackbone = { name = 'embedded', input_size = 96, join = ['mobilenet_v2'] }",
        "[backbone]\ninput_size = 320",
        "[evaluation]\nfail_under = 0.9",
        "[activations]\nfrom = 'features'",
        "[best]\nbudget = '20m'",
    ],
)
def test_short_forms_fit(text, schema):
    assert fits(tomllib.loads(text), schema, schema)


def test_the_examples_of_the_documentation_fit(schema):
    pages = sorted((Path(__file__).parents[2] / "docs").rglob("*.md"))
    texts = [
        text
        for page in pages
        for text in re.findall(r"^```toml.*?\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)
    ]
    assert len(texts) > 5
    assert any("[average]" in text for text in texts)
    for text in texts:
        assert fits(tomllib.loads(text), schema, schema), text


def test_references_lead_somewhere(schema):
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                assert value["$ref"].rpartition("/")[2] in schema["$defs"]
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(schema)
