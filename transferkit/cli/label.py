"""``transferkit label``: what to label."""

from __future__ import annotations

import click

from transferkit.cli._options import (
    allow_code_option,
    as_json,
    count_option,
    json_option,
    quiet_option,
    table,
)
from transferkit.errors import Faults, fault, one_line
from transferkit.files.output_place import output_faults

__all__ = ["command"]

_SHOWN = 20


@click.group(name="label")
def command() -> None:
    """Choose which photos to label next."""


@command.command(name="next")
@click.argument("run", metavar="RUN")
@click.option("--data", metavar="PHOTOS", multiple=True, help="Photos without labels: files and folders.")
@count_option("-n", "count", 50, "How many to choose.")
@click.option("--csv", "to", metavar="FILE", help="Write them as a table with an empty column for labels.")
@click.option("--html", metavar="FILE", help="Write a page with thumbnails.")
@quiet_option
@allow_code_option
@json_option
def next_(
    run: str,
    data: tuple[str, ...],
    count: int,
    to: str | None,
    html: str | None,
    quiet: bool,
    allow_code: bool,
    as_json_: bool,
) -> None:
    """Choose the photos whose labels would teach a run most.

    Photos are ranked by how uncertain the model is, times how unlike the photo is to those that have a label
    or were chosen before it; so of near copies only one is asked for. Fill in the column `label` of the CSV
    and give it to `transferkit extend`.

    \b
    Examples:
      transferkit label next runs/flowers --data unlabelled/ -n 50 \\
          --csv next.csv --html next.html
      transferkit extend runs/flowers --data next.csv
    """
    faults = Faults()
    if not data:
        faults.append(fault("--data", None, "photos without labels: files and folders"))
    for option, place in (("--csv", to), ("--html", html)):
        faults += [] if place is None else output_faults(option, place)
    faults.refuse()
    from transferkit.runs.features.label_next import check_csv, label_next

    if to:
        check_csv(to)
    found = label_next(run, data, count=count, quiet=quiet, allow_code=allow_code)
    written = [found.write_csv(to)] if to else []
    written += [found.write_page(html)] if html else []
    for one in found.unreadable:
        click.echo(f"transferkit: {one_line(one.name)}: {one_line(one.reason)}", err=True)
    if as_json_:
        as_json(
            {
                "photos": [vars(one) for one in found.photos],
                "asked": found.asked,
                "known": found.known,
                "unreadable": [{"path": one.name, "reason": one.reason} for one in found.unreadable],
            }
        )
        return
    rows = [(one.doubt, one.distance, one.guesses[0][0], one.path) for one in found.photos[:_SHOWN]]
    click.echo(table(rows, ("doubt", "distance", "guess", "photo")))
    if len(found) > _SHOWN:
        click.echo(f"and {len(found) - _SHOWN} more")
    if len(found) < min(count, found.asked):
        click.echo(
            f"{len(found)} of {found.asked}: the others are nearly copies of what is labelled or chosen"
        )
    if found.known:
        click.echo(f"{found.known} left out: in the run already, or copies of each other")
    for file in written:
        click.echo(f"written: {one_line(str(file))}")
