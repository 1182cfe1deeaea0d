"""``transferkit forget``."""

from __future__ import annotations

import click

from transferkit.cli._options import allow_code_option, as_json, echo_run, json_option, quiet_option

__all__ = ["command"]


@click.command(name="forget")
@click.argument("run", metavar="RUN")
@click.option("--class", "classes", metavar="NAME", multiple=True, help="Class to take out; may be repeated.")
@click.option("--files", metavar="LIST", help="Text file of photos to take out, one on each line.")
@click.option("--run", "to", metavar="NEW", help="Folder of the new run.  [default: RUN-2, RUN-3 …]")
@click.option("--overwrite", is_flag=True, help="Replace an existing run.")
@quiet_option
@allow_code_option
@json_option
def command(
    run: str,
    classes: tuple[str, ...],
    files: str | None,
    to: str | None,
    overwrite: bool,
    quiet: bool,
    allow_code: bool,
    as_json_: bool,
) -> None:
    """Take classes or photos out of a finished run in seconds, as if they had never been there.

    Head, calibration, thresholds and figures are computed again from the features that RUN keeps; the photos
    are not needed. The list names a photo by its path in split.csv, by its file or by its SHA-256. RUN stays
    as it is: remove it yourself where it must go. A fine-tuned backbone keeps what it learned, with a note.

    \b
    Examples:
      transferkit forget runs/flowers --class tulips
      transferkit forget runs/flowers --files withdrawn.txt \\
          --run runs/flowers_clean
    """
    from transferkit.runs.extend.extend import forget

    found = forget(
        run,
        classes=classes,
        files=files or (),
        to=to,
        overwrite=overwrite,
        quiet=quiet,
        allow_code=allow_code,
    )
    if as_json_:
        as_json(found.summary)
    else:
        echo_run(found)
