"""``transferkit demo``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from transferkit.cli._options import quiet_option

__all__ = ["command"]


@click.command(name="demo")
@click.option("--to", default="demo", show_default=True, metavar="DIR", help="Where data and run go.")
@quiet_option
def command(to: str, quiet: bool) -> None:
    """Show the main job on what transferkit itself ships: 1797 handwritten digits, no network.

    \b
    Example:
      transferkit demo --to /tmp/demo
    """
    from transferkit.runs.demo import write_digits
    from transferkit.runs.retrain import retrain

    began = time.perf_counter()
    data = write_digits(Path(to) / "digits")
    run = retrain(backbone="embedded", data=str(data), run=Path(to) / "run", overwrite=True, quiet=quiet)
    click.echo(run.describe())
    image = next((data / "7").glob("*.png"))
    prediction = run.predict([image])[0]
    label, probability = prediction.top[0]
    click.echo(f"predicted {image} with the export: {label} ({probability:.3f})")
    click.echo(f"the whole demonstration took {time.perf_counter() - began:.0f} s")
    click.echo(f"next: transferkit predict {run.path} {data / '3'} --top 1")
