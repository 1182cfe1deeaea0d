"""Weights of several networks are under several licences."""

from __future__ import annotations

import dataclasses

import pytest

from transferkit.backbones import load_backbone
from transferkit.backbones.beside import Beside
from transferkit.backbones.composed import Composed
from transferkit.find_card import load_card
from transferkit.runs.results.licences import licence_of


@pytest.fixture(scope="module")
def under():
    """A network whose weights are under a licence; None for one without a card."""
    first = load_card("mobilenet_v2")

    def made(licence):
        one = load_backbone("embedded")
        card = None
        if licence is not None:
            card = first.model_copy(update={"weights": first.weights.model_copy(update={"licence": licence})})
        one.origin = dataclasses.replace(one.origin, card=card)
        return one

    return made


def test_each_licence_is_named_once(under):
    joined = Composed([under("MIT"), under("Apache-2.0"), under("MIT")])
    assert licence_of(joined) == "MIT, Apache-2.0"
    assert licence_of(Beside([joined, under("CC-BY-4.0")])) == "MIT, Apache-2.0, CC-BY-4.0"
    assert licence_of(Beside([under("MIT"), under("MIT")])) == "MIT"
    assert licence_of(Composed([under("MIT")], ["mirror"])) == "MIT"


def test_a_network_without_a_licence_is_not_passed_over(under):
    assert licence_of(Beside([under(None), under("MIT")])) == "not recorded, MIT"
    assert licence_of(Beside([under(None), under(None)])) is None
    assert licence_of(under(None)) is None
    assert licence_of(under("MIT")) == "MIT"
