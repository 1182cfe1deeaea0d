"""``transferkit similar``."""

from __future__ import annotations

import click

from transferkit.cli._options import (
    allow_code_option,
    as_json,
    count_option,
    data_option,
    json_option,
    quiet_option,
    table,
)
from transferkit.errors import one_line

__all__ = ["command"]


@click.command(name="similar")
@click.argument("run", metavar="RUN")
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True)
@count_option("-n", "count", 5, "Photos to find.")
@data_option
@quiet_option
@allow_code_option
@json_option
def command(
    run: str,
    photos: tuple[str, ...],
    count: int,
    data: str | None,
    quiet: bool,
    allow_code: bool,
    as_json_: bool,
) -> None:
    """Find the training photos that are most like a photo, as a run's network sees them.

    The distance is 1 minus the cosine of the features, centred on the training photos: 0 for the same photo,
    about 1 for one that has nothing to do with it. Activations that are in the cache need no training photo;
    --data says where the photos are now, if they moved and the cache lacks them.

    \b
    Examples:
      transferkit similar runs/flowers new_photo.jpg
      transferkit similar runs/flowers new_photo.jpg -n 20 --json
    """
    from transferkit.runs.features.similar import similar

    found = similar(run, photos, count=count, data=data, quiet=quiet, allow_code=allow_code)
    if as_json_:
        as_json([{"path": one.path, "similar": [vars(near) for near in one.neighbours]} for one in found])
        return
    for number, one in enumerate(found):
        if len(found) > 1:
            click.echo(("\n" if number else "") + one_line(one.path))
        rows = [(near.distance, near.label, near.path) for near in one.neighbours]
        click.echo(table(rows, ("distance", "label", "photo")))
