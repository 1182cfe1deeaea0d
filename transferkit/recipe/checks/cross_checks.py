"""What the parts of a recipe demand of each other, and of the data and the backbone once these are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from transferkit.errors import UserError, did_you_mean
from transferkit.find_card import no_card
from transferkit.recipe.checks.average_checks import average_faults
from transferkit.recipe.device_names import names_several
from transferkit.recipe.faults import Fault, lines, shown
from transferkit.recipe.metrics import metric_fault
from transferkit.recipe.phases import Last, Phase, Until
from transferkit.recipe.toml_positions import Path
from transferkit.registry import is_admitted, is_dotted, registry

if TYPE_CHECKING:
    from transferkit.recipe.recipe import Recipe

__all__ = ["check_card", "check_labels", "check_with", "cross_check", "unknown_card"]

# Optimizers whose state is not a matter of single variables: one number or factors serve for several.
_ONE_FOR_ALL = ("adafactor", "nadam")


def cross_check(recipe: Recipe) -> list[Fault]:
    """Faults between values that are each right by themselves."""
    faults: list[Fault] = []
    multi_label = _multi_label(recipe)
    for number, phase in enumerate(recipe.resolved_phases):
        faults += _length_faults(phase, _at(recipe, number, "schedule"))
        faults += _metric_faults(recipe, number, phase, None)
        kind = phase.loss.kind
        path = (*_at(recipe, number, "loss"), "kind")
        if multi_label and kind == "cross_entropy":
            hint = f"head.kind = {recipe.head.kind!r} is for several labels an image"
            faults.append(Fault(path, shown(kind), "binary_cross_entropy or focal", hint))
        if not multi_label and kind == "binary_cross_entropy":
            faults.append(Fault(path, shown(kind), "cross_entropy or focal", "or head.multi_label = true"))
        if phase.accumulation > 1 and names_several(recipe.devices.strategy):
            path, expected = _at(recipe, number, "accumulation"), "1 where several devices share a step"
            hint = "a larger batch_size does the same: each device takes its part of it"
            faults.append(Fault(path, shown(phase.accumulation), expected, hint))
        if number == 0 and recipe.phases and phase.optimizer_state == "carry":
            path = _at(recipe, number, "optimizer_state")
            if path[0] == "phases":
                faults.append(
                    Fault(path, "'carry'", "'reset' in the first phase", "there is no phase before it")
                )
        if number and phase.optimizer_state == "carry":
            faults += _carry_faults(recipe, number, phase)
    if recipe.sweep is not None:
        wrong = metric_fault(recipe.sweep.metric, multi_label)
        if recipe.sweep.metric == "loss":
            wrong = "'log_loss'", "the losses of two trials need not be the same formula"
        if wrong is not None:
            faults.append(Fault(("sweep", "metric"), shown(recipe.sweep.metric), *wrong))
    faults += _augmentation_faults(recipe, multi_label)
    if recipe.head.options.get("features", "last") != "last" and recipe.resolved_phases[0].freeze != "all":
        hint = "levels below the cut are fixed; say head.features = 'last' to train above it"
        faults.append(
            Fault(_at(recipe, 0, "freeze"), None, "'all' where the head takes several levels", hint)
        )
    if recipe.best is not None and recipe.head.kind != "auto":
        kind = shown(recipe.head.kind)
        faults.append(Fault(("head", "kind"), kind, "'auto' with [best]", "say --recipe best"))
    if recipe.best is not None and recipe.sweep is not None:
        faults.append(Fault(("sweep",), None, "no sweep with [best]", "each chooses what the run is"))
    faults += average_faults(recipe)
    joined = [key for key in ("join", "mirror", "crops") if getattr(recipe.backbone, key)]
    for number, phase in enumerate(recipe.resolved_phases):
        if joined and phase.freeze != "all":
            faults.append(Fault(_at(recipe, number, "freeze"), None, f"'all' with backbone.{joined[0]}"))
    return faults


def check_labels(recipe: Recipe, several_labels: bool) -> None:
    """Checks that the head is one for the labels that the data gives, one an image or several.

    Raises:
        UserError: it is not.
    """
    faults = _label_faults(recipe, several_labels)
    if faults:
        raise UserError(*lines(faults, recipe.origins))


def check_card(recipe: Recipe) -> None:
    """Checks that there is a card of each name that a recipe gives as its backbone or joins to it.

    Raises:
        UserError: there is none, with the place in the recipe's files.
    """
    faults = unknown_card(recipe.backbone.name)
    for name in recipe.backbone.join:
        faults += [replace(one, path=("backbone", "join")) for one in unknown_card(name)]
    if faults:
        raise UserError(*lines(faults, recipe.origins))


def unknown_card(name: str) -> list[Fault]:
    """That no card has this name, where it is one and no path or handle."""
    if any(sign in name for sign in ":/\\.") or not (hint := no_card(name)):
        return []
    return [Fault(("backbone", "name"), shown(name), "the name of a card", hint)]


def check_with(
    recipe: Recipe,
    classes: Sequence[str] | None = None,
    images: int | None = None,
    stages: Sequence[str] | None = None,
    layers: Sequence[str] = (),
    several_labels: bool = False,
) -> None:
    """Checks a recipe against the data and the backbone that it is to run with.

    Args:
        recipe: a checked recipe.
        classes: names of the data's classes, where the data is known.
        images: training images, where the data is known.
        stages: names of the backbone's stages, where it is known.
        layers: names of its layers.
        several_labels: the data gives lists of labels.

    Raises:
        UserError: all that does not fit, with the places in the recipe's files.
    """
    faults: list[Fault] = []
    if classes is not None:
        faults += _class_faults(recipe, classes, several_labels)
    if classes is not None and recipe.sweep is not None:
        wrong = metric_fault(recipe.sweep.metric, _multi_label(recipe), classes)
        if wrong is not None:
            faults.append(Fault(("sweep", "metric"), shown(recipe.sweep.metric), *wrong))
    for number, phase in enumerate(recipe.resolved_phases):
        if classes is not None:
            faults += _metric_faults(recipe, number, phase, classes)
        if images is not None:
            faults += _size_faults(recipe, number, phase, images)
        if stages is not None and number == 0:
            faults += _level_faults(recipe, stages)
        if stages is not None and isinstance(phase.freeze, Until):
            known = [*stages, *layers]
            if phase.freeze.until not in known:
                path = (*_at(recipe, number, "freeze"), "until")
                expected = f"a stage of {recipe.backbone.name} ({', '.join(stages)}) or one of its layers"
                faults.append(
                    Fault(path, shown(phase.freeze.until), expected, did_you_mean(phase.freeze.until, known))
                )
        if layers and isinstance(phase.freeze, Last) and phase.freeze.last > len(layers):
            path = (*_at(recipe, number, "freeze"), "last")
            faults.append(Fault(path, str(phase.freeze.last), f"at most {len(layers)} layers"))
    if faults:
        raise UserError(*lines(faults, recipe.origins))


def _level_faults(recipe: Recipe, stages: Sequence[str]) -> list[Fault]:
    """Levels that the backbone does not have."""
    wanted = recipe.head.options.get("features")
    names = wanted if isinstance(wanted, (list, tuple)) else ()
    expected = f"stages of {recipe.backbone.name} ({', '.join(stages)})"
    return [
        Fault(("head", "features"), shown(name), expected, did_you_mean(name, stages))
        for name in names
        if name not in stages
    ]


def _at(recipe: Recipe, number: int, key: str) -> Path:
    """Where a phase's value was said: in its own table, or at the top of the file."""
    if recipe.phases and key in recipe.phases[number].model_fields_set:
        return ("phases", number, key)
    return (key,)


def _metric_faults(recipe: Recipe, number: int, phase: Phase, classes: Sequence[str] | None) -> list[Fault]:
    """Metrics that steer a phase and that no evaluation gives."""
    named = [
        (phase.keep_metric, _at(recipe, number, "keep_metric")),
        (
            phase.early_stopping.metric if phase.early_stopping is not None else None,
            (*_at(recipe, number, "early_stopping"), "metric"),
        ),
        (phase.schedule.options.get("metric"), (*_at(recipe, number, "schedule"), "metric")),
    ]
    faults = []
    for name, path in named:
        wrong = metric_fault(name, _multi_label(recipe), classes) if isinstance(name, str) else None
        if wrong is not None:
            faults.append(Fault(path, shown(name), *wrong))
    return faults


def _carry_faults(recipe: Recipe, number: int, phase: Phase) -> list[Fault]:
    """An optimizer that cannot go on with the moments of the phase before."""
    before = recipe.resolved_phases[number - 1].optimizer.name
    name = phase.optimizer.name
    path = _at(recipe, number, "optimizer_state")
    if name != before:
        hint = f"its phase has {name}, the one before {before}: the moments of one mean nothing to the other"
        return [Fault(path, "'carry'", "'reset'", hint)]
    if name in _ONE_FOR_ALL:
        hint = f"the state of {name} does not belong to single variables"
        return [Fault(path, "'carry'", "'reset'", hint)]
    return []


def _multi_label(recipe: Recipe) -> bool:
    return bool(recipe.head.options.get("multi_label"))


def _length_faults(phase: Phase, path: Path) -> list[Fault]:
    """Boundaries and a warm-up that lie beyond the phase's end, where both are counted alike."""
    options = phase.schedule.options
    unit = options.get("unit")
    length = phase.epochs if unit == "epochs" else phase.steps
    if length is None:
        return []
    faults = []
    beyond = [one for one in options.get("boundaries", ()) if one >= length]
    if beyond:
        hint = f"the phase {phase.name!r} is over before"
        faults.append(Fault((*path, "boundaries"), str(beyond[0]), f"boundaries below {length} {unit}", hint))
    if options.get("warmup", 0) >= length:
        faults.append(
            Fault((*path, "warmup"), str(options["warmup"]), f"less than the phase's {length} {unit}")
        )
    return faults


def _augmentation_faults(recipe: Recipe, multi_label: bool) -> list[Fault]:
    words = recipe.augmentation.options
    faults = []
    views = recipe.activations.views
    if views > 1 and not words:
        hint = "switch one on, or leave views out"
        faults.append(Fault(("activations", "views"), str(views), "1 without augmentation", hint))
    for name, options in words.items():
        if is_dotted(name) and not is_admitted(name):
            continue
        word = registry("augmentation").get(name).model_validate(options)
        mixes_images = getattr(word, "way", "") == "mix" and options.get("at", "images") == "images"
        if views > 1 and mixes_images:
            hint = "views are kept of single images" + ("; or say at = 'cut'" if "at" in options else "")
            faults.append(
                Fault(("augmentation", name), None, f"no {name} of images with activations.views", hint)
            )
        if mixes_images and multi_label and name == "cutmix":
            faults.append(
                Fault(("augmentation", name), None, "one label an image", "a cut may take labels away")
            )
    return faults


def _label_faults(recipe: Recipe, several_labels: bool) -> list[Fault]:
    faults = []
    multi_label = _multi_label(recipe)
    if several_labels and not multi_label:
        hint = "say head.kind = 'multi_label', or head.multi_label = true"
        faults.append(Fault(("head", "kind"), shown(recipe.head.kind), "a head for several labels", hint))
    if multi_label and not several_labels:
        hint = "the data has one class an image: folders are classes, a manifest may list several labels"
        # Said of the key that asks for it: the kind of head where it always does, else its switch.
        kind = recipe.head.kind
        known = not is_dotted(kind) or is_admitted(kind)
        always = known and registry("heads").get(kind).model_fields["multi_label"].default
        key, value = ("kind", recipe.head.kind) if always else ("multi_label", True)
        faults.append(Fault(("head", key), shown(value), "images with lists of labels", hint))
    return faults


def _class_faults(recipe: Recipe, classes: Sequence[str], several_labels: bool) -> list[Fault]:
    faults = _label_faults(recipe, several_labels)
    named: list[tuple[Path, Any]] = [(("head", "thresholds"), recipe.head.options.get("thresholds"))]
    named += [
        ((*_at(recipe, number, "loss"), "class_weights"), phase.loss.options.get("class_weights"))
        for number, phase in enumerate(recipe.resolved_phases)
    ]
    for path, value in named:
        if isinstance(value, dict):
            for name in sorted(set(value) - set(classes)):
                expected = f"a class of the data ({', '.join(classes[:20])})"
                faults.append(Fault((*path, name), shown(name), expected, did_you_mean(name, classes)))
        elif isinstance(value, list) and len(value) != len(classes):
            faults.append(Fault(path, f"{len(value)} values", f"{len(classes)}, one for each class"))
    return faults


def _size_faults(recipe: Recipe, number: int, phase: Phase, images: int) -> list[Fault]:
    faults = []
    per_epoch = -(-images // phase.batch_size)
    total = phase.steps or (phase.epochs or 1) * per_epoch
    options = phase.schedule.options
    path = _at(recipe, number, "schedule")
    share = per_epoch if options.get("unit") == "epochs" else 1
    size = f"{total} steps of phase {phase.name!r} ({images} images, batches of {phase.batch_size})"
    for key in ("boundaries", "warmup"):
        value = options.get(key)
        furthest = max(value, default=0) if isinstance(value, list) else value or 0
        if furthest * share >= total:
            faults.append(Fault((*path, key), f"{furthest:g} {options['unit']}", f"less than the {size}"))
    if phase.accumulation > total:
        path = _at(recipe, number, "accumulation")
        faults.append(Fault(path, str(phase.accumulation), f"no more than the {size}"))
    return faults
