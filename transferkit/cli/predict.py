"""``transferkit predict``."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable

import click

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
def command(model: str, images: tuple[str, ...], top: int, form: str) -> None:
    """Name what is on images, with a run or an export.

    Folders are walked for files named like images. Files that cannot be read are named on stderr and the
    rest goes on; the exit code is then 1. With --format json each line is one JSON object.

    \b
    Examples:
      transferkit predict runs/flowers rose.jpg
      transferkit predict runs/flowers photos/ --top 1 --format csv > answers.csv
      transferkit predict runs/flowers/export/1 a.jpg b.png --format json
    """
    from transferkit.runs.predict import Exported, find_export, image_files

    folder = find_export(model)
    files = image_files(images)
    first = next(files, None)  # names a missing file before TensorFlow is loaded
    if first is None:
        from transferkit.errors import UserError, fault

        raise UserError(fault("predict", ", ".join(images), "images", "no file there is named like one"))
    exported = Exported(folder)
    failed = 0

    def answers() -> Iterable:
        nonlocal failed
        for prediction in exported.predict(_chain(first, files), top=top):
            if prediction.error is not None:
                failed += 1
                click.echo(f"transferkit: {prediction.path}: {prediction.error}", err=True)
            else:
                yield prediction

    _PRINT[form](answers())
    if failed:
        sys.exit(1)


def _chain(first: str, rest: Iterable[str]) -> Iterable[str]:
    yield first
    yield from rest


def _print_table(answers: Iterable) -> None:
    for one in answers:
        named = "  ".join(f"{label} {probability:.4f}" for label, probability in one.top)
        click.echo(f"{one.path}  {named}")


def _print_json(answers: Iterable) -> None:
    for one in answers:
        top = [{"label": label, "probability": probability} for label, probability in one.top]
        click.echo(json.dumps({"path": one.path, "label": one.label, "top": top}, ensure_ascii=False))


def _print_csv(answers: Iterable) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["path", "rank", "label", "probability"])
    for one in answers:
        for rank, (label, probability) in enumerate(one.top, 1):
            writer.writerow([one.path, rank, label, f"{probability:.6g}"])


_PRINT = {"table": _print_table, "json": _print_json, "csv": _print_csv}
