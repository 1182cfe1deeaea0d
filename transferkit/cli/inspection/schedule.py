"""``transferkit schedule``."""

from __future__ import annotations

import click

from transferkit.cli._groups import Verbs
from transferkit.cli._keys import key_options
from transferkit.cli._options import (
    allow_code_option,
    as_json,
    data_option,
    json_option,
    recipe_option,
    set_option,
    table,
)
from transferkit.files.output_place import check_output

__all__ = ["command"]


@click.group(name="schedule", cls=Verbs)
def command() -> None:
    """Draw learning-rate schedules before training."""


@command.command(name="plot")
@data_option
@recipe_option
@click.option("--images", type=int, metavar="N", help="Training images, instead of --data.")
@key_options("--epochs", "--lr", "--batch-size")
@set_option
@click.option("--to", default="schedule.png", show_default=True, metavar="FILE", help="The PNG to write.")
@allow_code_option
@json_option
def plot(
    data: str | None,
    recipe: str | None,
    images: int | None,
    settings: tuple[str, ...],
    to: str,
    as_json_: bool,
    allow_code: bool,
) -> None:
    """Draw the learning rate by step across a recipe's phases, and write the numbers beside the picture.

    \b
    Examples:
      transferkit schedule plot --recipe gradual_unfreeze --images 1200
      transferkit schedule plot --recipe mine.toml --data photos/ --to rates.png
      transferkit schedule plot --images 500 \\
          --set 'schedule={kind="cosine", warmup=20}'
    """
    from transferkit.errors import UserError, fault
    from transferkit.inspection.schedule import schedule_rates, write_rates

    if not to.lower().endswith(".png"):
        raise UserError(fault("--to", to, "a file that ends in .png"))
    check_output("--to", to)
    phases = schedule_rates(recipe, settings, data=data, images=images, allow_code=allow_code)
    picture, numbers = write_rates(phases, to, f"learning rate of {recipe or 'retrain'}")
    if as_json_:
        as_json([phase.to_dict() for phase in phases])
        return
    rows = [
        (
            phase.name,
            phase.kind,
            len(phase.rates),
            *(float(rate) for rate in (phase.rates[0], phase.rates.max(), phase.rates[-1])),
        )
        for phase in phases
    ]
    click.echo(table(rows, ("phase", "schedule", "steps", "first", "highest", "last")))
    for phase in phases:
        if phase.uses_metrics:
            click.echo(f"phase {phase.name}: drawn as if the metric always improved; each plateau lowers it")
    click.echo(f"picture {picture}\nnumbers {numbers}")
