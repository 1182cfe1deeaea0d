"""``transferkit features``."""

from __future__ import annotations

import click

from transferkit.cli._groups import Verbs
from transferkit.cli._keys import key_options
from transferkit.cli._options import (
    allow_code_option,
    as_json,
    backbone_option,
    data_option,
    json_option,
    quiet_option,
    recipe_option,
    set_option,
)
from transferkit.errors import one_line
from transferkit.type_names import NamedValues

__all__ = ["command"]


@click.group(name="features", cls=Verbs)
def command() -> None:
    """Run the frozen part of a backbone ahead of a retraining, in as many jobs as there are machines, or
    write what it gives into a table.

    \b
    Examples:
      transferkit features compute --data photos/ --shard 3/16 --to /shared/cache
      transferkit retrain --data photos/ --set activations.cache_dir=/shared/cache
    """


@command.command(name="compute")
@data_option
@backbone_option
@recipe_option
@key_options("--image-size", "--head", "--freeze", "--seed", "--devices")
@set_option
@click.option(
    "--shard", default="1/1", show_default=True, metavar="N/COUNT", help="Which share of the images."
)
@click.option(
    "--to", metavar="DIR_OR_URL", help="The cache that all shards share.  [default: the user's cache]"
)
@quiet_option
@allow_code_option
@json_option
def compute(
    data: str | None,
    backbone: str | None,
    recipe: str | None,
    settings: tuple[str, ...],
    shard: str,
    to: str | None,
    quiet: bool,
    as_json_: bool,
    allow_code: bool,
) -> None:
    """Compute the features of one share of the images and keep them.

    A file's content decides its share, which stays the same when the file moves. Each job of an array takes
    one; it needs nothing from the others, and computes only what is missing when it is run again. A
    retraining that takes its features from there decodes nothing.

    \b
    Examples:
      transferkit features compute --data photos/ \\
          --shard "$SLURM_ARRAY_TASK_ID/16" --to /shared/cache
      transferkit features compute --data photos/ --recipe finetune_top \\
          --shard 1/4 --to s3://bucket/cache
      transferkit retrain --data photos/ --recipe finetune_top \\
          --set activations.from=s3://bucket/cache
    """
    from transferkit.runs.features.shards import compute_features

    values: NamedValues = {"backbone": backbone}
    done = compute_features(
        recipe,
        settings,
        shard=shard,
        to=to,
        data=data,
        quiet=quiet,
        allow_code=allow_code,
        **{key: value for key, value in values.items() if value is not None},
    )
    for one in done.unreadable:
        click.echo(one_line(f"transferkit: {one.name}: {one.reason}"), err=True)
    if as_json_:
        as_json({**vars(done), "unreadable": [one._asdict() for one in done.unreadable]})
        return
    click.echo(
        f"{done.mine} of {done.images} images: {done.computed} computed, {done.found} found; {done.folder}"
    )


@command.command(name="export")
@data_option
@backbone_option
@recipe_option
@key_options("--image-size", "--head", "--freeze", "--seed", "--devices")
@set_option
@click.option("--to", required=True, metavar="FILE", help="A .parquet, .npz or .npy file.")
@quiet_option
@allow_code_option
@json_option
def export(
    data: str | None,
    backbone: str | None,
    recipe: str | None,
    settings: tuple[str, ...],
    to: str,
    quiet: bool,
    as_json_: bool,
    allow_code: bool,
) -> None:
    """Write the features that a retraining's head would be given, with path, label, split and content hash.

    They come from the cache where it has them, as after `features compute` with the same recipe. Parquet
    needs pyarrow; .npy holds the numbers alone, with a .csv of its rows beside it. For the network of a
    finished run, or for photos without labels, see `transferkit embed`.

    \b
    Examples:
      transferkit features export --data photos/ --to features.npz
      transferkit features export --data photos/ \\
          --set activations.cache_dir=/shared/cache --to all.parquet
    """
    from pathlib import Path

    from transferkit.runs.features.export_features import export_features
    from transferkit.runs.features.table_files import check_table

    check_table(Path(to))
    values: NamedValues = {"backbone": backbone}
    given = {key: value for key, value in values.items() if value is not None}
    found = export_features(recipe, settings, data=data, quiet=quiet, allow_code=allow_code, **given)
    files = [str(file) for file in found.save(to)]
    for one in found.unreadable:
        click.echo(one_line(f"transferkit: {one.name}: {one.reason}"), err=True)
    width = found.features.shape[1]
    if as_json_:
        unreadable = [one._asdict() for one in found.unreadable]
        as_json({"images": len(found), "width": width, "files": files, "unreadable": unreadable})
        return
    click.echo(one_line(f"{len(found)} images, {width} numbers each: {', '.join(files)}"))
