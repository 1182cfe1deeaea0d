"""The lock file: what a run was made from, so that what has changed since can be said."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from transferkit._version import __version__
from transferkit.data.earlier import earlier_file, read_earlier
from transferkit.data.ledger import Ledger
from transferkit.recipe import Recipe

__all__ = ["differences", "make_lock"]

_PACKAGES = ("keras", "numpy", "openvino", "pillow", "scikit-learn", "tensorflow", "tensorflow-hub")


def make_lock(recipe: Recipe, ledger: Ledger, classes: Sequence[str], weights_sha256: str) -> dict[str, Any]:
    """What determines a run.

    Args:
        recipe: the resolved recipe.
        ledger: which image is in which split.
        classes: in label order.
        weights_sha256: of the backbone's weights.

    Returns:
        Ready for JSON: hashes of recipe, weights, data (content alone) and split, classes, versions, seeds
        and the devices of this machine; the hash of the earlier ledger, where the recipe names one
        (None where that is gone).
    """
    made = {
        "recipe_sha256": recipe.sha256(),
        "weights_sha256": weights_sha256,
        "data_sha256": _content(ledger),
        "split_sha256": ledger.sha256(),
        "classes": list(classes),
        "images": len(ledger.rows),
        "seed": recipe.seed,
        "split_seed": recipe.data.split_seed,
        "versions": {"transferkit": __version__, "python": platform.python_version(), **_versions()},
        "devices": _devices(),
    }
    if recipe.data.ledger is not None:
        there = earlier_file(recipe.data.ledger).is_file()
        made["ledger_sha256"] = read_earlier(recipe.data.ledger).sha256() if there else None
    return made


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """One line for each fact that is not what it was."""
    lines = []
    for key in then:
        before, after = then[key], now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += [f"{key}.{line}" for line in differences(before, after)]
        elif before != after:
            lines.append(f"{key}: was {json.dumps(before)}, is {json.dumps(after)}")
    return lines


def _content(ledger: Ledger) -> str:
    """A fingerprint of images and labels, whatever their names and splits."""
    lines = sorted(f"{row.sha256} {row.label}" for row in ledger.rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _devices() -> list[str]:
    import tensorflow as tf

    described = [
        tf.config.experimental.get_device_details(device).get("device_name", device.name)
        for device in tf.config.list_physical_devices()
        if device.device_type != "CPU"
    ]
    return [platform.machine(), *described]
