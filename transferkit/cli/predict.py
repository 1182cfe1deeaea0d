"""``transferkit predict``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from transferkit import csv_files
from transferkit.cli._options import json_text
from transferkit.errors import one_line

if TYPE_CHECKING:
    from transferkit.runs.predict import Prediction

__all__ = ["command"]


@click.command(name="predict")
@click.argument("model", metavar="RUN_OR_EXPORT")
@click.argument("images", metavar="IMAGE_OR_FOLDER...", nargs=-1, required=True)
@click.option(
    "--top", default=3, show_default=True, type=click.IntRange(1), help="Classes to name per image."
)
@click.option(
    "--format", "form", default="table", show_default=True, type=click.Choice(["table", "json", "csv"])
)
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "saved_model", "tensorflow", "openvino"]),
    help="What runs the network; auto takes the fastest that agrees where there are many files.",
)
def command(model: str, images: tuple[str, ...], top: int, form: str, engine: str) -> None:
    """Name what is on images, with a run or an export.

    Folders are walked for files named like images, however many there are; answers come as they are found.
    Files that cannot be read are named on stderr and the rest goes on; the exit code is then 1. With --format
    json each line is one JSON object. Where the model is not sure enough (evaluation.precision) the label is
    "abstained" (null in JSON).

    \b
    Examples:
      transferkit predict runs/flowers rose.jpg
      transferkit predict runs/flowers photos/ --top 1 --format csv > answers.csv
      transferkit predict runs/flowers/export/1 a.jpg b.png --format json
    """
    from transferkit.export.alone import without_keras
    from transferkit.runs.image_files import image_files
    from transferkit.runs.predict import Exported, find_export

    folder = find_export(model)
    files = image_files(images)
    first = next(files, None)  # names a missing file before TensorFlow is loaded
    if first is None:
        from transferkit.errors import UserError, fault

        raise UserError(fault("predict", ", ".join(images), "images", "no file there is named like one"))
    with without_keras():  # nothing else runs in this process
        exported = Exported(folder)
    failed = done = 0

    def answers() -> Iterator[Prediction]:
        nonlocal failed, done
        for prediction in exported.predict(_chain(first, files), top=top, engine=engine):
            done += 1
            if prediction.error is not None:
                failed += 1
                click.echo(f"transferkit: {one_line(prediction.path)}: {prediction.error}", err=True)
            else:
                yield prediction

    _PRINT[form](answers())
    if failed:
        click.echo(f"transferkit: {failed} of {done} files could not be predicted", err=True)
        sys.exit(1)


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _print_table(answers: Iterable[Prediction]) -> None:
    for one in answers:
        named = "  ".join(f"{label} {probability:.4f}" for label, probability in one.top)
        said = "abstained: " if one.abstained else ""
        if one.present is not None:
            said = f"{', '.join(one.present) or 'none'}: "
        click.echo(one_line(f"{one.path}  {said}{named}"))


def _print_json(answers: Iterable[Prediction]) -> None:
    for one in answers:
        top = [{"label": label, "probability": probability} for label, probability in one.top]
        line: dict[str, object] = {
            "path": one.path,
            "label": one.label,
            "abstained": one.abstained,
            "top": top,
        }
        if one.present is not None:
            line["labels"] = list(one.present)
        click.echo(json_text(line))


def _print_csv(answers: Iterable[Prediction]) -> None:
    writer = csv_files.Writer(sys.stdout)
    writer.writerow(["path", "rank", "label", "probability", "abstained"])
    for one in answers:
        for rank, (label, probability) in enumerate(one.top, 1):
            writer.writerow([one.path, rank, label, f"{probability:.6g}", str(one.abstained).lower()])


_PRINT = {"table": _print_table, "json": _print_json, "csv": _print_csv}
