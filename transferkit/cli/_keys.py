"""Options that are short forms of a recipe's keys, and what is answered to options of other tools.

An option lies over the recipe as ``--set`` does. Said both ways with two values, it is a fault.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import click

from transferkit.errors import Faults, UserError, did_you_mean, fault
from transferkit.type_names import NamedValues

__all__ = ["key_options", "other_name"]

# Option: further spelling, metavar, key, what it is.
_KEYS: dict[str, tuple[str | None, str, str, str]] = {
    "--epochs": (None, "N", "epochs", "Passes over the training images"),
    "--lr": ("--learning-rate", "RATE", "optimizer.learning_rate", "The optimizer's learning rate"),
    "--batch-size": (None, "N", "batch_size", "Images in a training step"),
    "--image-size": (None, "PIXELS", "backbone.input_size", "Side of the images, or HEIGHTxWIDTH"),
    "--head": (
        None,
        "KIND",
        "head.kind",
        "Classifier on the backbone's features: linear, logistic, mlp, auto and others",
    ),
    "--freeze": (None, "WHAT", "freeze", "all, none, or the last stage or layer that is frozen"),
    "--budget": (None, "TIME", "best.budget", "Time limit of the search of recipe best, such as 20m"),
    "--seed": (None, "N", "seed", "Seed of everything random: split, weights, order, augmentation"),
    "--devices": (
        None,
        "WHICH",
        "devices.strategy",
        "auto, cpu, gpu, gpu:0,2, mirrored, multi_worker or tpu",
    ),
}
# Options of other tools, and what is said here instead.
_OTHERS = {
    "--model": "--backbone",
    "--arch": "--backbone",
    "--base-model": "--backbone",
    "--weights": "--set backbone.weights=…",
    "--dataset": "--data",
    "--data-dir": "--data",
    "--data-path": "--data",
    "--image-dir": "--data",
    "--config": "--recipe",
    "--output": "--run",
    "--output-dir": "--run",
    "--out": "--run",
    "--name": "--run",
    "--batch": "--batch-size",
    "--bs": "--batch-size",
    "--img-size": "--image-size",
    "--imgsz": "--image-size",
    "--size": "--image-size",
    "--input-size": "--image-size",
    "--lr0": "--lr",
    "--steps": "--set steps=…",
    "--optimizer": "--set optimizer=…",
    "--dropout": "--set head.dropout=…",
    "--loss": "--set loss=…",
    "--schedule": "--set schedule=…",
    "--augment": "--recipe robust, or --set augmentation.flip=true",
    "--patience": "--set early_stopping.patience=…",
    "--validation-split": "--set data.validation=…",
    "--val-split": "--set data.validation=…",
    "--weight-decay": "--set optimizer.weight_decay=…",
    "--fine-tune": "--recipe finetune_top",
    "--device": "--devices",
    "--gpu": "--devices",
    "--gpus": "--devices",
    "--accelerator": "--devices",
    "--strategy": "--devices",
    "--num-epochs": "--epochs",
    # Of retrain.py and make_image_classifier.
    "--tfhub-module": "--backbone hub:HANDLE",
    "--how-many-training-steps": "--set steps=…",
    "--train-epochs": "--epochs",
    "--train-batch-size": "--batch-size",
    "--momentum": "--set 'optimizer={name=\"sgd\", momentum=…}'",
    "--dropout-rate": "--set head.dropout=…",
    "--l2-regularizer": "--set head.l2=…",
    "--label-smoothing": "--set loss.label_smoothing=…",
    "--validation-percentage": "--set data.validation=…",
    "--testing-percentage": "--set data.test=…",
    "--eval-step-interval": "--set evaluate_every=…",
    "--bottleneck-dir": "--set activations.cache_dir=…",
    "--do-fine-tuning": "--recipe finetune_full",
    "--do-data-augmentation": "--recipe robust",
    "--flip-left-right": "--set augmentation.flip=true",
    "--horizontal-flip": "--set augmentation.flip=true",
    "--random-crop": "--set augmentation.crop=true",
    "--random-scale": "--set augmentation.zoom=…",
    "--zoom-range": "--set augmentation.zoom=…",
    "--random-brightness": "--set augmentation.color=…",
    "--rotation-range": "--set augmentation.rotation=…",
    "--assert-accuracy-at-least": "--fail-under",
    "--saved-model-dir": "--run",
    "--output-graph": "--run",
    "--output-labels": "--run (its export holds the labels)",
    "--labels-output-file": "--run (its export holds the labels)",
    "--summaries-dir": "--run (its folder events/ is for TensorBoard)",
    "--checkpoint-path": "--run (its folder phases/ holds them)",
    "--print-misclassified-test-images": "--run (its report.html shows the mistakes)",
    "--tflite-output-file": "--set 'export.formats=[\"tflite\"]'",
}


def other_name(error: click.NoSuchOption) -> UserError | None:
    """What is said to an option that a verb does not have; None where nothing more is known than that."""
    here = [name for parameter in error.ctx.command.params for name in parameter.opts] if error.ctx else []
    name = "--" + error.option_name.lstrip("-").replace("_", "-")
    meant = name if name in here else _OTHERS.get(name)
    if meant in _KEYS and meant not in here:
        name, meant = str(meant), None
    key = next((key for one, (more, _, key, _) in _KEYS.items() if name in (one, more)), None)
    if meant is None and key is not None and name not in here:
        meant = f"--set {key}=…"
    first = meant.split()[0] if meant else ""
    if meant is None or (first.startswith("--") and first not in here):
        return None
    return UserError(fault(error.option_name, None, None, f"no such option; use {meant}"))


def key_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds options that are short forms of keys; the verb finds them among its ``settings``.

    Args:
        *names: which, such as ``"--epochs"``; all of them if none is named.
    """
    chosen = [name for name in _KEYS if not names or name in names]

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def verb(*, settings: tuple[str, ...] = (), **arguments: Any) -> Any:
            given = {name: arguments.pop(_parameter(name)) for name in chosen}
            pairs = _pairs({name: text for name, text in given.items() if text is not None})
            _agree(settings, pairs, arguments)
            try:
                # Last of all: a short form among the settings leaves the rest of its table alone.
                return function(settings=(*settings, *pairs.values()), **arguments)
            except UserError as error:
                error.faults = tuple(_as_said(line, pairs) for line in error.faults)
                raise

        for name in reversed(chosen):
            more, metavar, key, words = _KEYS[name]
            spellings = [name, *([more] if more else []), _parameter(name)]
            verb = click.option(*spellings, metavar=metavar, help=f"{words}.  [key: {key}]")(verb)
        return verb

    return add


def _parameter(name: str) -> str:
    return "key_" + name.strip("-").replace("-", "_")


def _pairs(given: dict[str, str]) -> dict[str, str]:
    """Option to ``key=value`` as ``--set`` has it."""
    return {name: f"{_KEYS[name][2]}={_as_toml(name, text.strip())}" for name, text in given.items()}


def _as_toml(name: str, text: str) -> str:
    if name == "--image-size":
        size = re.fullmatch(r"(\d+)\s*[x,]\s*(\d+)", text)
        if not (size or text.isdecimal()):
            raise UserError(fault(name, text, "pixels, such as 320, or HEIGHTxWIDTH, such as 240x320"))
        return f"[{size[1]}, {size[2]}]" if size else text
    if name == "--freeze" and re.fullmatch(r"\w[\w./-]*", text) and text not in ("all", "none"):
        # A slip of the hand is no stage's name.
        return text if did_you_mean(text, ("all", "none")) else f'{{ until = "{text}" }}'
    return text


def _agree(settings: Sequence[str], pairs: dict[str, str], arguments: NamedValues) -> None:
    """Refuses what an option and ``--set`` say differently of one key."""
    from transferkit.recipe.merge import expand
    from transferkit.recipe.overrides import nest, parse_value, spelled_out, split_override

    said = [split_override(one) for one in settings]
    table = expand(nest([(spelled_out(keys, value), value) for keys, value in said]))
    wanted = {name: pair.partition("=")[::2] for name, pair in pairs.items()}
    options = {name: (key, parse_value(text, key)) for name, (key, text) in wanted.items()}
    for name, key in (("--backbone", "backbone.name"), ("--data", "data.path")):
        if arguments.get(name.strip("-")) is not None:
            options[name] = (key, arguments[name.strip("-")])
    faults = Faults()
    for name, (key, value) in options.items():
        other: Any = table
        for part in key.split("."):
            other = other.get(part) if isinstance(other, dict) else None
        if key == "backbone.input_size" and isinstance(value, int):
            value = [value, value]
        if other is not None and other != value:
            expected = f"one value for {key}; --set {key} says {other!r}"
            faults.append(fault(name, value, expected, "leave one of them out"))
    faults.refuse()


def _as_said(line: str, pairs: dict[str, str]) -> str:
    """A fault's line with the option that was typed in place of the key that it stands for."""
    for name in pairs:
        key = _KEYS[name][2]
        # What is known only once the backbone is there names the key alone.
        for place in (f"--set {key}", key):
            if line.startswith((f"{place}:", f"{place}[", f"{place}.")):
                return name + line[len(place) :].removeprefix(".until")
    return line
