"""``transferkit lr-find``."""

from __future__ import annotations

import click

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
from transferkit.files.output_place import check_output
from transferkit.type_names import NamedValues

__all__ = ["command"]


@click.command(name="lr-find")
@data_option
@backbone_option
@recipe_option
@key_options("--batch-size", "--image-size", "--head", "--freeze", "--seed", "--devices")
@set_option
@click.option(
    "--phase", metavar="NAME", help="Phase to test; those before it are trained.  [default: the first]"
)
@click.option("--low", type=float, default=1e-6, show_default=True, metavar="RATE", help="The first rate.")
@click.option("--high", type=float, default=1.0, show_default=True, metavar="RATE", help="The last rate.")
@click.option(
    "--steps",
    type=int,
    default=150,
    show_default=True,
    metavar="N",
    help="Training steps from the first rate to the last.",
)
@click.option(
    "--to", default="lr-find", show_default=True, metavar="DIR", help="Folder for picture and numbers."
)
@quiet_option
@allow_code_option
@json_option
def command(
    data: str | None,
    backbone: str | None,
    recipe: str | None,
    settings: tuple[str, ...],
    phase: str | None,
    low: float,
    high: float,
    steps: int,
    to: str,
    quiet: bool,
    as_json_: bool,
    allow_code: bool,
) -> None:
    """Find how high a learning rate a phase tolerates: raise it step by step and watch the loss.

    Trains above the cut on cached activations, so it takes seconds. Nothing is kept but the picture and the
    numbers. The suggestion is the rate at which the smoothed loss falls fastest per decade of the rate.

    \b
    Examples:
      transferkit lr-find --data photos/
      transferkit lr-find --recipe finetune_top --phase top --data photos/ \\
          --low 1e-8 --high 1e-2
    """
    from transferkit.inspection.lr_find import RULE, find_rate

    check_output("--to", to, folder=True)
    values: NamedValues = {"backbone": backbone}
    found = find_rate(
        recipe,
        settings,
        data=data,
        phase=phase,
        low=low,
        high=high,
        steps=steps,
        quiet=quiet,
        allow_code=allow_code,
        **{key: value for key, value in values.items() if value is not None},
    )
    folder = found.write(to)
    if as_json_:
        as_json(found.to_dict())
        return
    if found.suggested is None:
        click.echo(f"no suggestion: the loss did not fall between {low:g} and {found.rates[-1]:.2g}")
    else:
        click.echo(f"suggested learning rate: {found.suggested:.2g} (the recipe has {found.used:g})")
        click.echo(f"by {RULE}, which is at {found.lowest:.2g}")
    click.echo(f"picture and numbers: {folder}")
