"""``transferkit compare``."""

from __future__ import annotations

import click

from transferkit.cli._options import as_json, echo_lines, json_option, table

__all__ = ["command"]

# Where there are more, those in which the runs differ most are shown.
_MOST_CLASSES = 20


@click.command(name="compare")
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True)
@json_option
def command(runs: tuple[str, ...], as_json_: bool) -> None:
    """Compare runs: metrics side by side, what differs in their recipes, and whether it is more than chance.

    Classes and confusions that differ most come first. Each run is compared with the first one on the images
    that both evaluated: McNemar's exact test on the pairs, and an interval of the difference in accuracy.

    \b
    Examples:
      transferkit compare runs/probe runs/finetuned
      transferkit compare runs/* --json
    """
    from transferkit.inspection.compare_runs import compare_runs
    from transferkit.recipe.value_origins import as_text

    found = compare_runs(runs)
    if as_json_:
        as_json(found.to_dict())
        return
    figures = [(words, *map(_figure, values)) for words, values in found.main_metrics]
    click.echo(table(figures, ("", *found.names)))
    rows = [(name, *map(_figure, values)) for name, values in found.recall]
    click.echo("\n" + table(rows[:_MOST_CLASSES], ("recall of class", *found.names)))
    if len(rows) > _MOST_CLASSES:
        click.echo(f"and {len(rows) - _MOST_CLASSES} more classes, which differ less: --json")
    pairs = [(true, said, *counts) for true, said, counts in found.confusions()]
    if pairs:
        click.echo("\n" + table(pairs, ("true", "predicted", *found.names)))
    first = found.names[0]
    for name, verdict, lines in zip(found.names[1:], found.verdicts(), found.recipes, strict=True):
        click.echo()
        echo_lines(verdict)
        for line in lines:
            echo_lines(f"  {line.key}: {as_text(line.other)} in {name}, {as_text(line.one)} in {first}", 4)
    click.echo()
    echo_lines(f"next    {found.next_step()}", 8)


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
