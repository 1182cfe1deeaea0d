"""Backbones to freeze: a real one, and one whose numbers can be checked by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from transferkit.backbones import LayerFacts, load_backbone


@pytest.fixture(scope="session")
def mobilenet() -> Any:
    """MobileNetV2 on 32 px with random weights."""
    return load_backbone("mobilenet_v2", "random", (32, 32))


class Sketch(SimpleNamespace):
    """The facts of a backbone without a network behind them."""

    def resolve(self, name: str, place: str = "cut") -> str:
        stages = {layer.stage: layer.name for layer in self.layers if layer.stage}
        return stages.get(name, name)


@pytest.fixture
def sketch() -> Any:
    """images → a (1) → [b1 (2) + shortcut] → add → drop → c (4) → bn → pool; cost in brackets."""

    def layer(name: str, stage: str, cost: float = 0.0, **facts: Any) -> LayerFacts:
        given = {"cuttable": True, "learns": cost > 0, "batch_norm": False, "parameters": int(10 * cost)}
        given |= facts
        return LayerFacts(name=name, kind="Any", stage=stage, shape=(4, 4, 2), gflops=cost, **given)

    layers = (
        layer("images", "low"),
        layer("a", "low", 1.0),
        layer("b1", "middle", 2.0, cuttable=False),
        layer("add", "middle"),
        layer("drop", "high", stochastic=True),
        layer("c", "high", 4.0),
        layer("bn", "high", learns=True, batch_norm=True, parameters=8),
        layer("pool", ""),
    )
    return Sketch(name="sketch", layers=layers, feature_width=2)
