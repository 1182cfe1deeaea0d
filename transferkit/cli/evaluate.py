"""``transferkit evaluate``."""

from __future__ import annotations

import click

from transferkit.cli._options import allow_code_option, as_json, data_option, json_option, quiet_option, table

__all__ = ["command"]


@click.command(name="evaluate")
@click.argument("run", metavar="RUN")
@data_option
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which images.  [default: the run's test split, else its validation split; all of --data]",
)
@click.option("--fail-under", metavar="GATES", help="Exit 1 when the result falls short, e.g. accuracy=0.9.")
@quiet_option
@allow_code_option
@json_option
def command(
    run: str,
    data: str | None,
    split: str | None,
    fail_under: str | None,
    quiet: bool,
    as_json_: bool,
    allow_code: bool,
) -> None:
    """Evaluate a run on the images it held out, or on other images.

    \b
    Examples:
      transferkit evaluate runs/flowers
      transferkit evaluate runs/flowers --data new_photos/ --json
      transferkit evaluate runs/flowers --fail-under accuracy=0.9,recall.roses=0.8
    """
    from transferkit.runs.run import load_run

    evaluation = load_run(run).evaluate(
        data=data, split=split, fail_under=fail_under, quiet=quiet, allow_code=allow_code
    )
    if as_json_:
        as_json({**evaluation.metrics, **({"notes": evaluation.notes} if evaluation.notes else {})})
        return
    rows = [(name, value) for name, value in evaluation.metrics.items() if isinstance(value, int | float)]
    click.echo(table(rows, ("metric", "value")))
    for note in evaluation.notes if quiet else ():  # said already, above the table
        click.echo(note, err=True)
