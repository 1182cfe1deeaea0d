"""``transferkit demo``."""

from __future__ import annotations

import csv
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from transferkit.cli._options import quiet_option
from transferkit.packages import distributed

if TYPE_CHECKING:
    from transferkit.runs.prediction.prediction import Prediction

__all__ = ["command"]


@click.command(name="demo")
@click.option("--to", default="demo", show_default=True, metavar="DIR", help="Folder for data and run.")
@click.option(
    "--digits",
    is_flag=True,
    help="Take the 1797 handwritten digits even where the photographs are installed.",
)
@quiet_option
def command(to: str, digits: bool, quiet: bool) -> None:
    """Show the main job on an inspection task: which solar cells are defective? No network.

    2624 photographs of cells come with the package elpv-dataset (pip install 'transferkit[demo]'; CC BY-NC-SA
    4.0). Without it, the handwritten digits that scikit-learn carries are retrained.

    \b
    Examples:
      transferkit demo
      transferkit demo --to /tmp/demo
      transferkit demo --digits
    """
    from transferkit.runs.demo.solar_cells import PACKAGE

    began = time.perf_counter()
    if not digits and not distributed(PACKAGE):
        click.echo(
            f"{PACKAGE} is not installed: handwritten digits stand in; pip install 'transferkit[demo]'",
            err=True,
        )
        digits = True
    (_digits if digits else _cells)(Path(to), quiet, began)


def _cells(place: Path, quiet: bool, began: float) -> None:
    from transferkit.runs.demo.solar_cells import CREDIT, write_solar_cells
    from transferkit.runs.retrain import retrain

    click.echo(f"data: {CREDIT}")
    manifest = write_solar_cells(place / "cells.csv")
    run = retrain("linear_probe", data=str(manifest), run=place / "run", overwrite=True, quiet=quiet)
    click.echo(run.describe())
    # A cell that all were sure about and that training has not seen.
    with open(manifest, newline="", encoding="utf-8") as file:
        rows = [
            row for row in csv.DictReader(file) if (row["split"], row["probability"]) == ("test", "1.0000")
        ]
    image = rows[0]["path"]
    click.echo(_answer(run.predict([image])[0]))
    picture = place / "prediction.png"
    run.explain([image])[0].save(picture)
    click.echo(f"what the answer rests on: {picture}")
    _last_lines(run.path, image, began)


def _digits(place: Path, quiet: bool, began: float) -> None:
    from transferkit.runs.demo.digits import write_digits
    from transferkit.runs.retrain import retrain

    data = write_digits(place / "digits")
    run = retrain(backbone="embedded", data=str(data), run=place / "run", overwrite=True, quiet=quiet)
    click.echo(run.describe())
    image = next((data / "7").glob("*.png"))
    click.echo(_answer(run.predict([image])[0]))
    _last_lines(run.path, data / "3", began)


def _answer(prediction: Prediction) -> str:
    label, probability = prediction.top[0]
    return f"predicted {prediction.path} with the export: {label} ({probability:.3f})"


def _last_lines(run: Path, images: str | Path, began: float) -> None:
    click.echo(f"the whole demonstration took {time.perf_counter() - began:.0f} s")
    click.echo(f"next: transferkit predict {shlex.quote(str(run))} {shlex.quote(str(images))} --top 1")
