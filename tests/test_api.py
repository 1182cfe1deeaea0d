"""Each verb of the command line has its function, with typed arguments and a docstring."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing

import click
import pytest

import transferkit
from transferkit.cli import cli

# Verb to its name in Python, where that is another: `export` is a package.
NAMES = {
    "augment preview": "preview_augmentation",
    "backbones": "list_backbones",
    "backbones show": "load_card",
    "cache clear": "Cache",
    "cache info": "Cache",
    "cache prune": "Cache",
    "cache verify": "Cache",
    "data check": "check_data",
    "data review": "review_queue",
    "demo": "write_solar_cells",
    "export": "export_run",
    "features compute": "compute_features",
    "features export": "export_features",
    "label next": "label_next",
    "lr-find": "lr_find",
    "recipes copy": "list_recipes",
    "recipes diff": "diff_recipes",
    "recipes explain": "explain_recipe",
    "recipes list": "list_recipes",
    "recipes schema": "recipe_schema",
    "recipes show": "load_recipe",
    "recipes validate": "preflight",
    "schedule plot": "schedule",
}


def verbs():
    """The verbs that do something, a group's where the group itself does nothing."""
    context = click.Context(cli)
    found = []
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        inner = command.list_commands(context) if isinstance(command, click.Group) else []
        found += [f"{name} {one}" for one in inner]
        if not inner or command.invoke_without_command:
            found.append(name)
    return found


def test_the_verbs_are_found():
    assert len(verbs()) >= 35


@pytest.mark.parametrize("verb", sorted({*verbs(), *NAMES}))
def test_each_verb_has_its_function(verb):
    name = NAMES.get(verb, verb)
    assert name in transferkit.__all__
    function = getattr(transferkit, name)
    assert callable(function)
    assert inspect.getdoc(function)
    if inspect.isclass(function):
        return
    signature = inspect.signature(function)
    assert all(one.annotation is not inspect.Parameter.empty for one in signature.parameters.values())
    assert signature.return_annotation is not inspect.Signature.empty
    text = inspect.getdoc(function)
    for one in signature.parameters:
        assert f"{one}:" in text, f"{name} does not say what {one} is"


def test_every_public_name_is_there_and_completes():
    assert sorted(transferkit.__all__, key=str) == sorted(set(transferkit.__all__))
    assert set(transferkit.__all__) <= set(dir(transferkit))
    for name in transferkit.__all__:
        assert getattr(transferkit, name) is not None


def test_retrain_names_what_people_set_most():
    hints = typing.get_type_hints(transferkit.retrain)
    assert {"data", "backbone", "epochs", "learning_rate", "batch_size", "image_size", "head", "seed"} <= set(
        hints
    )


def test_the_package_itself_is_light():
    code = (
        "import sys, transferkit; dir(transferkit); "
        "assert not {'numpy', 'tensorflow', 'keras', 'pydantic', 'click'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
