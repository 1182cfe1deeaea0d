"""``transferkit augment``."""

from __future__ import annotations

import click

from transferkit.cli._groups import Verbs
from transferkit.cli._keys import key_options
from transferkit.cli._options import allow_code_option, backbone_option, data_option, recipe_option
from transferkit.files.output_place import check_output
from transferkit.type_names import Override

__all__ = ["command"]


@click.group(name="augment", cls=Verbs)
def command() -> None:
    """Look at what augmentation does to your images.

    \b
    Example:
      transferkit augment preview --recipe robust --data photos/
    """


@command.command()
@data_option
@backbone_option
@recipe_option
@key_options("--image-size", "--seed")
@click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a recipe's value, e.g. augmentation.flip=true.",
)
@click.option("--to", default="preview.png", show_default=True, metavar="FILE", help="The PNG to write.")
@click.option(
    "--images", default=5, show_default=True, metavar="N", help="Rows: training images, each class in turn."
)
@allow_code_option
@click.option(
    "--views", default=6, show_default=True, metavar="N", help="Columns: views beside the original."
)
def preview(
    data: str | None,
    backbone: str | None,
    recipe: str | None,
    settings: tuple[str, ...],
    to: str,
    images: int,
    views: int,
    allow_code: bool,
) -> None:
    """Write a contact sheet: images as they are, views of each, and mixtures where the recipe mixes.

    The views are those that a run of the recipe trains on: they follow from the seed and the images.

    \b
    Examples:
      transferkit augment preview --recipe robust --data photos/
      transferkit augment preview --data photos/ \\
          --set 'augmentation={flip=true, rotation=30}'
    """
    from transferkit.inspection.augmentation_preview import preview_augmentation

    check_output("--to", to)
    given = {"data.path": data, "backbone.name": backbone}
    overrides: list[Override] = [(key, one) for key, one in given.items() if one is not None]
    path = preview_augmentation(
        recipe, to=to, overrides=[*overrides, *settings], images=images, views=views, allow_code=allow_code
    )
    click.echo(path)
