"""Finds, checks and loads pretrained weights."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import Any

from transferkit.backbones._keras import keras
from transferkit.backbones.compare import difference
from transferkit.backbones.digest import of_path, of_variables
from transferkit.card import Card
from transferkit.errors import UserError, fault

__all__ = ["PRETRAINED", "load_weights", "pretrained_file"]

# What a user may write for "those that the card names".
PRETRAINED = ("imagenet", "pretrained")


def load_weights(model: Any, weights: str, card: Card, fixed: bool = True) -> str:
    """Loads weights into a model that was built with random ones, and gives the SHA-256 of what it loaded.

    Args:
        model: the flat model.
        weights: ``"imagenet"`` (or ``"pretrained"``: those that the card names), ``"random"``, or a path
            (``.weights.h5``, ``.h5``, a folder with a TensorFlow checkpoint).
        card: says where the pretrained weights are.
        fixed: the model has the card's own arguments, which the pretrained weights need.

    Raises:
        UserError: the weights cannot be had, cannot be read, or do not fit the model.
    """
    if weights == "random":
        return of_variables(model.variables)
    if weights in PRETRAINED:
        if not fixed:
            raise UserError(
                fault(
                    "backbone.weights",
                    weights,
                    "'random' or a path",
                    f"the card's weights are for {card.name} with {card.arguments or 'its usual arguments'}, "
                    "and the options change it",
                )
            )
        path = pretrained_file(card)
    else:
        path = _given(weights)
    _load(model, path)
    return of_path(path)


def pretrained_file(card: Card) -> Path:
    """The card's weights file: beside the card, in Keras's cache, or fetched into that cache.

    Raises:
        UserError: there are none, or they cannot be had without a network; says which file, from where,
            and the ways to provide it.
    """
    if card.weights is None:
        raise UserError(
            fault(
                "backbone.weights", "imagenet", "'random' or a path", f"the card {card.name} names no weights"
            )
        )
    beside = card.weights_file
    if beside is not None:
        if not beside.is_file():
            raise UserError(fault(f"{card.path.name}: weights.file", str(beside), mend="no such file"))
        return beside
    source = card.weights.source
    name = card.weights.cached_as or source.rpartition("/")[2]
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    cached = home / "models" / name
    if cached.is_file():
        return cached
    try:
        # Keras draws its progress bar on stdout, which belongs to results.
        with contextlib.redirect_stdout(sys.stderr):
            return Path(keras.utils.get_file(name, source, cache_dir=str(home), cache_subdir="models"))
    except Exception as error:
        raise UserError(_unreachable(card, name, source, cached, error)) from error


def _unreachable(card: Card, name: str, source: str, cached: Path, error: Exception) -> str:
    return fault(
        "backbone.weights",
        "imagenet",
        f"the file {name} from {source}",
        f"it is not at {cached} and could not be fetched ({_reason(error)}). Three ways to provide it: "
        f"set KERAS_HOME to a folder that has it as models/{name}; give a copy as "
        f"--set backbone.weights=PATH; or use a Hub module of {card.name} from a local folder, "
        "with TFHUB_CACHE_DIR or hub:PATH",
    )


def _reason(error: Exception) -> str:
    """The last words of Keras's message, which name the cause after the address."""
    text = " ".join(str(error).split())
    found = re.search(r"https?://\S+?:? (.*)", text)
    return (found.group(1) if found else text)[:120].strip(" :")


def _given(weights: str) -> Path:
    path = Path(weights).expanduser()
    if path.is_file() or path.is_dir():
        return path
    looks_like_path = "/" in weights or "." in weights
    mend = "no such file or folder" if looks_like_path else None
    raise UserError(fault("backbone.weights", weights, "'imagenet', 'random' or a path to weights", mend))


def _load(model: Any, path: Path) -> None:
    if path.is_dir():
        _load_checkpoint(model, path)
        return
    if path.suffix != ".h5":
        raise UserError(
            fault("backbone.weights", str(path), "a .weights.h5 or .h5 file, or a checkpoint folder")
        )
    shown = difference(model, path)
    if shown:
        raise UserError(fault("backbone.weights", str(path), "the weights of this backbone", shown))
    model.load_weights(str(path))


def _load_checkpoint(model: Any, path: Path) -> None:
    raise NotImplementedError
