"""``transferkit backbones``."""

from __future__ import annotations

import click

from transferkit.cli._groups import Verbs
from transferkit.cli._options import as_json, table

__all__ = ["command"]

_COLUMNS = ("name", "params", "gflops", "top1", "size", "features", "weights")


@click.group(name="backbones", cls=Verbs, invoke_without_command=True)
@click.option("--match", metavar="TEXT", help="Only names that contain TEXT.")
@click.option(
    "--sort", type=click.Choice(_COLUMNS), default="name", show_default=True, help="Column to sort by."
)
@click.option("--json", "as_json_", is_flag=True, help="Print the cards as JSON.")
@click.pass_context
def command(ctx: click.Context, match: str | None, sort: str, as_json_: bool) -> None:
    """List the backbones that have a card, and where their pretrained weights come from.

    Shipped with transferkit, from an installed package, downloaded by Keras, or from Kaggle by KerasHub.

    \b
    Examples:
      transferkit backbones
      transferkit backbones --match mobile --sort params
      transferkit backbones --json
      transferkit backbones show mobilenet_v2
    """
    if ctx.invoked_subcommand is not None:
        return
    from transferkit.find_card import list_cards

    cards = [card for card in list_cards() if match is None or match.casefold() in card.name]
    if as_json_:
        as_json([{"name": card.name, **card.model_dump(mode="json")} for card in cards])
        return
    rows = [
        (
            card.name,
            card.parameters / 1e6,
            card.gflops,
            card.imagenet_top1,
            f"{card.size[0]}x{card.size[1]}",
            card.feature_width,
            card.weights_from,
        )
        for card in cards
    ]
    column = _COLUMNS.index(sort)
    # A fact that a card does not state sorts last.
    rows.sort(key=lambda row: (row[column] is None, row[column] if row[column] is not None else 0, row[0]))
    header = ("name", "params (M)", "GFLOPs", "ImageNet", "size", "features", "weights")
    click.echo(table(rows, header))


@command.command(name="show")
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json_", is_flag=True, help="Print the card as JSON.")
def show(name: str, as_json_: bool) -> None:
    """Print one backbone's card and its stages.

    \b
    Examples:
      transferkit backbones show inception_v3
      transferkit backbones show ./backbones/mine.toml --json
    """
    from transferkit.card import NORMALISATIONS
    from transferkit.find_card import load_card

    card = load_card(name)
    facts = card.model_dump(mode="json")
    if as_json_:
        as_json({"name": card.name, **facts})
        return
    stages = facts.pop("stages")
    click.echo(card.name)
    for key, value in facts.items():
        if value is None or value == {}:
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{inner} {text}" for inner, text in value.items() if text is not None)
        elif isinstance(value, list):
            value = "x".join(str(part) for part in value)
        elif key == "normalisation":
            value = f"{value} ({NORMALISATIONS[value][1]})"
        click.echo(f"  {key:16}{value}")
    if stages:
        click.echo("  stages, from the input up (freeze = { until = STAGE } keeps it and all below):")
        width = max(map(len, stages))
        for stage, layer in stages.items():
            click.echo(f"    {stage:{width}}  ends with {layer}")
