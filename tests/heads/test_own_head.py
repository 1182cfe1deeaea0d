"""A head of the user's own: one file, named by its dotted path or offered by a package."""

from __future__ import annotations

import importlib.metadata
import sys

import numpy as np
import pytest

import transferkit.registry as registry
from transferkit.errors import UserError
from transferkit.heads import make_head
from transferkit.recipe import admit_code, load

MODULE = '''
from transferkit.heads import Head

class Scaled(Head):
    """A linear head with a fixed factor."""
    factor: float = 2.0

    def build(self, width, classes, seed):
        import keras
        kernel = keras.initializers.GlorotUniform(seed=seed)
        return keras.Sequential([
            keras.Input((width,)),
            keras.layers.Rescaling(self.factor),
            keras.layers.Dense(classes, kernel_initializer=kernel),
        ])

class Other:
    pass
'''


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "own_head_module.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_ADMITTED", {})
    yield "own_head_module"
    sys.modules.pop("own_head_module", None)


def test_by_dotted_path_from_the_current_folder(own_module):
    before = list(sys.path)
    recipe = load(overrides=[f"head.kind={own_module}:Scaled", "head.factor=3.0"])
    assert own_module not in sys.modules
    with pytest.raises(UserError, match="not admitted"):
        make_head(recipe.head, 4, ("a", "b"))
    recipe = admit_code(recipe)
    assert sys.path == before
    assert recipe.head.options["factor"] == 3.0
    head = make_head(recipe.head, 4, ("a", "b"))
    assert head.build_layer(0)(np.ones((5, 4), np.float32)).shape == (5, 2)


def test_its_arguments_are_checked_like_any_other(own_module):
    with pytest.raises(UserError, match="did you mean 'factor'"):
        admit_code(load(overrides=[f"head.kind={own_module}:Scaled", "head.facter=3.0"]))


@pytest.mark.parametrize(
    "path", ["own_head_module:Other", "own_head_module:Missing", "nowhere:Scaled", ":", "a:"]
)
def test_what_is_no_head(own_module, path):
    with pytest.raises(UserError, match=r"head\.kind"):
        admit_code(load(overrides=[f"head.kind={path}"]))


def test_by_entry_point(own_module, monkeypatch):
    monkeypatch.syspath_prepend(".")
    point = importlib.metadata.EntryPoint("scaled", f"{own_module}:Scaled", "transferkit.heads")
    real = importlib.metadata.entry_points
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda **which: (point,) if which == {"group": "transferkit.heads"} else real(**which),
    )
    assert load(overrides=["head=scaled"]).head.options["factor"] == 2.0
