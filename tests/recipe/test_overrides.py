"""``--set key=value``."""

from __future__ import annotations

import pytest

from transferkit.errors import UserError
from transferkit.recipe.overrides import nest, parse_value, split_key, split_override


@pytest.mark.parametrize(
    ("text", "keys", "value"),
    [
        ("batch_size=64", ["batch_size"], 64),
        ("optimizer.learning_rate=1e-3", ["optimizer", "learning_rate"], 0.001),
        ("head.kind=mlp", ["head", "kind"], "mlp"),
        ("head.kind='mlp'", ["head", "kind"], "mlp"),
        ("head.sizes=[64, 32]", ["head", "sizes"], [64, 32]),
        ("data.path=a=b=c", ["data", "path"], "a=b=c"),
        ("data.path=2024-01-01", ["data", "path"], "2024-01-01"),
        ("freeze={ until = 'block_13' }", ["freeze"], {"until": "block_13"}),
        ("phases[0].epochs=3", ["phases", "0", "epochs"], 3),
        ("sweep.values.'optimizer.learning_rate'=[1]", ["sweep", "values", "optimizer.learning_rate"], [1]),
        (" seed = 3 ", ["seed"], 3),
        ("a=no", ["a"], "no"),
    ],
)
def test_split(text, keys, value):
    assert split_override(text) == (keys, value)


@pytest.mark.parametrize(
    "text", ["batch_size", "=3", "a..b=3", ".a=3", "a.=3", "a=[1", "a='x", "a=", "a=1\nb=2", "a b=3"]
)
def test_refused(text):
    with pytest.raises(UserError, match="--set"):
        split_override(text)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(UserError, match="UTF-8"):
        parse_value("\udc80", "a")


def test_a_later_pair_wins():
    assert nest([(["a"], 1), (["a", "b"], 2), (["a", "c"], 3)]) == {"a": {"b": 2, "c": 3}}
    assert split_key("a.'b.c'.d") == ["a", "b.c", "d"]
