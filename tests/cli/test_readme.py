"""Every verb stands in the README's table, and the table has no verb that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from transferkit.cli import cli

TEXT = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
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
