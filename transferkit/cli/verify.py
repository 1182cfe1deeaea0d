"""``transferkit verify``."""

from __future__ import annotations

import sys

import click

from transferkit.cli._options import allow_code_option, as_json, data_option, json_option

__all__ = ["command"]


@click.command(name="verify")
@click.argument("run", metavar="RUN")
@data_option
@allow_code_option
@json_option
def command(run: str, data: str | None, as_json_: bool, allow_code: bool) -> None:
    """Say what has changed since a run was made: images, labels, split, weights, packages.

    Compares the run's lock.json with what is there now. Exits 1 where anything differs.

    \b
    Examples:
      transferkit verify runs/flowers
      transferkit verify runs/flowers --data moved/photos
    """
    from transferkit.runs.run import load_run
    from transferkit.runs.verify import verify_run

    changes = verify_run(load_run(run), data, allow_code)
    if as_json_:
        as_json(changes)
    else:
        click.echo("\n".join(changes) if changes else "unchanged: the recipe would give this run again")
    if changes:
        sys.exit(1)
