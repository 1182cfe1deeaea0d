"""The range test: a rate from the middle of the fall, in a phase's own place, and nothing left behind."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from transferkit.cli import cli
from transferkit.errors import UserError
from transferkit.find_card import load_card
from transferkit.inspection import lr_find
from transferkit.inspection.lr_find import find_rate, smooth, suggest


def test_docstring_examples():
    assert doctest.testmod(lr_find, extraglobs={"np": np}).failed == 0


def test_the_rule():
    rates = np.logspace(-6, 0, 121)
    falling = 1 - 0.5 / (1 + np.exp(-6 * (np.log10(rates) + 3))) + np.where(rates > 0.1, 40 * rates, 0)
    assert suggest(rates, falling) == pytest.approx(1e-3, rel=0.2)
    assert suggest(rates, np.ones(121)) is None
    assert suggest(rates, np.linspace(1, 2, 121)) is None
    assert smooth(np.full(9, 2.0)).tolist() == pytest.approx([2.0] * 9)


def test_a_rate_for_the_first_phase(shapes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["lr-find", "--data", str(shapes), "--backbone", "embedded", "--steps", "80", "--quiet"]
    done = CliRunner().invoke(cli, [*arguments, "--low", "1e-5", "--high", "30", "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert 1e-4 < facts["suggested"] < facts["lowest_loss_at"]
    losses = [step["loss"] for step in facts["steps"]]
    assert min(losses) < 0.7 * losses[0]
    assert json.loads((tmp_path / "lr-find" / "lr_find.json").read_text()) == facts
    assert np.asarray(Image.open(tmp_path / "lr-find" / "lr_find.png").convert("L")).std() > 5
    assert {path.name for path in tmp_path.iterdir()} == {"lr-find"}


@pytest.mark.slow
def test_a_later_phase_starts_from_those_before_it_and_a_rising_rate_ruins_it(shapes):
    stages = list(load_card("embedded").stages)
    phases = (
        "phases=[{name='head', epochs=4, optimizer={name='adam', learning_rate=0.003}}, "
        f"{{name='top', freeze={{until='{stages[len(stages) // 2]}'}}}}, {{name='later', freeze='none'}}]"
    )
    found = find_rate(overrides=[phases], data=shapes, backbone="embedded", phase="top", steps=40)
    assert found.phase == "top"
    assert found.losses[0] < 0.7, "it began from the head's start, not from its end"
    assert found.losses[-1] > 2 * found.smoothed.min()


def test_what_cannot_be_tested_is_said(shapes):
    with pytest.raises(UserError, match="did you mean 'head'"):
        find_rate("gradual_unfreeze", data=shapes, phase="haed")
    with pytest.raises(UserError, match="needs no rate"):
        find_rate(overrides=["head.kind=ridge"], data=shapes)
    with pytest.raises(UserError, match="--low"):
        find_rate(data=shapes, low=2.0)
