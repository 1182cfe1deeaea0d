"""What TF_CONFIG says of a cluster, held against what a run can do; before anything is read or written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from transferkit.cluster.place import take_from_slurm
from transferkit.devices import workers_told
from transferkit.errors import Faults, UserError, fault
from transferkit.recipe import Recipe

__all__ = ["check_cluster", "is_shared"]

# The tasks of a cluster that train.
_TRAINING = ("chief", "master", "worker")


def is_shared(recipe: Recipe) -> bool:
    """Whether a retraining is carried out by several workers."""
    return recipe.devices.strategy in ("auto", "multi_worker") and workers_told() > 1


def check_cluster(recipe: Recipe) -> None:
    """Refuses a TF_CONFIG that makes no sense, and what several workers cannot do together.

    Raises:
        UserError: says what is wrong with it.
    """
    if recipe.devices.strategy == "multi_worker":
        take_from_slurm()
    if not os.environ.get("TF_CONFIG"):
        return
    # Only here: it takes TensorFlow, which most runs load after their data are known to be sound.
    from transferkit.tensorflow_startup import start_tensorflow

    start_tensorflow()
    from transferkit.estimator.run_config import RunConfig

    hint = "correct it, or unset it: a run needs none"
    try:
        config = RunConfig()
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        told = str(error)
        raise UserError(f"{told}; {hint}" if told.startswith("TF_CONFIG") else _malformed(told)) from None
    if config.model_dir is not None:
        expected = "none: a run has its own folder"
        raise UserError(fault("TF_CONFIG.model_dir", str(config.model_dir), expected, hint))
    received = f"{config.task_type} {config.task_id}"
    if config.task_type not in _TRAINING:
        raise UserError(fault("TF_CONFIG.task", received, f"one of {', '.join(_TRAINING)}", hint))
    if is_shared(recipe):
        Faults([*_addresses(hint), *_alone(recipe)]).refuse()
    elif not config.is_chief:
        expected = "the chief: one process trains a run"
        hint = "with --devices multi_worker all workers train it together"
        raise UserError(fault("TF_CONFIG.task", received, expected, hint))


def _addresses(hint: str) -> Iterator[str]:
    """What is wrong with the workers' addresses, which TensorFlow takes as they are."""
    seen: set[str] = set()
    cluster = json.loads(os.environ["TF_CONFIG"])["cluster"]
    for job in _TRAINING:
        place, given = f"TF_CONFIG.cluster.{job}", cluster.get(job) or []
        if not isinstance(given, list):
            yield fault(place, given, "a list of HOST:PORT", hint)
            continue
        for address in given:
            host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
            if not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
                yield fault(place, address, "HOST:PORT, with a port from 1 to 65535", hint)
            elif address in seen:
                yield fault(place, address, "an address of its own for each worker", hint)
            else:
                seen.add(address)


def _alone(recipe: Recipe) -> Iterator[str]:
    """What a recipe asks for that one process alone can do."""
    from transferkit.augmentation import make_augmentation
    from transferkit.training.augmented_batches import trains_through

    expected = "none where several workers train a run"
    if recipe.sweep is not None:
        yield fault("sweep", None, expected, "give each trial to one machine")
    if recipe.best is not None:
        yield fault("best", None, expected, "choose on one machine, then run its recipe.toml on all")
    if recipe.average is not None:
        yield fault("average", None, expected, "average on one machine")
    pipeline = make_augmentation(recipe.augmentation)
    if pipeline is not None and (pipeline.mixes_images or pipeline.mixes_activations):
        yield fault("augmentation", None, "no mixture of images where several workers train a run")
    elif trains_through(recipe):
        expected = "a number of views where several workers train a run"
        hint = "so that each worker keeps those of its share"
        yield fault("activations.views", recipe.activations.views, expected, hint)
    for phase in recipe.resolved_phases:
        if phase.batch_norm != "frozen":
            expected = "'frozen' where several workers train a run: none sees a whole batch"
            yield fault("batch_norm", phase.batch_norm, expected)


def _malformed(told: str) -> str:
    text = os.environ["TF_CONFIG"]
    shown = text if len(text) <= 80 else f"{text[:80]}…"
    return fault("TF_CONFIG", shown, "a cluster of host lists and a task", f"it cannot be read: {told}")
