"""What is read from Keras's source is what Keras's constructors take."""

from __future__ import annotations

import importlib.util
import inspect

from transferkit.keras3 import keras
from transferkit.recipe.keras_optimizers import UNSET, ask_keras, constructors, read_source


def test_every_optimizer_of_keras_is_found():
    public = {
        name.lower()
        for name, one in vars(keras.optimizers).items()
        if isinstance(one, type)
        and issubclass(one, keras.optimizers.Optimizer)
        and one is not keras.optimizers.Optimizer
    }
    wrappers = {"lossscaleoptimizer", "multioptimizer"}
    assert {name.replace("_", "") for name in constructors()} == public - wrappers
    assert len(constructors()) >= 11


def test_arguments_and_defaults_are_those_of_the_constructors():
    classes = {name.lower(): one for name, one in vars(keras.optimizers).items() if isinstance(one, type)}
    for name, arguments in constructors().items():
        signature = inspect.signature(classes[name.replace("_", "")].__init__)
        real = {
            key: one.default
            for key, one in signature.parameters.items()
            if key != "self" and one.kind is not inspect.Parameter.VAR_KEYWORD
        }
        assert list(arguments) == list(real), name
        assert {k: v for k, v in arguments.items() if v is not UNSET} == {
            k: v for k, v in real.items() if arguments[k] is not UNSET
        }, name


def test_where_the_source_is_laid_out_otherwise_keras_is_asked(monkeypatch, tmp_path):
    assert read_source() is not None, "checking a recipe imports Keras"
    asked = ask_keras()
    assert list(asked) == list(constructors())
    for name, arguments in constructors().items():
        assert list(asked[name]) == list(arguments), name
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").touch()
    spec = importlib.util.spec_from_file_location("keras", tmp_path / "keras" / "__init__.py")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    constructors.cache_clear()
    try:
        assert constructors() == asked
    finally:
        constructors.cache_clear()
