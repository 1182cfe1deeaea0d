"""``transferkit features``."""

from __future__ import annotations

from typing import Any

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

__all__ = ["command"]


@click.group(name="features", cls=Verbs)
def command() -> None:
    """Run the frozen part of a backbone ahead of a retraining, in as many jobs as there are machines.

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
@click.option("--to", metavar="DIR", help="The cache that all shards share.  [default: the user's cache]")
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

    Shares are drawn by the content of the files, so they stay when files move. Each job of an array takes
    one; it needs nothing of the others, and when it is run again computes only what is missing. A retraining
    that is given the same cache finds all rows and decodes nothing.

    \b
    Examples:
      transferkit features compute --data photos/ --shard "$SLURM_ARRAY_TASK_ID/16" --to /shared/cache
      transferkit features compute --data photos/ --recipe finetune_top --shard 1/4 --to cache/
    """
    from transferkit.runs.features.shards import compute_features

    values: dict[str, Any] = {"backbone": backbone}
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
