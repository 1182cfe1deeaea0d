"""``transferkit recipes``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from transferkit.cli._groups import Verbs
from transferkit.cli._options import as_json, table

if TYPE_CHECKING:
    from transferkit.recipe import Recipe

__all__ = ["command"]

set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a recipe's value, e.g. epochs=5."
)


@click.group(name="recipes", cls=Verbs)
def command() -> None:
    """List, show, copy, check and compare recipes.

    \b
    Examples:
      transferkit recipes list
      transferkit recipes copy finetune_top mine.toml
      transferkit recipes validate mine.toml
      transferkit recipes explain mine.toml --set batch_size=64
    """


def _load(reference: str | None, overrides: tuple[str, ...] = ()) -> Recipe:
    """Reads a recipe, which runs none of the code that it names; says what stands in for a shipped file."""
    from transferkit.recipe import load

    return _say_notes(load(reference, overrides))


def _say_notes(recipe: Recipe) -> Recipe:
    for note in recipe.notes:
        click.echo(f"note: {note}", err=True)
    return recipe


@command.command(name="list")
@click.option("--json", "as_json_", is_flag=True, help="Print the list as JSON.")
def list_(as_json_: bool) -> None:
    """List the recipes, the shipped ones and those in ./recipes.

    \b
    Examples:
      transferkit recipes list
      transferkit recipes list --json
    """
    from transferkit.recipe import load, recipe_files
    from transferkit.recipe.find import hiding

    rows = []
    for name, path in recipe_files().items():
        recipe = load(path)
        own = hiding(name)
        if own is not None:
            click.echo(f"note: {own} is used instead of the shipped recipe {name}", err=True)
        phases = [phase.name for phase in recipe.resolved_phases]
        rows.append({"name": name, "phases": phases, "description": recipe.description, "file": str(path)})
    if as_json_:
        as_json(rows)
        return
    shown = [(row["name"], len(row["phases"]), row["description"]) for row in rows]
    click.echo(table(shown, ("name", "phases", "what it is for")))


@command.command()
@click.argument("recipe")
@click.option(
    "--resolved", is_flag=True, help="Print all values, including those of parent recipes and defaults."
)
@set_option
def show(recipe: str, resolved: bool, overrides: tuple[str, ...]) -> None:
    """Print a recipe's file, or all its values.

    \b
    Examples:
      transferkit recipes show linear_probe
      transferkit recipes show mine.toml --resolved --set epochs=5
    """
    from transferkit.recipe import find

    resolved_recipe = _load(recipe, overrides)
    if resolved or overrides:
        click.echo(resolved_recipe.to_toml(), nl=False)
    else:
        click.echo(find(recipe).read_text("utf-8"), nl=False)


@command.command()
@click.argument("recipe")
@click.argument("to", required=False, type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def copy(recipe: str, to: Path | None, overwrite: bool) -> None:
    """Copy a recipe's file, to ./recipes/NAME.toml by default, where its name finds it first.

    \b
    Examples:
      transferkit recipes copy finetune_top
      transferkit recipes copy finetune_top mine.toml
    """
    from transferkit.errors import UserError, fault
    from transferkit.recipe import find

    source = find(recipe)
    target = to if to is not None else Path("recipes") / source.name
    if target.is_dir():
        target = target / source.name
    if target.exists() and not overwrite:
        raise UserError(fault("to", str(target), "a file that is not there yet", "or say --overwrite"))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    click.echo(str(target))


@command.command()
@click.argument("recipes", nargs=-1, required=True)
@set_option
def validate(recipes: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Check recipes as a run on this machine would, and print every fault of every file with its line.

    Packages that are not installed are faults too, and so are files and folders that are not there.

    \b
    Examples:
      transferkit recipes validate mine.toml
      transferkit recipes validate recipes/*.toml
    """
    from transferkit.errors import Faults
    from transferkit.runs.checks.preflight import checked_recipe

    faults = Faults()
    for reference in recipes:
        with faults.caught():
            _say_notes(checked_recipe(reference, overrides, stages=True))
            click.echo(f"{reference}: valid")
    faults.refuse()


@command.command()
def schema() -> None:
    """Print the JSON Schema of recipe files, for editors.

    \b
    Examples:
      transferkit recipes schema > recipe.schema.json
    """
    from transferkit.recipe.schema import json_schema

    as_json(json_schema())


@command.command()
@click.argument("recipe", required=False)
@set_option
@click.option("--json", "as_json_", is_flag=True, help="Print JSON.")
def explain(recipe: str | None, overrides: tuple[str, ...], as_json_: bool) -> None:
    """Print each value of a recipe and where it came from.

    \b
    Examples:
      transferkit recipes explain finetune_top
      transferkit recipes explain mine.toml --set optimizer.learning_rate=1e-5
    """
    from transferkit.recipe.value_origins import as_text
    from transferkit.recipe.value_origins import explain as explained

    rows = explained(_load(recipe, overrides))
    if as_json_:
        as_json([{"key": row.key, "value": row.value, "origin": row.origin} for row in rows])
        return
    click.echo(table([(row.key, as_text(row.value), row.origin) for row in rows], ("key", "value", "from")))


@command.command()
@click.argument("one")
@click.argument("other")
@click.option("--json", "as_json_", is_flag=True, help="Print JSON.")
def diff(one: str, other: str, as_json_: bool) -> None:
    """Print the keys in which two recipes differ.

    \b
    Examples:
      transferkit recipes diff linear_probe finetune_top
      transferkit recipes diff runs/a/recipe.toml runs/b/recipe.toml
    """
    from transferkit.recipe.value_origins import as_text
    from transferkit.recipe.value_origins import diff as differences

    rows = differences(_load(one), _load(other))
    if as_json_:
        as_json([{"key": row.key, "one": row.one, "other": row.other} for row in rows])
    elif not rows:
        click.echo("no difference")
    else:
        click.echo(
            table([(row.key, as_text(row.one), as_text(row.other)) for row in rows], ("key", one, other))
        )
