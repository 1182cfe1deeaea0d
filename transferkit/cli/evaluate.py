"""``transferkit evaluate``."""

from __future__ import annotations

import click

from transferkit.cli._options import (
    allow_code_option,
    as_json,
    data_option,
    devices_option,
    echo_lines,
    json_option,
    quiet_option,
    reading_option,
    table,
)

__all__ = ["command"]

# Where there are more, those that are found least often are shown.
_MOST_CLASSES = 30


@click.command(name="evaluate")
@click.argument("run", metavar="RUN")
@data_option
@reading_option
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which images.  [default: the run's test split, else its validation split; all of --data]",
)
@click.option(
    "--fail-under",
    metavar="GATES",
    help="Exit with 1 when a result is below these values, e.g. accuracy=0.9.",
)
@devices_option
@quiet_option
@allow_code_option
@json_option
def command(
    run: str,
    data: str | None,
    settings: tuple[str, ...],
    split: str | None,
    fail_under: str | None,
    devices: str | None,
    quiet: bool,
    as_json_: bool,
    allow_code: bool,
) -> None:
    """Evaluate a run on the images it held out, or on other images.

    Prints the accuracy with its interval, each class from the weakest on, and what is confused; --json has
    every figure.

    \b
    Examples:
      transferkit evaluate runs/flowers
      transferkit evaluate runs/flowers --data new_photos/ --json
      transferkit evaluate runs/flowers --fail-under accuracy=0.9,recall.roses=0.8
    """
    from transferkit.evaluation import evaluation_text, gates
    from transferkit.runs.finished.run import load_run

    opened = load_run(run)
    wanted = gates.parse(fail_under, opened.classes)
    found = opened.evaluate(
        data=data, split=split, quiet=quiet, allow_code=allow_code, devices=devices, overrides=settings
    )
    if as_json_:
        as_json({**found.metrics, **({"notes": found.notes} if found.notes else {})})
    else:
        held_out = opened.summary["held_out"]
        of = split or ("" if data is not None else held_out)
        kind = {"val": "validation", "train": "training", "all": ""}.get(of, of)
        for line in evaluation_text.headline(found, kind, opened.recipe.evaluation.confidence):
            echo_lines(line)
        rows = evaluation_text.class_rows(found)
        click.echo("\n" + table(rows[:_MOST_CLASSES], evaluation_text.CLASS_HEADER))
        if len(rows) > _MOST_CLASSES:
            click.echo(f"and {len(rows) - _MOST_CLASSES} more classes, found more often")
        confused = evaluation_text.confusion_rows(found)
        if confused:
            click.echo("\n" + table(confused, evaluation_text.CONFUSION_HEADER))
        for note in found.notes if quiet else ():  # said already, above the table
            click.echo(note, err=True)
    gates.check(found, wanted)
