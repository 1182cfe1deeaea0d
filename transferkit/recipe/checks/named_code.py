"""Which code a recipe asks for, and whether it may run.

Reading a recipe runs nothing. A verb that trains or builds calls :func:`admit_code` first: it says whose code
will run, and refuses what a file from outside the current project asks for unless ``--allow-code`` was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath

from transferkit.code_permission import allowed, announce, in_project, project
from transferkit.dotted_path import locate
from transferkit.errors import Faults, UserError, fault
from transferkit.find_card import card_of, is_shipped
from transferkit.keras_settings import prepare_import
from transferkit.recipe.checks.check_values import check
from transferkit.recipe.faults import dotted
from transferkit.recipe.merge import Origin, expand, merge
from transferkit.recipe.overrides import nest, split_key
from transferkit.recipe.recipe import NAMED, Recipe
from transferkit.recipe.sections import BackboneSection, Range
from transferkit.recipe.toml_positions import Path
from transferkit.registry import admit, is_dotted

__all__ = ["Code", "admit_code", "code_of", "refused_code"]

# A SavedModel is a program: its operations read and write files. So is what the Hub holds, and what the other
# sites hold may be one.
_PROGRAMS = {
    "saved_model": "the SavedModel",
    "hub": "the SavedModel",
    "hf": "the model",
    "kaggle": "the model",
}


@dataclass(frozen=True)
class Code:
    """One piece of code that a recipe names.

    Attributes:
        place: the key, with file and line where a file has it.
        name: what stands there.
        what: whose code runs, for people: a file or a SavedModel.
        by_file: a file names it, and not the command line or a call.
        foreign: the file that names it lies outside the current project.
        file: the file that is imported; None for a SavedModel and for what is built into Python.
        dotted: it is a dotted path, which is imported.
    """

    place: str
    name: str
    what: str
    by_file: bool
    foreign: bool
    file: FilePath | None = None
    dotted: bool = False


def code_of(recipe: Recipe) -> list[Code]:
    """All code that a recipe, or a trial of its sweep, names; found without running any of it."""
    trials = list(_trials(recipe))
    found = [*_components(recipe, trials), *_programs(recipe, trials)]
    return list({(one.place, one.name): one for one in found}.values())


def admit_code(recipe: Recipe, components: bool = True) -> Recipe:
    """Admits the code that a recipe names, after one line on stderr for each piece that says whose it is.

    Args:
        recipe: as :func:`transferkit.recipe.load` gives it.
        components: its components are needed, and not only its backbone.

    Files of the current folder that stand in for shipped ones are said too.

    Returns:
        The recipe with the arguments of its components checked by their own code, and filled in.

    Raises:
        UserError: a file outside the current project names code, and ``--allow-code`` was not said (see
            :func:`transferkit.code_permission.allowing`); or the components refuse their arguments.
    """
    for note in recipe.notes:
        announce(f"note: {note}")
    Faults(refused_code(recipe, components)).refuse()
    wanted = [one for one in code_of(recipe) if components or not one.dotted]
    for one in wanted:
        if one.by_file or one.dotted:
            announce(f"code: {one.place} = {one.name!r} runs {one.what}")
        if one.dotted:
            admit(one.name, one.file)
    if not any(one.dotted for one in wanted):
        return recipe
    # The code may be the first to import Keras.
    prepare_import()
    made = check(recipe.values(), dict(recipe.origins))
    made._foreign = recipe._foreign
    return made


def refused_code(recipe: Recipe, components: bool = True) -> list[str]:
    """A line for each piece of code that a recipe names and that may not run; runs none of it.

    Args:
        recipe: as :func:`transferkit.recipe.load` gives it.
        components: its components are needed, and not only its backbone.
    """
    if allowed():
        return []
    refused = [one for one in code_of(recipe) if one.foreign and (components or not one.dotted)]
    root = project()
    where = f"the current project ({root})" if root else "any project (a home folder or /tmp is none)"
    hint = f"it is in a file outside {where}; read that code, then allow it with --allow-code"
    return [fault(one.place, one.name, "no code", f"{one.what}: {hint}") for one in refused]


def _components(recipe: Recipe, trials: list[tuple[Path, Recipe]]) -> Iterator[Code]:
    for path, name in _everywhere(_named, recipe, trials):
        yield _component(recipe, path, name)


def _everywhere(
    names_of: Callable[[Recipe], list[tuple[Path, str]]], recipe: Recipe, trials: list[tuple[Path, Recipe]]
) -> Iterator[tuple[Path, str]]:
    """What a recipe names and where, and what only a trial of its sweep does."""
    found = names_of(recipe)
    yield from found
    known = {name for _, name in found}
    for place, trial in trials:
        yield from ((place, name) for _, name in names_of(trial) if name not in known)


def _named(recipe: Recipe) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = [(("head", "kind"), recipe.head.kind)]
    for number, phase in enumerate(recipe.resolved_phases):
        for key, (tag, _) in NAMED.items():
            own = bool(recipe.phases) and key in recipe.phases[number].model_fields_set
            path: Path = ("phases", number, key, tag) if own else (key, tag)
            found.append((path, getattr(getattr(phase, key), tag)))
    found += [(("augmentation", name), name) for name in recipe.augmentation.options]
    if recipe.average is not None:
        # Its head is one of ours: see `average_faults`.
        found += [(("average", "augmentation", name), name) for name in recipe.average.augmentation.options]
    return [(path, name) for path, name in found if is_dotted(name)]


def _trials(recipe: Recipe) -> Iterator[tuple[Path, Recipe]]:
    """The recipe with each single value of its sweep, and where that stands."""
    for key, values in recipe.sweep.all_values.items() if recipe.sweep is not None else ():
        for value in () if isinstance(values, Range) else values:
            yield ("sweep", "values", key), _trial(recipe, key, value)


def _trial(recipe: Recipe, key: str, value: object) -> Recipe:
    base = {one: held for one, held in recipe.values().items() if one != "sweep"}
    layer = expand(nest([(split_key(key), value)]))
    return check(merge(base, layer, {}, lambda path: Origin("sweep")), {})


def _component(recipe: Recipe, path: Path, name: str) -> Code:
    try:
        file = locate(name).file
    except (ValueError, OSError) as error:
        raise UserError(fault(dotted(path), name, "package.module:Name", str(error))) from None
    place, by_file, foreign = _said(recipe, path)
    return Code(place, name, str(file or "code built into Python"), by_file, foreign, file, dotted=True)


def _programs(recipe: Recipe, trials: list[tuple[Path, Recipe]]) -> Iterator[Code]:
    """The backbones that are SavedModels; a card may name one."""
    for path, name in _everywhere(_backbones, recipe, trials):
        card = card_of(name)
        reference = name if card is None else str(card.handle or "")
        if reference.partition(":")[0] not in _PROGRAMS:
            continue
        place, by_file, foreign = _said(recipe, path)
        what = f"{_PROGRAMS[reference.partition(':')[0]]} {reference}"
        if card is not None:
            by_file = True
            foreign = foreign or not (is_shipped(card) or in_project(card.path))
            what += f" of the card {card.path}"
        yield Code(place, name, what, by_file, foreign)


def _backbones(recipe: Recipe) -> list[tuple[Path, str]]:
    """All networks that a recipe takes features of: its own, those beside it, and a second network's.

    Those that `best` may choose have weights files on this machine, and are none that run code.
    """
    sections: list[tuple[Path, BackboneSection]] = [(("backbone",), recipe.backbone)]
    if recipe.average is not None and recipe.average.backbone is not None:
        sections.append((("average", "backbone"), recipe.average.backbone))
    found: list[tuple[Path, str]] = []
    for path, section in sections:
        found.append(((*path, "name"), section.name))
        found += [((*path, "join", number), name) for number, name in enumerate(section.join)]
    return found


def _said(recipe: Recipe, path: Path) -> tuple[str, bool, bool]:
    """Where a value was said, whether a file said it, and whether that file lies outside the project."""
    for end in range(len(path), 0, -1):
        origin = recipe.origins.get(path[:end])
        if origin is not None:
            return origin.place(dotted(path)), origin.file is not None, origin.file in recipe._foreign
    # Nobody said it here: what a default names is ours.
    return dotted(path), False, False
