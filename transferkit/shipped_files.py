"""Where the files that ship with transferkit lie: the backbone cards and the recipes.

In a checkout (and an editable install) they stand beside the package, as ``backbones/`` and ``recipes/``;
installed from a wheel they are inside it, as ``transferkit/cards/`` and ``transferkit/recipe_files/``.
The look-up is by path alone: ``importlib.resources`` does not see mapped folders in an editable install.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

__all__ = ["shipped"]

_PACKAGE = Path(__file__).resolve().parent
_INSIDE = {"cards": "cards", "recipes": "recipe_files"}
_BESIDE = {"cards": "backbones", "recipes": "recipes"}


def shipped(kind: Literal["cards", "recipes"]) -> Path:
    """The folder of the shipped cards or recipes.

    Raises:
        FileNotFoundError: the installation lacks them (a fault of packaging, not of the user).
    """
    inside = _PACKAGE / _INSIDE[kind]
    if inside.is_dir():
        return inside
    beside = _PACKAGE.parent / _BESIDE[kind]
    # A folder of that name beside an installed package could be anyone's: only a checkout has setup.cfg.
    if beside.is_dir() and (_PACKAGE.parent / "setup.cfg").is_file():
        return beside
    raise FileNotFoundError(f"this installation of transferkit has no {kind}: neither {inside} nor {beside}")
