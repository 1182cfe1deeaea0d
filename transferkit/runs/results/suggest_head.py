"""What ``head.kind = "auto"`` would make of the features that a run has anyway, in a line."""

from __future__ import annotations

import shlex

import numpy as np

from transferkit.heads import Known, make_head
from transferkit.recipe import Recipe
from transferkit.recipe.write import to_setting
from transferkit.training.loop import Fitted
from transferkit.training.parts import features_of

__all__ = ["command_with_auto", "suggest_head"]

# The share of the run's time that it may cost, and the least time in which anything can be said.
_SHARE, _LEAST_SECONDS = 0.1, 1.0
_MOST_NUMBERS = 20_000_000


def suggest_head(recipe: Recipe, fitted: Fitted, seconds: float) -> str | None:
    """One line, or None where nothing was frozen, the head was chosen already, or it would cost too much.

    Args:
        recipe: of the run.
        fitted: what training left; only its training images are looked at.
        seconds: that the run has taken so far.
    """
    network, images = fitted.network, fitted.trained.images
    train = fitted.cut_features.kept_of(images.of_split("train"))
    budget = _SHARE * seconds
    size = len(train) * (network.head.feature_width + 2 * len(images.classes))
    if network.head.closed_form or network.cut.at is not None or fitted.cut_features.direct is not None:
        return None
    if recipe.average is not None:
        return None  # its cut lies above what was trained on these images
    if budget < _LEAST_SECONDS or size > _MOST_NUMBERS:
        return None
    labels = images.labels[train]
    features = network.standardise(features_of(network, fitted.cut_features.in_order(train, labels))).numpy()
    spec = {"kind": "auto", "multi_label": network.head.multi_label, "features": "last", "budget": budget}
    head = make_head(spec, features.shape[1], images.classes)
    known = Known(images.groups_of(train), {"features": features.shape[1]})
    head.fit(np.ascontiguousarray(features), labels, recipe.seed, known)
    facts = head.found.facts if head.found is not None else {}
    linear = [
        one for one in facts["candidates"] if one["head"] in ("logistic regression", "ridge regression")
    ]
    if not linear:
        return None
    return (
        f"head 'auto' on these features: cross-validated accuracy {facts['accuracy']:.3f}, a linear head "
        f"{linear[0]['accuracy']:.3f}; to try it on several levels of the backbone: "
        f"{command_with_auto(recipe, network.head.multi_label)}"
    )


def command_with_auto(recipe: Recipe, several_labels: bool) -> str:
    """What fits the head ``auto`` to the same images, read and split in the same way.

    Args:
        recipe: of the run.
        several_labels: an image may have several labels.
    """
    settings = {
        f"{name}.{key}": value
        for name, section in (("backbone", recipe.backbone), ("data", recipe.data))
        for key, value in section
        if f"{name}.{key}" not in ("backbone.name", "data.path")
        and value is not None
        and value != type(section).model_fields[key].get_default(call_default_factory=True)
    }
    if recipe.seed != type(recipe).model_fields["seed"].default:
        settings["seed"] = recipe.seed
    if several_labels:
        settings["head.multi_label"] = True
    named = f"--backbone {shlex.quote(recipe.backbone.name)} --data {shlex.quote(str(recipe.data.path))}"
    more = "".join(f" --set {shlex.quote(to_setting(key, value))}" for key, value in settings.items())
    return f"transferkit retrain --recipe auto {named}{more}"
