"""``transferkit export``."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command(name="export")
@click.argument("run", metavar="RUN")
@click.option("--to", metavar="DIR", help="Where the numbered versions go.  [default: RUN/export]")
def command(run: str, to: str | None) -> None:
    """Export a run's model as a SavedModel that answers on raw image bytes.

    Versions count up (DIR/1, DIR/2, …), as TensorFlow Serving expects; each appears whole or not at all.

    \b
    Examples:
      transferkit export runs/flowers
      transferkit export runs/flowers --to /models/flowers
    """
    from transferkit.runs.run import load_run

    click.echo(load_run(run).export(to))
