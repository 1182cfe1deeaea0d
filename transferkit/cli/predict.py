"""``transferkit predict``."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from transferkit.cli._options import count_option, devices_option, json_text
from transferkit.errors import one_line
from transferkit.files import csv_files

if TYPE_CHECKING:
    from transferkit.runs.prediction.prediction import Prediction

__all__ = ["command"]


@click.command(name="predict")
@click.argument("model", metavar="RUN_OR_EXPORT")
@click.argument("images", metavar="IMAGE_OR_FOLDER...", nargs=-1, required=True)
@count_option("--top", "top", 3, "Classes to name per image.")
@click.option(
    "--format",
    "form",
    default="table",
    show_default=True,
    type=click.Choice(["table", "json", "csv"]),
    help="How the answers are written.",
)
@click.option(
    "--long", is_flag=True, help="With --format csv: one row for each rank instead of one for each image."
)
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "saved_model", "tensorflow", "openvino"]),
    help="What runs the network; auto: with many files, the fastest engine that gives the same answers.",
)
@devices_option
def command(
    model: str,
    images: tuple[str, ...],
    top: int,
    form: str,
    long: bool,
    engine: str,
    devices: str | None,
) -> None:
    """Classify images with a run, an export or one file of it (.tflite, .keras, .onnx).

    Folders are walked for the files that training would read, however many there are; what is passed over is
    counted on stderr, and answers come as they are found. Files that cannot be read are named on stderr and
    left out; the exit code is then 1. With --format json each line is one JSON object; with --format
    csv each picture is one row. Where the model is not sure enough (evaluation.precision) the label is
    "abstained" (null in JSON, empty in CSV); where it tells that a photo is like nothing it was trained on
    (evaluation.false_alarms) it says "unknown". An export that was changed since it was written is refused.

    \b
    Examples:
      transferkit predict runs/flowers rose.jpg
      transferkit predict runs/flowers photos/ --top 1 --format csv > answers.csv
      transferkit predict runs/flowers/export/1 a.jpg b.png --format json
      transferkit predict model.tflite photos/
    """
    from transferkit.data.source import LeftOut, left_out_notes
    from transferkit.errors import UserError, fault
    from transferkit.export.no_keras import without_keras
    from transferkit.runs.prediction.exported import Exported
    from transferkit.runs.prediction.find_export import find_model
    from transferkit.runs.prediction.image_files import image_files

    if long and form != "csv":
        raise UserError(fault("--long", hint="it is for --format csv"))
    place = find_model(model)
    left_out: list[LeftOut] = []
    files = image_files(images, left_out)
    first = next(files, None)  # names a missing file before TensorFlow is loaded
    if first is None:
        raise UserError(
            fault("predict", ", ".join(images), "images", "; ".join(left_out_notes(left_out)) or None)
        )
    # Nothing else runs in this process.
    with contextlib.nullcontext() if place.suffix == ".keras" else without_keras():
        exported = Exported(place, devices)
    if not exported.compared:
        click.echo(one_line(f"transferkit: {place}: no manifest, so its files were not compared"), err=True)
    answers = _Answers(exported.predict(itertools.chain([first], files), top=top, engine=engine))
    if form == "csv":
        ranks = min(top, len(exported.labels))
        _print_csv(answers, ranks, exported.about.multi_label, long, exported.scores)
    else:
        _PRINT[form](answers)
    for note in left_out_notes(left_out):
        click.echo(one_line(f"transferkit: {note}"), err=True)
    if answers.failed:
        click.echo(f"transferkit: {answers.failed} of {answers.done} files could not be predicted", err=True)
        sys.exit(1)


class _Answers:
    """The predictions of files that could be read; the others are named on stderr, and counted.

    Attributes:
        done: files so far.
        failed: those of them that could not be read.
    """

    def __init__(self, predictions: Iterable[Prediction]) -> None:
        self._predictions = predictions
        self.done = self.failed = 0

    def __iter__(self) -> Iterator[Prediction]:
        for prediction in self._predictions:
            self.done += 1
            if prediction.error is not None:
                self.failed += 1
                click.echo(f"transferkit: {one_line(prediction.path)}: {prediction.error}", err=True)
            else:
                yield prediction


def _print_table(answers: Iterable[Prediction]) -> None:
    for one in answers:
        named = "  ".join(f"{label} {probability:.4f}" for label, probability in one.top)
        said = "abstained: " if one.abstained else ""
        if one.present is not None:
            said = f"{', '.join(one.present) or 'none'}: "
        said = "unknown: " if one.unknown else said
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
        if one.novelty is not None:
            line |= {"unknown": one.unknown, "novelty": one.novelty}
        if one.present is not None:
            line["labels"] = list(one.present)
        click.echo(json_text(line))


def _print_csv(answers: Iterable[Prediction], ranks: int, several: bool, long: bool, scored: bool) -> None:
    writer = csv_files.Writer(sys.stdout)
    if long:
        unknown = ["unknown", "novelty"] if scored else []
        writer.writerow(["path", "rank", "label", "probability", "abstained", *unknown])
        for one in answers:
            for rank, (label, probability) in enumerate(one.top, 1):
                row = [one.path, rank, label, f"{probability:.6g}", _word(one.abstained)]
                writer.writerow(row + _unknown(one, scored))
        return
    further = [f"{what}_{rank}" for rank in range(2, ranks + 1) for what in ("label", "probability")]
    labels = ["labels"] if several else []
    unknown = ["unknown", "novelty"] if scored else []
    writer.writerow(["path", "label", "probability", "abstained", *unknown, *labels, *further])
    for one in answers:
        (_, best), *others = one.top
        row = [one.path, one.label or "", f"{best:.6g}", _word(one.abstained)]
        row += _unknown(one, scored)
        row += ["|".join(one.present or ())] if several else []
        for label, probability in others:
            row += [label, f"{probability:.6g}"]
        writer.writerow(row)


def _unknown(one: Prediction, scored: bool) -> list[str]:
    return [_word(one.unknown), f"{one.novelty:.6g}"] if scored else []


def _word(value: bool) -> str:
    return str(value).lower()


_PRINT = {"table": _print_table, "json": _print_json}
