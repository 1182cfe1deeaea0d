"""``transferkit extend``."""

from __future__ import annotations

import click

from transferkit.cli._options import (
    allow_code_option,
    as_json,
    data_option,
    echo_run,
    json_option,
    quiet_option,
    reading_option,
)

__all__ = ["command"]


@click.command(name="extend")
@click.argument("run", metavar="RUN")
@data_option
@reading_option
@click.option("--run", "to", metavar="NEW", help="Folder of the new run.  [default: RUN-2, RUN-3 …]")
@click.option("--overwrite", is_flag=True, help="Replace an existing run.")
@quiet_option
@allow_code_option
@json_option
def command(
    run: str,
    data: str | None,
    settings: tuple[str, ...],
    to: str | None,
    overwrite: bool,
    quiet: bool,
    allow_code: bool,
    as_json_: bool,
) -> None:
    """Add photos and classes to a finished run in seconds, without its old photos.

    RUN keeps the features of its photos, so only the new ones pass the backbone. A head that is fitted
    without epochs (ridge, logistic, kernel, random_features, prototype, auto) comes out as if it had been
    trained on all photos together; each run verifies it. One that is trained by steps (linear, mlp,
    cosine) goes on from where it was. The new run has its own export, report and figures; RUN stays as it is.

    \b
    Examples:
      transferkit extend runs/flowers --data new_photos/
      transferkit extend runs/flowers --data new_photos/ --run runs/flowers_june
    """
    from transferkit.errors import UserError, fault
    from transferkit.runs.extend.extend import extend

    if data is None:
        raise UserError(fault("--data", None, "the new photos: a folder of class folders, or a manifest"))
    found = extend(
        run, data, to=to, overwrite=overwrite, quiet=quiet, allow_code=allow_code, overrides=settings
    )
    if as_json_:
        as_json(found.summary)
    else:
        echo_run(found)
