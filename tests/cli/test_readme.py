"""Every verb stands in the README's table, and the table has no verb that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from transferkit.cli import cli

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")
FREEZING = (ROOT / "docs" / "guides" / "backbones.md").read_text("utf-8")
ROWS = dict(re.findall(r"^\| `transferkit ([^`]+)` \| (.+) \|$", TEXT, re.MULTILINE))


def verbs():
    return cli.list_commands(click.Context(cli))


@pytest.mark.parametrize("verb", verbs())
def test_each_verb_has_a_row(verb):
    assert verb in {row.split()[0] for row in ROWS}


def test_each_row_is_a_verb_with_its_subverb():
    assert len(ROWS) >= 12
    for row in ROWS:
        first, *rest = row.split()
        command = cli.get_command(click.Context(cli), first)
        assert command is not None, row
        if isinstance(command, click.Group) and rest:
            assert command.get_command(click.Context(command), rest[0]) is not None, row


@pytest.fixture(scope="module")
def mobilenet():
    from transferkit.backbones import load_backbone

    return load_backbone("mobilenet_v2", None)


def freeze_values():
    """The values that the paragraph on `freeze` shows, as they are printed."""
    paragraph = FREEZING[FREEZING.index("`freeze` says") :].partition("\n\n")[0]
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", paragraph)]
    return [span for span in spans if span[0] in '"{[']


def test_freeze_values_are_found():
    assert len(freeze_values()) == 6


@pytest.mark.parametrize("value", freeze_values())
def test_each_freeze_value_works_as_printed(mobilenet, value):
    from transferkit.freezing import plan_freeze
    from transferkit.recipe import load

    (phase,) = load(overrides=[f"freeze={value}"]).resolved_phases
    layers = plan_freeze(phase.freeze, mobilenet).layers
    assert any(layer.trainable for layer in layers) != (value == '"all"')


def test_it_is_read_in_a_few_minutes():
    assert TEXT.count("\n") < 120


def test_each_page_that_it_links_to_is_there():
    links = re.findall(r"\]\(([\w./-]+)\)", TEXT)
    assert len(links) > 8
    # The page of recipe keys and its neighbours are made with the site.
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_each_block_of_python_names_what_there_is():
    """The attributes of transferkit, and the names that its modules are asked for."""
    import ast
    import importlib

    import transferkit

    blocks = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 3
    used = set()
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("transferkit"):
                used |= {(str(node.module), one.name) for one in node.names}
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used |= {("transferkit", node.attr)} if node.value.id == "transferkit" else set()
                if node.value.id in ("run", "again"):
                    used.add(("run", node.attr))
    assert ("transferkit", "retrain") in used
    for module, name in used:
        owner = transferkit.Run if module == "run" else importlib.import_module(module)
        assert hasattr(owner, name) or name in ("metrics", "path"), (module, name)
