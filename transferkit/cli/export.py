"""``transferkit export``."""

from __future__ import annotations

import click

from transferkit.cli._options import allow_code_option, quiet_option
from transferkit.found import modules

__all__ = ["command"]


@click.command(name="export")
@click.argument("run", metavar="RUN")
@click.option(
    "--format",
    "formats",
    metavar="NAME",
    multiple=True,
    help=f"One of {', '.join(modules('export.formats').names())}; may be repeated.  [default: the recipe's]",
)
@click.option("--to", metavar="DIR", help="Where the numbered versions go.  [default: RUN/export]")
@click.option("--data", metavar="DIR", help="Where the run's images lie now, if they moved.")
@click.option(
    "--parity/--no-parity", default=None, help="Check every file against the run on held-out images."
)
@click.option("--agreement", metavar="SHARE", type=click.FloatRange(0, 1, min_open=True),
              help="Least agreement of a quantised format with the model.")  # fmt: skip
@allow_code_option
@quiet_option
def command(
    run: str,
    formats: tuple[str, ...],
    to: str | None,
    data: str | None,
    parity: bool | None,
    agreement: float | None,
    quiet: bool,
    allow_code: bool,
) -> None:
    """Export a run's model as a SavedModel that answers on raw image bytes, and in other formats.

    Versions count up (DIR/1, DIR/2, …), as TensorFlow Serving expects; each appears whole or not at all.
    Every file is reloaded in a fresh process and must answer held-out images as the evaluated model did;
    one that does not is left out, and the exit code is then 1. See `transferkit inspect DIR/1`.

    \b
    Examples:
      transferkit export runs/flowers
      transferkit export runs/flowers --format tflite_int8 --format onnx
      transferkit export runs/flowers --to /models/flowers
    """
    from transferkit.runs.run import load_run

    done = load_run(run).export(
        to, formats=formats, data=data, parity=parity, agreement=agreement, quiet=quiet, allow_code=allow_code
    )
    click.echo(done)
