"""How photos are read that a finished run has not seen: what ``--set`` says of a manifest and of limits."""

from __future__ import annotations

from collections.abc import Sequence

from transferkit.errors import Faults, did_you_mean, fault
from transferkit.recipe import Recipe, load
from transferkit.recipe.overrides import split_key
from transferkit.type_names import Override

__all__ = ["reading"]

_MANIFEST = ("columns", "root", "path_suffix", "encoding")
_LIMITS = (
    "follow_links", "max_beyond_limits", "max_bytes", "max_missing", "max_pixels", "max_side",
    "max_unreadable",
)  # fmt: skip


def reading(recipe: Recipe, overrides: Sequence[Override]) -> tuple[Recipe, bool]:
    """The run's recipe with these values, and whether they say how the manifest is to be read.

    What decides the pixels stays the run's.

    Args:
        recipe: of the run.
        overrides: ``"data.columns={path='id'}"`` and so on, or pairs of key and value.

    Raises:
        UserError: a key that says something else, or a value that is none.
    """
    names = []
    faults = Faults()
    for one in overrides:
        key = one.partition("=")[0] if isinstance(one, str) else one[0]
        parts = split_key(key)
        if parts[0] != "data" or len(parts) < 2 or parts[1] not in (*_MANIFEST, *_LIMITS):
            allowed = [f"data.{name}" for name in (*_MANIFEST, *_LIMITS)]
            hint = did_you_mean(key, allowed) or "everything else is the run's own"
            faults.append(fault("--set", key, f"one of {', '.join(allowed)}", hint))
        else:
            names.append(parts[1])
    faults.refuse()
    said = load("retrain", overrides=overrides).data
    data = recipe.data.model_copy(update={name: getattr(said, name) for name in names})
    return recipe.model_copy(update={"data": data}), any(name in _MANIFEST for name in names)
