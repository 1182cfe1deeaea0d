"""``transferkit retrain``."""

from __future__ import annotations

import click

from transferkit.cli._keys import key_options
from transferkit.cli._options import (
    allow_code_option,
    as_json,
    backbone_option,
    data_option,
    echo_run,
    json_option,
    quiet_option,
    recipe_option,
    set_option,
    table,
)
from transferkit.type_names import NamedValues

__all__ = ["command"]


@click.command(name="retrain")
@data_option
@backbone_option
@recipe_option
@key_options()
@set_option
@click.option(
    "--run", "place", metavar="DIR_OR_URL", help="Where the run goes.  [default: runs/BACKBONE-DATE]"
)
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option("--overwrite", is_flag=True, help="Replace an existing run.")
@click.option(
    "--fail-under",
    metavar="GATES",
    help="Exit with 1 when a result is below these values, e.g. 0.9 or accuracy=0.9,recall.roses=0.8.",
)
@quiet_option
@allow_code_option
@json_option
def command(
    data: str | None,
    backbone: str | None,
    recipe: str | None,
    settings: tuple[str, ...],
    place: str | None,
    resume: bool,
    overwrite: bool,
    fail_under: str | None,
    quiet: bool,
    as_json_: bool,
    allow_code: bool,
) -> None:
    """Retrain a backbone on your images, evaluate it and export it.

    DATA is a folder with one folder a class, or with train/ and val/ (and test/) that have these; or a CSV or
    JSON Lines manifest, a zip or tar of such a folder, or TFRecord files, each also at a URL (s3://, gs://,
    https://, …); or tfds:NAME. Every choice is in a recipe; the options override it. The run's folder holds
    the resolved recipe. With [sweep] in the recipe every trial is trained; the one that is best on the
    validation images becomes the run.

    \b
    Examples:
      transferkit retrain --data photos/
      transferkit retrain --backbone inception_v3 --data photos/ \\
          --run runs/flowers
      transferkit retrain --data s3://bucket/photos --run s3://bucket/runs/flowers
      transferkit retrain --data photos/ --epochs 10 --lr 1e-3 --image-size 320
      transferkit retrain --recipe runs/flowers/recipe.toml --run runs/again
      transferkit retrain --data photos/ \\
          --set 'sweep.values={"optimizer.learning_rate"=[1e-4, 1e-3]}'
    """
    from transferkit.runs.retrain import retrain
    from transferkit.runs.sweep import read_results

    values: NamedValues = {"backbone": backbone, "data": data}
    run = retrain(
        recipe=recipe,
        overrides=settings,
        run=place,
        resume=resume,
        overwrite=overwrite,
        fail_under=fail_under,
        quiet=quiet,
        allow_code=allow_code,
        **{key: value for key, value in values.items() if value is not None},
    )
    results = read_results(run.path)
    if as_json_:
        as_json(run.summary if results is None else {**run.summary, "sweep": results.to_dict()})
        return
    if results is not None:
        header = [name for name in results.header if name != "error" or any(row[-1] for row in results.rows)]
        click.echo(table([row[: len(header)] for row in results.rows], header) + "\n")
    echo_run(run)
