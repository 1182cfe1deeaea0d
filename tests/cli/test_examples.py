"""What documents and every `--help` show as a command is one: each is taken apart as calling it would."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from transferkit.cli import cli
from transferkit.errors import UserError
from transferkit.recipe import load

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "recipes/README.md", "CONTRIBUTING.md"]
DOCUMENTS += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))


def walk(group: click.Group, context: click.Context):
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield command
        if isinstance(command, click.Group):
            yield from walk(command, context)


def commands_in(text: str) -> list[str]:
    """Lines that start with ``transferkit``, continuation lines joined."""
    joined = re.sub(r"\\\n\s*", "", text)
    found = re.findall(r"^[ #$]*(transferkit(?: +[^\s].*)?)$", joined, re.MULTILINE)
    # In tables of commands, words follow after two spaces or more.
    return [re.split(r"\s{2,}| +# ", line)[0].strip() for line in found]


def helps() -> list[str]:
    found = [line for command in walk(cli, click.Context(cli)) for line in commands_in(command.help or "")]
    return sorted(set(found))


@pytest.mark.parametrize("command", walk(cli, click.Context(cli)), ids=lambda one: one.name)
def test_each_page_of_help_fits_80_columns(command):
    text = command.get_help(click.Context(command, info_name=command.name, terminal_width=80))
    assert [line for line in text.splitlines() if len(line) > 80] == []


def documents() -> list[str]:
    blocks = []
    for name in DOCUMENTS:
        fenced = re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / name).read_text("utf-8"), re.M | re.S)
        blocks += [text for language, text in fenced if language in ("", "sh", "console")]
    recipes = [path.read_text("utf-8") for path in sorted((ROOT / "recipes").glob("*.toml"))]
    return sorted({line for text in [*blocks, *recipes] for line in commands_in(text)})


def take_apart(line: str) -> None:
    """Parses a command down to its last verb, as calling it would, and calls nothing.

    A shipped recipe that it names must be there, and what it sets must be a recipe's keys and values.
    """
    words = shlex.split(re.split(r" [|>&] ?| < ", line)[0])[1:]
    command, context = cli, None
    while True:
        context = command.make_context(command.name, list(words), parent=context)
        if not isinstance(command, click.Group):
            recipe, settings = context.params.get("recipe"), context.params.get("settings", ())
            if isinstance(recipe, str | None):
                # A file of the reader's own stands for any recipe.
                load(None if recipe and recipe.endswith(".toml") else recipe, settings)
            return
        # The verb's place has moved between versions of click.
        before = getattr(context, "_protected_args", None)
        rest = [*(before if before is not None else context.protected_args), *context.args]
        if not rest:
            assert command.invoke_without_command or context.params.get("version"), line
            return
        _, command, words = command.resolve_command(context, rest)


def test_there_are_many():
    assert len(helps()) >= 40
    assert len(documents()) >= 15


@pytest.mark.parametrize("line", helps())
def test_an_example_of_a_help_is_a_command(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    take_apart(line)


@pytest.mark.parametrize("line", documents())
def test_a_command_of_a_document_is_one(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    take_apart(line)


@pytest.mark.parametrize(
    "line",
    [
        "transferkit retrain --dta photos/",
        "transferkit retrian",
        "transferkit evaluate",
        "transferkit retrain --recipe finetune",
        "transferkit plan --set epocs=5",
    ],
)
def test_what_is_none_is_noticed(line):
    with pytest.raises((click.UsageError, UserError)):
        take_apart(line)
