"""Everything that can be known to be wrong with a run before it starts, all of it at once.

What is checked here takes neither TensorFlow nor the images: names, packages, files, folders, and what the
parts of a recipe demand of each other. `recipes validate`, `plan`, `retrain` and its sweeps ask here first.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from transferkit.data.sources import check_source
from transferkit.data.sources.class_order import stated_classes
from transferkit.data.splits.previous_split import read_previous_split
from transferkit.devices import check_devices
from transferkit.errors import Faults, UserError, collect, fault
from transferkit.evaluation import gates
from transferkit.export.formats import check_installed
from transferkit.files.cache_location import check_cache_folder
from transferkit.files.remote import check_remote, is_remote
from transferkit.find_card import card_of
from transferkit.packages import installed
from transferkit.recipe import Recipe, admit_code, check_with, load, refused_code
from transferkit.recipe.checks.check_values import RecipeError
from transferkit.recipe.faults import dotted
from transferkit.recipe.sections import Range
from transferkit.recipe.sweep import trial_recipe
from transferkit.runs.calibration.other_photos import check_other_places
from transferkit.runs.checks.check_average import check_average
from transferkit.runs.checks.check_backbone import check_backbone
from transferkit.runs.checks.check_cluster import check_cluster
from transferkit.runs.checks.supported import check_supported
from transferkit.runs.sweep.choose_values import check_sweep
from transferkit.runs.tracking import check_tracking
from transferkit.type_names import Override

__all__ = ["check_run", "checked_recipe", "preflight"]

# Sections whose values lead to files, packages and devices.
_LEADING = ("activations", "backbone", "data", "devices", "evaluation", "export", "tracking")


def preflight(
    recipe: Recipe | str | os.PathLike[str] | None = None, data: str | os.PathLike[str] | None = None
) -> tuple[str, ...]:
    """All faults of a recipe that show before anything runs, on this machine as it is.

    Code that the recipe names is not imported. The backbone is built only where its card does not say
    whether it has a stage that a freezing rule names.

    Args:
        recipe: a recipe's name or file, or one that was read; the shipped ``retrain`` by default.
        data: the images, where they are others than ``data.path`` says.

    Returns:
        One line for each fault; none where the run can start.
    """
    found, faults = (recipe, Faults()) if isinstance(recipe, Recipe) else _read(recipe)
    if found is None:
        return tuple(faults)
    return tuple(dict.fromkeys([*faults, *_faults(found, data), *collect(lambda: _check_stages(found))]))


def checked_recipe(
    reference: str | os.PathLike[str] | None = None,
    overrides: Sequence[Override] = (),
    *,
    components: bool | None = None,
    more: Callable[[Recipe], Iterable[str]] = lambda recipe: (),
    stages: bool = False,
    **values: Any,
) -> Recipe:
    """Reads a recipe and makes sure that a run of it can start.

    Args:
        reference: as of :func:`transferkit.recipe.load`; so are ``overrides`` and ``values``.
        overrides: see there.
        components: which of its code is admitted (:func:`transferkit.recipe.admit_code`): True for all, False
            for its backbone alone, None for none.
        more: further faults of a recipe, which the caller knows of.
        stages: check names of stages also where the backbone has to be built for it and nothing else is
            wrong; who builds the backbone next finds out by itself.
        **values: see there.

    Raises:
        UserError: all faults of the recipe's values and of what they lead to.
    """
    found, faults = _read(reference, overrides, **values)
    if found is None:
        raise UserError(*faults)
    if components is not None and faults:
        faults += refused_code(found, components)
    elif components is not None:
        with faults.caught():
            # Its components know more of their arguments than the recipe does.
            found = admit_code(found, components)
    check_run(found, faults, more, stages)
    return found


def check_run(
    recipe: Recipe,
    faults: Iterable[str] = (),
    more: Callable[[Recipe], Iterable[str]] = lambda recipe: (),
    stages: bool = False,
) -> None:
    """Makes sure that a run of a recipe can start.

    Args:
        recipe: as it was read.
        faults: what is known to be wrong already.
        more: as of :func:`checked_recipe`, and so is ``stages``.
        stages: see there.

    Raises:
        UserError: all faults.
    """
    known = [*faults, *_faults(recipe), *more(recipe)]
    if known or stages:
        known += collect(lambda: _check_stages(recipe))
    Faults(_each_once(known)).refuse()


def _each_once(lines: Iterable[str]) -> list[str]:
    """Each fault once, also where two checks name a key and the table that it stands in."""
    places: dict[str, str] = {}
    for line in dict.fromkeys(lines):
        place, _, body = line.partition(": ")
        earlier = places.get(body)
        if earlier is not None and place.startswith(f"{earlier}."):
            del places[body]  # the key says more than its table
        elif earlier is not None and earlier.startswith(f"{place}."):
            continue
        elif earlier is not None:
            body = f"{body}\0{place}"  # the same words of another key
        places[body] = place
    return [f"{place}: {body.partition(chr(0))[0]}" if body else place for body, place in places.items()]


def _read(
    reference: str | os.PathLike[str] | None,
    overrides: Sequence[Override] = (),
    **values: Any,
) -> tuple[Recipe | None, Faults]:
    """A recipe and its own faults; with faults what is sound of it, if anything is."""
    try:
        return load(reference, overrides, **values), Faults()
    except RecipeError as error:
        return error.sound, Faults(error.faults)


def _faults(recipe: Recipe, data: str | os.PathLike[str] | None = None) -> list[str]:
    own = collect(lambda: check_supported(recipe), *_quick(recipe, data))
    return [*(_placed(recipe, line) for line in own), *_of_values(recipe, data, own)]


def _of_values(recipe: Recipe, data: str | os.PathLike[str] | None, own: Collection[str]) -> Iterator[str]:
    """What the values of a sweep lead to, beside the recipe's own faults."""
    for words, trial in _single_trials(recipe, _LEADING):
        yield from (f"sweep: {words}: {line}" for line in collect(*_quick(trial, data)) if line not in own)


def _single_trials(recipe: Recipe, sections: Collection[str]) -> Iterator[tuple[str, Recipe]]:
    """Each listed value of a sweep's keys in some sections by itself: in words, and the recipe with it."""
    for key, values in recipe.sweep.all_values.items() if recipe.sweep is not None else ():
        if key.partition(".")[0] not in sections or isinstance(values, Range):
            continue
        for value in values:
            # What no run could have is said with the trials.
            with contextlib.suppress(UserError):
                yield f"{key} = {value!r}", trial_recipe(recipe, [(key, value)])


def _placed(recipe: Recipe, line: str) -> str:
    """A fault's line with the file and the line of the key that it begins with, where a file has it."""
    key, colon, _ = line.partition(": ")
    for path, origin in recipe.origins.items():
        if colon and origin.file is not None and dotted(path) == key:
            return origin.place(line)
    return line


def _quick(recipe: Recipe, data: str | os.PathLike[str] | None) -> list[Callable[[], object]]:
    section = recipe.data
    path = os.fspath(data) if data is not None else section.path
    return [
        lambda: check_backbone(recipe),
        lambda: check_average(recipe),
        lambda: gates.parse(recipe.evaluation.fail_under),
        lambda: check_other_places(recipe.evaluation.other_data),
        lambda: check_source(path) if path is not None else None,
        lambda: stated_classes(section.classes),
        lambda: read_previous_split(section.ledger) if section.ledger is not None else None,
        lambda: _check_root(section.root),
        lambda: check_cache_folder(recipe.activations.cache_dir),
        lambda: _check_sources(recipe),
        lambda: _check_engine(recipe.activations.engine),
        *(functools.partial(check_installed, name, "export.formats") for name in _optional(recipe)),
        lambda: check_tracking(recipe),
        lambda: check_sweep(recipe),
        lambda: check_cluster(recipe),
        lambda: check_devices(recipe.devices),
    ]


def _check_sources(recipe: Recipe) -> None:
    """The places that features are taken from."""
    if places := getattr(recipe.activations, "from"):
        from transferkit.activations.other_caches import check_sources

        check_sources(places)


def _optional(recipe: Recipe) -> tuple[str, ...]:
    """The formats that may need packages; the SavedModel needs none, and its module imports TensorFlow."""
    return tuple(name for name in recipe.export.formats if name != "saved_model")


def _check_root(root: str | None) -> None:
    if root is not None and is_remote(root):
        check_remote(root, "data.root")
    elif root is not None and not Path(root).is_dir():
        raise UserError(fault("data.root", root, "a folder", "paths of the manifest start from it"))


def _check_engine(engine: str) -> None:
    if engine == "openvino" and not installed("openvino"):
        hint = 'pip install openvino, or say engine = "auto"'
        expected = "the package openvino, which is not installed"
        raise UserError(fault("activations.engine", engine, expected, hint))


def _check_stages(recipe: Recipe) -> None:
    """That the backbone has the stages and layers that freezing rules name, those of a sweep's values too."""
    faults = Faults(collect(lambda: _check_stages_of(recipe)))
    for words, trial in _single_trials(recipe, ("freeze",)):
        found = collect(lambda trial=trial: _check_stages_of(trial))  # type: ignore[misc]
        faults += [f"sweep: {words}: {line}" for line in found if line not in faults]
    faults.refuse()


def _check_stages_of(recipe: Recipe) -> None:
    named = [getattr(phase.freeze, "until", None) for phase in recipe.resolved_phases]
    try:
        card = card_of(recipe.backbone.name)
    except UserError:
        return  # said already
    if card is None or card.handle is not None:
        return  # building it could run its code: that is left to the verbs that need it
    stages = list(card.stages)
    if all(name is None or name in stages for name in named):
        return
    from transferkit.tensorflow_startup import start_tensorflow

    start_tensorflow()
    from transferkit.backbones import load_backbone

    section = recipe.backbone
    backbone = load_backbone(section.name, None, section.input_size, **section.options)
    check_with(recipe, stages=stages, layers=[layer.name for layer in backbone.layers])
