"""A contact sheet of what a recipe's augmentation does: images as they are, views of each, then mixtures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.code_permission import allowing
from transferkit.errors import UserError, fault
from transferkit.files.whole_file import whole_file
from transferkit.recipe import Recipe, admit_code, load
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.training.images import Images
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress
from transferkit.type_names import Override

if TYPE_CHECKING:
    from transferkit.inspection.contact_sheet import Tile

__all__ = ["preview_augmentation"]


def preview_augmentation(
    recipe: str | os.PathLike[str] | None = None,
    *,
    to: str | os.PathLike[str] = "preview.png",
    overrides: Sequence[Override] = (),
    images: int = 5,
    views: int = 6,
    quiet: bool = True,
    allow_code: bool = False,
    **values: Any,
) -> Path:
    """Draws what training would see of a few images.

    The same recipe and images give the same sheet: each view is the very one that a run with views keeps
    under its number. Mixtures are those of batches of the images shown.

    Args:
        recipe: a recipe's name or file.
        to: the PNG file to write.
        overrides: as of :func:`transferkit.retrain`.
        images: rows: training images, one of each class in turn.
        views: columns beside the original.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.
        **values: top-level keys of the recipe, such as ``data="photos/"``.

    Returns:
        ``to``.

    Raises:
        UserError: recipe or images cannot be used, or the recipe asks for no augmentation.
    """
    if isinstance(values.get("data"), str | os.PathLike):
        overrides = [("data.path", os.fspath(values.pop("data"))), *overrides]
    for name, count in (("images", images), ("views", views)):
        if not 1 <= count <= 50:
            raise UserError(fault(name, count, "a number from 1 to 50"))
    with allowing(allow_code):
        return _preview(admit_code(load(recipe, overrides, **values)), Path(to), images, views, quiet)


def _preview(resolved: Recipe, to: Path, images: int, views: int, quiet: bool) -> Path:
    if not resolved.augmentation.options:
        hint = "name a recipe that augments (--recipe robust), or what to do (--set augmentation.flip=true)"
        raise UserError(fault("augmentation", "nothing", "at least one change", hint))
    found = prepare(resolved, Progress(quiet))
    start_tensorflow()
    from transferkit.inspection.contact_sheet import draw_sheet

    chosen, pixels = _some(resolved, found, images)
    header = ["original", *(f"view {number + 1}" for number in range(views))]
    rows = _view_rows(resolved, found, chosen, pixels, views)
    mixed = _mixed_rows(resolved, found, chosen, rows, views)
    words = ", ".join(_words(name, options) for name, options in resolved.augmentation.options.items())
    sheet = draw_sheet(f"{resolved.name}: {words}", header, [*rows, *mixed])
    with whole_file(to) as beside:
        sheet.save(beside, "PNG")
    return to


def _some(recipe: Recipe, images: Images, count: int) -> tuple[list[int], np.ndarray]:
    """Training images, the first of each class, then the second and so on, as far as they can be read."""
    from transferkit.data.pixels.decoding import Decoding
    from transferkit.data.reader import read_images

    turns: dict[str, int] = {}
    train = images.of_split("train").tolist()
    order = []
    for index in train:
        label = images.rows[index].label
        order.append((turns.setdefault(label, 0), label, index))
        turns[label] += 1
    wanted = [index for _, _, index in sorted(order)]
    items = [(None, images.paths[index]) for index in wanted]
    chosen: list[int] = []
    pixels: list[np.ndarray] = []
    reason = "there are none to train on"
    # Damaged images are passed over; reading ends with the last one that is needed.
    for batch in read_images(items, Decoding.of(recipe.data, _size(recipe)), batch_size=count):
        chosen += [wanted[place] for place in batch.indices]
        pixels += list(batch.images)
        reason = next((one.reason for one in batch.unreadable), reason)
        if len(chosen) >= count:
            break
    if not chosen:
        raise UserError(fault("data", str(recipe.data.path), "images that can be read", reason))
    return chosen[:count], np.stack(pixels[:count])


def _size(recipe: Recipe) -> tuple[int, int]:
    from transferkit.backbones import load_backbone

    section = recipe.backbone
    if section.size is not None:
        return section.size
    return load_backbone(section.name, None, **section.options).input_size


def _view_rows(
    recipe: Recipe, images: Images, chosen: list[int], pixels: np.ndarray, count: int
) -> list[tuple[str, list[Tile]]]:
    from transferkit.inspection.contact_sheet import Tile
    from transferkit.training.augmented_batches import make_views

    rows = [
        (f"{images.rows[index].label}: {Path(images.rows[index].name).name}", [Tile(pixels[row])])
        for row, index in enumerate(chosen)
    ]
    views = make_views(recipe)
    if views is None:
        return rows
    hashes = [images.rows[index].sha256 for index in chosen]
    for number in range(count):
        changed = views.augment(pixels, views.seeds(hashes, number))
        for (_, tiles), image in zip(rows, changed, strict=True):
            tiles.append(Tile(image))
    return rows


def _mixed_rows(
    recipe: Recipe, images: Images, chosen: list[int], rows: list[tuple[str, list[Tile]]], count: int
) -> list[tuple[str, list[Tile]]]:
    """For each place where the recipe mixes, one row: an image each of as many batches."""
    import tensorflow as tf

    from transferkit.augmentation import make_augmentation
    from transferkit.inspection.contact_sheet import Tile

    pipeline = make_augmentation(recipe.augmentation)
    names = [images.rows[index].label for index in chosen]
    labels = tf.eye(len(chosen))
    # What is mixed has been changed before, as in training.
    batch = tf.constant(np.stack([tiles[-1].pixels for _, tiles in rows]))
    made = []
    for at, title in (("images", "mixed images"), ("cut", "mixed at the cut, shown on pixels")):
        if pipeline is None or not (pipeline.mixes_images if at == "images" else pipeline.mixes_activations):
            continue
        tiles = []
        for number in range(count + 1):
            pictures, shares = pipeline.mix(batch, labels, recipe.seed + number, at=at)
            # Each batch is shown by its most mixed image: some are hardly mixed, one is paired with itself.
            one = int(tf.argmin(tf.reduce_max(shares, axis=1)))
            tiles.append(Tile(pictures[one].numpy(), _shares(shares[one].numpy(), names)))
        made.append((f"{title}: of each batch the most mixed", tiles))
    return made


def _shares(shares: np.ndarray, names: list[str]) -> str:
    """``0.8 roses + 0.2 tulips``: two images of one class add up."""
    total: dict[str, float] = {}
    for name, share in zip(names, shares.tolist(), strict=True):
        total[name] = total.get(name, 0.0) + share
    return " + ".join(f"{share:.2f} {name}" for name, share in total.items() if share >= 0.005)


def _words(name: str, options: Any) -> str:
    if not isinstance(options, dict) or not options:
        return name
    return f"{name} ({', '.join(f'{key} {value}' for key, value in options.items())})"
