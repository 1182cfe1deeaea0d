"""``transferkit launch``."""

from __future__ import annotations

import sys

import click

__all__ = ["command"]


@click.command(name="launch", context_settings={"ignore_unknown_options": True})
@click.option("--workers", type=int, required=True, metavar="N", help="How many workers.")
@click.option("--logs", metavar="DIR", help="Folder of the workers' logs.  [default: logs/launch-DATE-TIME]")
@click.argument("words", metavar="-- COMMAND", nargs=-1, type=click.UNPROCESSED)
def command(workers: int, logs: str | None, words: tuple[str, ...]) -> None:
    """Retrain with several workers on this machine, which divide its cores, or its GPUs.

    Each worker runs the COMMAND with a TF_CONFIG that names all of them; worker 0 is the chief, which shows
    the progress and writes the run. When one fails all are ended, and the exit code is that of the first
    failure.

    \b
    Examples:
      transferkit launch --workers 4 -- retrain --data photos/ --run runs/flowers
      transferkit launch --workers 4 -- retrain --run runs/flowers --resume
    """
    from transferkit.runs.launch.job import launch

    status, line = launch(words, workers, logs)
    if line is not None:
        click.echo(f"transferkit: {line}", err=True)
    sys.exit(status)
