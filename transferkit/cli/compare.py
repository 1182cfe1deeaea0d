"""``transferkit compare``."""

from __future__ import annotations

import click

from transferkit.cli._options import as_json, json_option, table

__all__ = ["command"]


@click.command(name="compare")
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True)
@json_option
def command(runs: tuple[str, ...], as_json_: bool) -> None:
    """Compare runs: metrics side by side, what differs in their recipes, and whether it is more than chance.

    Each run is held against the first one on the images that both evaluated: McNemar's exact test on the
    pairs, and a bootstrap interval of the difference in accuracy.

    \b
    Examples:
      transferkit compare runs/probe runs/finetuned
      transferkit compare runs/* --json
    """
    from transferkit.errors import UserError, fault

    if len(runs) < 2:
        raise UserError(fault("compare", list(runs), "two runs or more"))
    from transferkit.evaluation import compare, read_predictions
    from transferkit.recipe.explain import as_text, diff
    from transferkit.runs.run import load_run

    opened = [load_run(run) for run in runs]
    names = [str(run.path) for run in opened]
    first = opened[0]
    predictions = [read_predictions(run.path / "predictions.csv", run.classes) for run in opened]
    against = [compare(predictions[0], other) for other in predictions[1:]]
    changed = [diff(first.recipe, run.recipe) for run in opened[1:]]
    figures = [name for name in first.metrics if all(_is_number(run.metrics.get(name)) for run in opened)]
    if as_json_:
        as_json(
            {
                "runs": names,
                "metrics": {name: [run.metrics[name] for run in opened] for name in figures},
                "against_first": [one.to_dict() for one in against],
                "recipes": [
                    [{"key": str(line.key), "first": line.one, "other": line.other} for line in lines]
                    for lines in changed
                ],
            }
        )
        return
    click.echo(
        table([(name, *(run.metrics[name] for run in opened)) for name in figures], ("metric", *names))
    )
    for name, comparison, lines in zip(names[1:], against, changed, strict=True):
        click.echo(f"\n{name} against {names[0]}, {comparison.images} common images: {comparison.verdict}")
        click.echo(
            f"  accuracy {comparison.difference:+.3f} ({comparison.low:+.3f} to {comparison.high:+.3f}); "
            f"right only here {comparison.only_second_right}, only there {comparison.only_first_right}"
        )
        for line in lines:
            click.echo(f"  {line.key}: {as_text(line.one)} there, {as_text(line.other)} here")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
