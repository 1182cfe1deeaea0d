"""``transferkit export``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from transferkit.cli._options import allow_code_option, as_json, json_option, table
from transferkit.discovery import modules
from transferkit.type_names import NamedValues

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
@click.option(
    "--to", metavar="DIR_OR_URL", help="Where the numbered versions go, also a URL.  [default: RUN/export]"
)
@click.option("--data", metavar="DIR", help="Where the run's images are now, if they were moved.")
@click.option(
    "--parity/--no-parity", default=None, help="Check every file against the run on held-out images."
)
@click.option("--agreement", metavar="SHARE", type=click.FloatRange(0, 1, min_open=True),
              help="Smallest share of held-out images on which a quantised format must give the model's "
              "label.")  # fmt: skip
@allow_code_option
@click.option(
    "--quiet", "-q", is_flag=True, help="Show no progress and no table: print the version's folder alone."
)
@json_option
def command(
    run: str,
    formats: tuple[str, ...],
    to: str | None,
    data: str | None,
    parity: bool | None,
    agreement: float | None,
    quiet: bool,
    as_json_: bool,
    allow_code: bool,
) -> None:
    """Export a run's model as a SavedModel that answers on raw image bytes, and in other formats.

    Versions count up (DIR/1, DIR/2, …), as TensorFlow Serving expects; each appears whole or not at all.
    Every file is reloaded in a fresh process and must answer held-out images as the evaluated model did;
    one that does not is left out, and the exit code is then 1. The table says what was checked; the last line
    is the version's folder. See `transferkit inspect DIR/1`.

    \b
    Examples:
      transferkit export runs/flowers
      transferkit export runs/flowers --format tflite_int8 --format onnx
      transferkit export runs/flowers --to /models/flowers
      transferkit export s3://bucket/runs/flowers --to s3://bucket/models/flowers
    """
    from transferkit.errors import GateError
    from transferkit.export.versions import versions
    from transferkit.files.checksum_manifest import NAME
    from transferkit.files.remote import is_remote
    from transferkit.files.remote.local_place import local_place
    from transferkit.runs.finished.run import load_run

    opened = load_run(run)
    target = to if to is not None else opened.named("export")
    folder = local_place(target) if is_remote(target) else Path(target)
    before = set(versions(folder))
    missed = None
    try:
        opened.export(
            to,
            formats=formats,
            data=data,
            parity=parity,
            agreement=agreement,
            quiet=quiet,
            allow_code=allow_code,
        )
    except GateError as error:
        missed = error
    for version in sorted(set(versions(folder)) - before):
        if (version / NAME).is_file():
            shown = f"{target.rstrip('/')}/{version.name}" if is_remote(target) else str(version)
            _print(version, shown, quiet, as_json_)
    if missed is not None:
        raise missed


def _print(version: Path, shown: str, quiet: bool, as_json_: bool) -> None:
    """The files of a version, their sizes, and what the check in a fresh process found."""
    from transferkit.export.inspect import artefacts_of

    found = artefacts_of(version)
    if as_json_:
        as_json({"export": shown, "artefacts": [asdict(one) for one in found]})
        return
    rows: list[tuple[str, ...]] = [
        (
            # The SavedModel is the folder itself.
            f"{version.name}/ ({one.title})" if one.file == "." else one.file,
            f"{one.bytes / 1e6:.1f} MB",
            *_check(one.parity),
            *_accuracies(one.parity),
        )
        for one in found
    ]
    header = ["file", "size", "check", "same label", "max diff", "accuracy", "model's"]
    if not any(row[-1] for row in rows):
        rows, header = [row[:-2] for row in rows], header[:-2]
    if not quiet:
        click.echo(table(rows, header))
    click.echo(shown)


def _check(row: NamedValues | None) -> tuple[str, str, str]:
    if row is None:
        return "not checked", "", ""
    state = "passed" if row["passed"] else "refused"
    same = round(row["agreement"] * row["images"])
    return state, f"{same} of {row['images']}", f"{row['largest_difference']:.1e}"


def _accuracies(row: NamedValues | None) -> tuple[str, str]:
    """Of the file and of the evaluated model, on the images of the check."""
    if row is None or row.get("accuracy") is None:
        return "", ""
    return f"{row['accuracy']:.3f}", f"{row['accuracy_of_model']:.3f}"
