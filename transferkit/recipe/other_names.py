"""Names by which people look for a key of a recipe that is called otherwise, or stands in another table."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel

from transferkit.errors import nearest
from transferkit.recipe.toml_positions import Path

__all__ = ["key_meant", "key_near"]

# What other libraries, command lines and papers call it.
NAMES = {
    "arch": "backbone",
    "architecture": "backbone",
    "model": "backbone",
    "base_model": "backbone",
    "network": "backbone",
    "size": "backbone.input_size",
    "image_size": "backbone.input_size",
    "img_size": "backbone.input_size",
    "imgsz": "backbone.input_size",
    "input_shape": "backbone.input_size",
    "resolution": "backbone.input_size",
    "pretrained": "backbone.weights",
    "lr": "optimizer.learning_rate",
    "lr0": "optimizer.learning_rate",
    "rate": "optimizer.learning_rate",
    "learningrate": "optimizer.learning_rate",
    "learning_rate": "optimizer.learning_rate",
    "optim": "optimizer",
    "solver": "optimizer",
    "momentum": "optimizer.momentum",
    "wd": "optimizer.weight_decay",
    "decay": "optimizer.weight_decay",
    "weight_decay": "optimizer.weight_decay",
    "scheduler": "schedule",
    "lr_schedule": "schedule",
    "lr_scheduler": "schedule",
    "batch": "batch_size",
    "bs": "batch_size",
    "batchsize": "batch_size",
    "epoch": "epochs",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "max_steps": "steps",
    "num_steps": "steps",
    "random_seed": "seed",
    "dropout": "head.dropout",
    "dropout_rate": "head.dropout",
    "classifier": "head",
    "l2": "head.l2",
    "frozen": "freeze",
    "trainable": "freeze",
    "unfreeze": "freeze",
    "fine_tune": "freeze",
    "aug": "augmentation",
    "augment": "augmentation",
    "augmentations": "augmentation",
    "do_fine_tuning": "freeze",
    "flip": "augmentation.flip",
    "mixup": "augmentation.mixup",
    "cutmix": "augmentation.cutmix",
    "amp": "mixed_precision",
    "fp16": "mixed_precision",
    "bf16": "mixed_precision",
    "device": "devices",
    "gpu": "devices",
    "gpus": "devices",
    "accelerator": "devices",
    "strategy": "devices.strategy",
    "distribution_strategy": "devices.strategy",
    "jit_compile": "devices.xla",
    "memory_growth": "devices.memory_growth",
    "clip": "gradient_clipping",
    "clipnorm": "gradient_clipping",
    "grad_clip": "gradient_clipping",
    "label_smoothing": "loss.label_smoothing",
    "val_split": "data.validation",
    "validation_split": "data.validation",
    "val": "data.validation",
    "test_split": "data.test",
    "dataset": "data",
    "data_dir": "data",
    "image_dir": "data",
    "train_dir": "data",
    "format": "export.formats",
    "calibration": "evaluation.calibrate",
    "topk": "evaluation.top_k",
}


def key_meant(name: str, path: Path, recipe: type[BaseModel]) -> str | None:
    """The key that a name most likely means, written as it stands in a recipe.

    Args:
        name: the last part of a key that is none.
        path: the whole key; within a phase, a key that phases may have is named within it.
        recipe: the model of a recipe, whose tables are searched for a key of that very name.

    Returns:
        Such as ``optimizer.learning_rate``, or None where nothing of it is known.
    """
    name = name.replace("-", "_").casefold()
    found = NAMES.get(name)
    if found is None and len(path) > 1 and name in recipe.model_fields:
        found = name
    if found is None:
        tables = [table for table, model in _tables(recipe) if name in model.model_fields]
        found = f"{tables[0]}.{name}" if len(tables) == 1 else None
    if found is None or list(path) == found.split("."):
        return None
    first = found.split(".")[0]
    phase = _phase_fields(recipe)
    return f"phases[{path[1]}].{found}" if path[0] == "phases" and len(path) > 2 and first in phase else found


def key_near(name: str, recipe: type[BaseModel]) -> str | None:
    """The key of a table that a name at the top of a recipe is a misspelling of.

    Args:
        name: a key that is none.
        recipe: the model of a recipe.

    Returns:
        Such as ``optimizer.learning_rate``; None where no name is like it, or a key at the top is more so.

    >>> from transferkit.recipe.recipe import Recipe
    >>> key_near("learning_rat", Recipe)
    'optimizer.learning_rate'
    """
    known = {
        *recipe.model_fields,
        *NAMES,
        *(key for _, model in _tables(recipe) for key in model.model_fields),
    }
    name = name.replace("-", "_").casefold()
    found = nearest(name, sorted(known), most=1, likeness=0.8)
    return key_meant(found[0], (found[0],), recipe) if found else None


def _tables(recipe: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    """The plain tables of a recipe, without the list of its phases."""
    found = []
    for key, field in recipe.model_fields.items():
        if key == "phases":
            continue
        options = [field.annotation, *get_args(field.annotation)]
        found += [(key, one) for one in options if isinstance(one, type) and issubclass(one, BaseModel)]
    return found


def _phase_fields(recipe: type[BaseModel]) -> set[Any]:
    phase = next(iter(get_args(recipe.model_fields["phases"].annotation)), None)
    return set(getattr(phase, "model_fields", ()))
