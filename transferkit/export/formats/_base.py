"""What all formats share: how near an artefact must come, and what a loaded one is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transferkit.export.export_spec import About

__all__ = ["EXACT", "LoadedArtefact", "Tensor", "Tolerance"]


@dataclass(frozen=True)
class Tolerance:
    """How near an artefact must come to the evaluated model.

    Attributes:
        difference: the largest difference of any probability; None where only the answers are held.
        agreement: the least share of images with the same most probable class (with the very same labels,
            where an image may have several).
    """

    difference: float | None
    agreement: float

    @property
    def quantised(self) -> bool:
        """Answers are counted rather than probabilities compared: that takes many images."""
        return self.difference is None


# Float32 arithmetic in another order: what is beyond this is another network.
EXACT = Tolerance(difference=1e-4, agreement=1.0)


@dataclass(frozen=True)
class Tensor:
    """An input or output: ``shape`` has None where any size will do."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class LoadedArtefact:
    """An artefact, loaded.

    Attributes:
        about: what it says of itself.
        answer: uint8 ``[N, h, w, 3]`` of its input size to probabilities float32 ``[N, classes]``.
        labels: the class names as they lie in the artefact itself.
        signatures: name to inputs and outputs.
        from_bytes: the same from encoded images, where the artefact decodes them itself; else None.
        call: name of a signature and its input (encoded images, or uint8 ``[N, h, w, 3]``) to all its
            outputs; None where ``probabilities`` is all that there is.
        outputs: uint8 ``[N, h, w, 3]`` to ``probabilities`` and ``novelty`` (float32 ``[N]``), of a file
            that has both; None where ``probabilities`` is all that there is.
        model: what TensorFlow loaded; the functions above live only as long as it does.
    """

    about: About
    answer: Callable[[np.ndarray], np.ndarray]
    labels: tuple[str, ...]
    signatures: dict[str, tuple[list[Tensor], list[Tensor]]] = field(default_factory=dict)
    from_bytes: Callable[[Sequence[bytes]], np.ndarray] | None = None
    call: Callable[[str, Any], dict[str, np.ndarray]] | None = None
    outputs: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None
    model: Any = None
