"""``transferkit data``: verbs on data sets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from transferkit.cli._groups import Verbs
from transferkit.cli._options import (
    as_json,
    count_option,
    data_option,
    echo_lines,
    json_option,
    port_option,
    quiet_option,
    set_option,
    table,
)
from transferkit.errors import GateError, one_line
from transferkit.files.output_place import check_output

if TYPE_CHECKING:
    from transferkit.data.check import CheckResult

__all__ = ["command"]

# Findings of one kind that the table shows.
_SHOWN = 12


@click.group(name="data", cls=Verbs)
def command() -> None:
    """Check a data set before training, and review doubtful photos after it."""


command.usual = "check"


@command.command(name="check")
@click.argument("source", metavar="DATA")
@click.option(
    "--backbone", metavar="NAME", help="Also look for wrong labels and retouched copies, by its features."
)
@click.option(
    "--weights", metavar="WEIGHTS", default="imagenet", show_default=True, help="Weights of the backbone."
)
@click.option("--html", metavar="FILE", help="Write a page with thumbnails.")
@click.option("--max-bytes", type=click.IntRange(1), metavar="N", help="Refuse files of more bytes.")
@click.option("--max-pixels", type=click.IntRange(1), metavar="N", help="Refuse images of more pixels.")
@click.option(
    "--max-side", type=click.IntRange(1), metavar="N", help="Refuse images with a side of more pixels."
)
@click.option(
    "--follow-links",
    is_flag=True,
    help="Follow symbolic links that lead out of the folder (refused otherwise).",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="never",
    show_default=True,
    help="Exit with 1 when something of this severity or worse was found.",
)
@set_option
@quiet_option
@json_option
def check(
    source: str,
    backbone: str | None,
    weights: str,
    html: str | None,
    max_bytes: int | None,
    max_pixels: int | None,
    max_side: int | None,
    follow_links: bool,
    fail_on: str,
    settings: tuple[str, ...],
    quiet: bool,
    as_json_: bool,
) -> None:
    """Find unreadable files, duplicates, leaks between splits, and likely wrong labels.

    DATA is a folder of class folders, a manifest (.csv, .jsonl), a zip or tar, or TFRecord files.

    \b
    Examples:
      transferkit data check photos/
      transferkit data check photos/ --backbone mobilenet_v2 --html check.html
      transferkit data check photos/ --json --fail-on error
      transferkit data check list.csv \\
          --set 'data.columns={path="id", label="breed"}' --set data.root=photos
    """
    from transferkit.data.check import Limits
    from transferkit.data.sources import ManifestOptions
    from transferkit.inspection.check_data import check_data
    from transferkit.recipe import load
    from transferkit.training.progress import Progress

    check_output("--html", html)
    data = load(None, settings).data
    asked = {"bytes": max_bytes, "pixels": max_pixels, "side": max_side}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if follow_links:
        given["follow_links"] = True
    result = check_data(
        source,
        backbone=backbone,
        weights=weights,
        limits=replace(Limits.of(data), **given),
        manifest=ManifestOptions.of(data),
        classes=data.classes,
        page=html,
        progress=Progress(quiet=quiet),
    )
    if as_json_:
        as_json(result.to_dict())
    else:
        echo_lines(_summary(result), 9)
        if html:
            click.echo(f"\nPage with thumbnails: {html}")
    grave = {"error": ("error",), "warning": ("error", "warning"), "never": ()}[fail_on]
    short = [f"data {source}: {n} × {kind}" for kind, severity, n in result.summary() if severity in grave]
    if short:
        raise GateError(*short)


def _summary(result: CheckResult) -> str:
    """What people read: the classes, then the findings, errors first."""
    splits = list(result.counts)
    classes = dict.fromkeys(name for part in result.counts.values() for name in part)
    rows = [(name, *(result.counts[split].get(name, 0) for split in splits)) for name in classes]
    parts = [table(rows, ("class", *splits))]
    if result.widths and result.heights:
        formats = ", ".join(f"{name} {count}" for name, count in result.formats.items())
        (narrow, _, wide), (low, _, high) = result.widths, result.heights
        parts.append(f"{result.images} files: {formats}; {narrow} to {wide} wide, {low} to {high} high")
    found = [
        # A line each, not a row: a terminal goes on below it where a table would cut the names.
        f"{finding.severity:<9}{finding.kind.replace('_', ' ')}: {finding.message}: {_names(finding.names)}"
        for kind, _, _ in result.summary()
        for finding in result.of_kind(kind)[:_SHOWN]
    ]
    if found:
        parts.append("\n".join(one_line(line) for line in found))
    for kind, _, count in result.summary():
        if count > _SHOWN:
            parts.append(f"and {count - _SHOWN} more of {kind.replace('_', ' ')}; --json has all")
    counts = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, _, n in result.summary())
    parts.append(f"found: {counts}" if counts else "found: nothing")
    if result.notes:
        parts.append("\n".join(result.notes))
    if result.unchecked:
        parts.append("\n".join(f"not checked: {line}" for line in result.unchecked))
    return "\n\n".join(parts)


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


@command.command(name="review")
@click.argument("run", metavar="RUN")
@data_option
@click.option(
    "--edits",
    default="edits.jsonl",
    show_default=True,
    metavar="FILE",
    help="File that decisions are added to.",
)
@port_option(0, "Port of the page.", show_default="any free one")
@count_option("-n", "most", 200, "Most photos of each kind.")
def review(run: str, data: str | None, edits: str, port: int, most: int) -> None:
    """Go through a run's doubtful photos in a browser: keep, relabel, drop, next, undo.

    It shows photos whose label looks wrong, the worst mistakes and the least certain answers. Only this
    machine can open the page; Ctrl-C ends it. Each decision is a line in the file of edits; the photos stay
    as they are. A retraining applies the file with data.edits.

    \b
    Examples:
      transferkit data review runs/flowers
      transferkit retrain --data photos/ --set data.edits=edits.jsonl \\
          --set data.ledger=runs/flowers
    """
    from pathlib import Path

    from transferkit.errors import UserError, fault
    from transferkit.inspection.review.queue import review_queue
    from transferkit.inspection.review.server import ReviewServer
    from transferkit.runs.finished.run import Run

    file = Path(edits)
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise UserError(fault("--edits", edits, "a file in a folder that exists"))
    opened = Run(run)
    photos = review_queue(opened, data, most, lambda line: click.echo(one_line(line), err=True))
    try:
        server = ReviewServer(opened.path.absolute().name, photos, opened.classes, file, port)
    except OSError as error:
        raise UserError(fault("--port", port, "a free port", error.strerror or str(error))) from None
    click.echo(f"{len(photos)} photos to review; open {server.url}\nEnd with Ctrl-C; decisions: {edits}")
    try:
        server.run()
    except KeyboardInterrupt:
        click.echo("")
    finally:
        server.end()
