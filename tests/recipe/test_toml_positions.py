"""The lines of keys in TOML text."""

from __future__ import annotations

import tomllib

import pytest

from transferkit.recipe.toml_positions import toml_positions

TEXT = (
    '''# a comment with = and [brackets]
seed = 1
text = """
several = 1
lines # no comment
"""
plain = 'it'''
    + "'"
    + """
"quoted key" = { a = 1, "b.c" = [1, { d = 2 }] }
[head]
kind = "mlp"  # kind = "linear"
sizes = [
  64, # first
  32,
]
dotted.key . more = 1
[[phases]]
name = "one"
[phases.optimizer]
name = "sgd"
[[phases]]
name = "two"
when = 1979-05-27T07:32:00Z
"""
)


def test_lines():
    found = toml_positions(TEXT)
    assert found[("seed",)] == 2
    assert found[("text",)] == 3
    assert found[("quoted key", "b.c", 1, "d")] == 8
    assert found[("head",)] == 9
    assert found[("head", "kind")] == 10
    assert found[("head", "sizes", 1)] == 13
    assert found[("head", "dotted", "key", "more")] == 15
    assert found[("phases", 0, "name")] == 17
    assert found[("phases", 0, "optimizer", "name")] == 19
    assert found[("phases", 1, "name")] == 21
    assert found[("phases", 1, "when")] == 22


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_key_has_a_line(end):
    text = TEXT.replace("\n", end)
    found = toml_positions(text)

    def walk(value, path):
        if path:
            assert path in found, path
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, (*path, key))
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                walk(inner, (*path, number))

    walk(tomllib.loads(text), ())


def test_deep_nesting_is_no_fault_of_the_reader():
    deep = 2_000
    assert len(toml_positions("a = " + "[" * deep + "]" * deep)) == deep
