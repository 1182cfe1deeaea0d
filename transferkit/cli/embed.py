"""``transferkit embed``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from transferkit.cli._options import allow_code_option, as_json, json_option, quiet_option, set_option
from transferkit.errors import one_line

__all__ = ["command"]


@click.command(name="embed")
@click.argument("model", metavar="RUN_OR_BACKBONE")
@click.argument("photos", metavar="PHOTOS...", nargs=-1, required=True)
@click.option("--to", required=True, metavar="FILE", help="A .parquet, .npz, .npy or .tsv file.")
@set_option
@quiet_option
@allow_code_option
@json_option
def command(
    model: str,
    photos: tuple[str, ...],
    to: str,
    settings: tuple[str, ...],
    quiet: bool,
    allow_code: bool,
    as_json_: bool,
) -> None:
    """Write the features of photos, one row each, with path, label, split and content hash.

    PHOTOS is what training takes (a folder of class folders, a manifest, an archive …), which gives labels,
    or image files and folders. Features come from the network of a run, as training left it, or from a
    backbone, and are kept in the cache: a photo is passed through the network once. Where the photos have no
    splits of their own, a run gives those of its photos. Parquet needs pyarrow;
    .npy holds the numbers alone, with a .csv of its rows beside it; .tsv is for TensorBoard's projector, with
    labels, thumbnails and the projector's configuration beside it. Files that cannot be read are named on
    stderr and left out; the exit code is then 1.

    \b
    Examples:
      transferkit embed runs/flowers photos/ --to features.parquet
      transferkit embed mobilenet_v2 a.jpg b.jpg --to features.npz
      transferkit embed embedded photos/ --to features.npy \\
          --set backbone.input_size=96
    """
    from transferkit.runs.features.embed import embed
    from transferkit.runs.features.table_files import check_table

    check_table(Path(to))
    found = embed(model, photos, overrides=settings, quiet=quiet, allow_code=allow_code)
    files = found.save(to) if len(found) else ()
    for one in found.unreadable:
        click.echo(one_line(f"transferkit: {one.name}: {one.reason}"), err=True)
    facts = {"photos": len(found), "width": found.features.shape[1], "files": [str(file) for file in files]}
    if as_json_:
        as_json({**facts, "unreadable": [one._asdict() for one in found.unreadable]})
    elif files:
        click.echo(
            one_line(
                f"{len(found)} photos, {found.features.shape[1]} numbers each: {', '.join(facts['files'])}"
            )
        )
    if found.unreadable:
        sys.exit(1)
