"""``transferkit plan``."""

from __future__ import annotations

import click

from transferkit.cli._keys import key_options
from transferkit.cli._options import (
    allow_code_option,
    as_json,
    backbone_option,
    data_option,
    echo_lines,
    json_option,
    recipe_option,
    set_option,
    table,
)
from transferkit.type_names import NamedValues

__all__ = ["command"]


@click.command(name="plan")
@data_option
@backbone_option
@recipe_option
@key_options()
@set_option
@click.option("--layers", is_flag=True, help="All layers instead of stages.")
@click.option("--no-measure", is_flag=True, help="Leave out the short measurement of this machine.")
@allow_code_option
@json_option
def command(
    data: str | None,
    backbone: str | None,
    recipe: str | None,
    settings: tuple[str, ...],
    layers: bool,
    no_measure: bool,
    as_json_: bool,
    allow_code: bool,
) -> None:
    """Show what a retraining would train, and what it would cost, without training.

    Takes the arguments of `transferkit retrain`. By stage (or by layer): trainable or frozen, the mode of
    batch normalisation, the share of the learning rate, parameters, output shape. Then where the cut lies,
    what is kept of each image there, and the cost below and above it.

    \b
    Examples:
      transferkit plan --backbone mobilenet_v2
      transferkit plan --recipe finetune_top --data photos/
      transferkit plan --backbone inception_v3 --set 'freeze={until="mixed7"}' \\
          --layers
    """
    from transferkit.inspection.phase_forecast import STAGE_HEADER
    from transferkit.inspection.plan import make_plan

    values: NamedValues = {"backbone": backbone}
    plans = make_plan(
        recipe,
        settings,
        data=data,
        measure=not no_measure,
        allow_code=allow_code,
        **{key: value for key, value in values.items() if value is not None},
    )
    if as_json_:
        as_json(plans.to_dict(layers))
        return
    for number, plan in enumerate(plans):
        if number:
            click.echo()
        click.echo(f"phase {plan.name}: {plan.freeze}")
        rows = plan.rows(layers)
        click.echo(table(rows, ("layer" if layers else "stage", *STAGE_HEADER[1:])))
        for line in plan.lines():
            echo_lines(line)
    if plans.afterwards:
        echo_lines(plans.afterwards)
    click.echo(f"devices: {plans.devices.describe()}")
