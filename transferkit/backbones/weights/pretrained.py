"""Finds, checks and loads pretrained weights."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

from transferkit.backbones._keras import keras
from transferkit.backbones.weights.checkpoint import checkpoint_files, load_checkpoint
from transferkit.backbones.weights.digest import of_files, of_path, of_variables
from transferkit.backbones.weights.fitting_weights import difference
from transferkit.backbones.weights.given_path import PRETRAINED, given_path, is_hdf5, is_torch
from transferkit.backbones.weights.packaged import packaged_file
from transferkit.backbones.weights.torch_weights import load_torch_weights
from transferkit.card import Card
from transferkit.errors import UserError, fault
from transferkit.find_card import list_cards
from transferkit.keras_settings import keras_folder

__all__ = ["at_hand", "find_weights", "load_weights", "pretrained_file"]


def find_weights(weights: str, card: Card, fixed: bool = True) -> Path | None:
    """Finds the weights before anything is built: a file or checkpoint, or None for random ones.

    Args:
        weights: ``"imagenet"`` (or ``"pretrained"``: those that the card names), ``"random"``, or a path
            (``.weights.h5``, ``.h5``, ``.pth`` where the card's network has a map for it, a TensorFlow
            checkpoint or a folder with one).
        card: says where the pretrained weights are.
        fixed: the model has the card's own arguments, which the pretrained weights need.

    Raises:
        UserError: there are no such weights, or they are unavailable.
    """
    if weights == "random":
        return None
    if weights not in PRETRAINED:
        return given_path(weights)
    if not fixed:
        arguments = card.arguments or "its usual arguments"
        hint = f"the weights of {card.name} are for {arguments}, and the options change them"
        raise UserError(fault("backbone.weights", weights, "'random' or a path", hint))
    return pretrained_file(card)


def load_weights(model: keras.Model, path: Path | None, card: Card) -> str:
    """Loads weights into a model built with random ones, and gives the SHA-256 of what it loaded.

    Args:
        model: the flat model.
        path: from :func:`find_weights`; with None the model's random values are what is hashed.
        card: its constructor's module knows how tensors of PyTorch lie in the model's layers.

    Raises:
        UserError: the weights cannot be read, or do not fit the model; shows where they differ.
    """
    if path is None:
        return of_variables(model.weights)
    if is_torch(path):
        load_torch_weights(model, path, card)
        return of_path(path)
    _load(model, path)
    return of_path(path) if is_hdf5(path) else of_files(checkpoint_files(path), path.parent)


def pretrained_file(card: Card) -> Path:
    """The card's weights file: beside the card, in Keras's cache, or fetched into that cache.

    Raises:
        UserError: there are none, or they are unavailable without a network; says which file, from where,
            and the ways to provide it.
    """
    if card.weights is None:
        raise UserError(
            fault(
                "backbone.weights", "imagenet", "'random' or a path", f"the card {card.name} names no weights"
            )
        )
    if card.weights.package is not None:
        return packaged_file(card)
    beside = card.weights_file
    if beside is not None:
        if not beside.is_file():
            raise UserError(fault(f"{card.path.name}: weights.file", str(beside), hint="no such file"))
        return beside
    source = card.weights.source
    cached = cached_file(card)
    name, home = cached.name, cached.parent.parent
    if cached.is_file():
        return cached
    try:
        # Keras draws its progress bar on stdout, which belongs to results.
        with contextlib.redirect_stdout(sys.stderr):
            return Path(keras.utils.get_file(name, source, cache_dir=str(home), cache_subdir="models"))
    except Exception as error:
        raise UserError(_unreachable(card, name, source, cached, error)) from error


def _unreachable(card: Card, name: str, source: str, cached: Path, error: Exception) -> str:
    here = at_hand()
    others = f"; or take a backbone whose weights are at hand: --backbone {' or '.join(here)}" if here else ""
    return fault(
        "backbone.weights",
        "imagenet",
        f"the file {name} from {source}",
        f"it is not at {cached} and could not be fetched ({_reason(error)}). Ways to provide it: "
        f"set KERAS_HOME to a folder that has it as models/{name}; name a copy with "
        "--set backbone.weights=PATH; take a Hub module in its place (--backbone hub:HANDLE), "
        f"kept in the folder that TFHUB_CACHE_DIR names{others}",
    )


def at_hand() -> list[str]:
    """Names of the backbones whose pretrained weights are on this machine, sorted."""
    try:
        cards = list_cards()
    except UserError:  # a broken card of the user's own is no reason to say less of these weights
        return []
    return [card.name for card in cards if _kept(card) is not None]


def _kept(card: Card) -> Path | None:
    """The card's weights file, where it is here already."""
    if card.weights is None or card.handle is not None:
        return None
    if card.weights.package is not None:
        try:
            return packaged_file(card)
        except UserError:
            return None
    file = card.weights_file or cached_file(card)
    return file if file.is_file() else None


def cached_file(card: Card) -> Path:
    """Where Keras keeps the card's weights once they were fetched."""
    weights = card.weights
    assert weights is not None  # noqa: S101 -- for the type checker: its callers have looked
    name = weights.cached_as or weights.source.rpartition("/")[2]
    return keras_folder() / "models" / name


def _reason(error: Exception) -> str:
    """The last words of Keras's message, which name the cause after the address."""
    text = " ".join(str(error).split())
    found = re.search(r"https?://\S+?:? (.*)", text)
    return (found.group(1) if found else text)[:120].strip(" :")


def _load(model: keras.Model, path: Path) -> None:
    if not is_hdf5(path):
        load_checkpoint(model, path)
        return
    shown = difference(model, path)
    if shown:
        raise UserError(fault("backbone.weights", str(path), "the weights of this backbone", shown))
    try:
        model.load_weights(str(path))
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        # The listing of a file that was cut short can be whole while its values are not.
        hint = f"it cannot be loaded: {str(error).strip().splitlines()[0]}"
        raise UserError(fault("backbone.weights", str(path), "the weights of this backbone", hint)) from error
